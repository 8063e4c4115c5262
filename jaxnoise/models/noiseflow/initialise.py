"""Where training starts: from a key alone, or from the moments of real noise."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxnoise.batch import NoiseBatch
from jaxnoise.bijectors.causal_conv import whitening_parameters
from jaxnoise.bijectors.chain import SHARED, Layer, parse
from jaxnoise.bijectors.conv1x1 import Conv1x1, decompose
from jaxnoise.bijectors.coupling import kept_channels
from jaxnoise.bijectors.gain import PARAMETERISATIONS
from jaxnoise.causal import SHRINKAGE, fit_taps, gram, half_plane
from jaxnoise.conditions import nearest_rows
from jaxnoise.curve import curve_table, intensity_moments
from jaxnoise.errors import UsageError
from jaxnoise.models.noiseflow.config import Config
from jaxnoise.models.noiseflow.model import (
    BASE,
    Variables,
    clean_at,
    conditioner_net,
    layer_builder,
)
from jaxnoise.models.noiseflow.signal_fit import fit_signal_and_gain


def init(key: Array, config: Config) -> Variables:
    """Fresh variables: couplings are the identity, 1x1 convolutions random rotations.

    Args:
        key: a `jax.random.key`.
        config: the model's configuration.

    Returns:
        `params` (trained), `batch_stats` (state of batch normalisation) and `constants`
        (permutations and signs of 1x1 convolutions), each a nested dictionary by layer name.

    Source: Noise Flow, Section 4.2; initial values of the reference parameterisation are those of
    the published code.
    """
    params: dict = {}
    constants: dict = {}
    statistics: dict = {}
    layers = parse(config.arch, config.channels)
    if shared := _init_signal_and_gain(config, [layer.kind for layer in layers]):
        params[SHARED] = shared
    table = (len(config.cameras), len(config.isos))
    for index, layer in enumerate(layers):
        own = jax.random.fold_in(key, index)
        channels, triangle = layer.channels, layer.channels * (layer.channels - 1) // 2
        if layer.kind == "conv1x1":
            rotation, _ = jnp.linalg.qr(jax.random.normal(own, (channels, channels)))
            _store_matrix(params, constants, layer, rotation)
        elif layer.kind == "coupling":
            kept = jnp.zeros((1, 4, 4, kept_channels(channels)))
            variables = conditioner_net(config, layer).init(own, kept)
            params[layer.name] = variables["params"]
            if "batch_stats" in variables:
                statistics[layer.name] = variables["batch_stats"]
        elif layer.kind == "curve":
            log_variance = jnp.full((*table, channels), np.log(1e-4))
            knots = jnp.zeros((*table, channels, config.knots))
            params[layer.name] = {
                "log_shot": log_variance,
                "log_read": log_variance,
                "log_std": knots,
                "mean": knots,
            }
        elif layer.kind == "causal":
            rows = table if config.taps == "conditional" else ()
            taps = len(half_plane(layer.radius))
            params[layer.name] = {
                "taps": jnp.zeros((*rows, taps, channels, channels)),
                "lower": jnp.zeros((*rows, triangle)),
                "log_scale": jnp.zeros((*rows, channels)),
            }
    if config.base == "student_t":
        params[BASE] = {"log_excess": jnp.full((), np.log(8.0))}
    return {"params": params, "batch_stats": statistics, "constants": constants}


def _init_signal_and_gain(config: Config, kinds: list[str]) -> dict:
    reference = config.parameterisation == "reference"
    shared: dict = {}
    if "signal" in kinds:
        shared |= {"b1": jnp.full((), -5.0), "b2": jnp.full((), 0.0)}
    if "gain" in kinds:
        shared["v"] = jnp.full((len(config.isos),), -5.0 if reference else np.log(1 / 200))
        if "CAM" in config.arch.split("-"):
            cameras = len(config.cameras)
            name, shape = ("camera", (3, cameras)) if reference else ("log_psi", (cameras,))
            shared[name] = jnp.full(shape, 1.0 if reference else 0.0)
        if reference:
            shared["gain_val"] = jnp.ones(())
    if reference:
        # The published layers each carry a scalar that nothing reads; its count is part of "2433
        # parameters".
        shared |= {
            f"unused_{kind}": jnp.full((), 1e-4) for kind in ("signal", "gain") if kind in kinds
        }
    return shared


def _store_matrix(params: dict, constants: dict, layer: Layer, matrix) -> None:
    parts = {name: jnp.asarray(part, float) for name, part in decompose(np.asarray(matrix)).items()}
    constants[layer.name] = {name: parts.pop(name) for name in ("permutation", "sign")}
    params[layer.name] = parts


def init_from_data(variables: Variables, config: Config, batch: NoiseBatch) -> Variables:
    """Variables that already match the data's moments: variance curves, channel and neighbour
    correlation.

    Layer by layer from the data side: signal and gain by maximum likelihood of the variance, the
    noise curve by binned moments, 1x1 convolutions by whitening, causal convolutions by least
    squares, the tail of a Student-t base by its kurtosis. Couplings keep their fresh state, the
    identity.

    Args:
        variables: from `init`.
        config: the model's configuration.
        batch: hundreds of patches; conditions that do not occur take values from their nearest
            relatives.

    Returns:
        New variables of the same structure and dtype. Runs on the host, outside jit.

    Raises:
        UsageError: when the noise is constant or not finite.

    Source: no paper; the initial values only save training time.
    """
    noise = batch.noise
    if not bool(jnp.isfinite(noise).all()) or float(noise.std()) == 0.0:
        raise UsageError(
            "The noise is constant or not finite: give noisy and clean images that differ."
        )
    params, constants = dict(variables["params"]), dict(variables["constants"])
    key = nearest_rows(batch.camera, batch.iso, isos=config.isos)
    layers = parse(config.arch, config.channels)
    if SHARED in params:
        keys = len(config.cameras) * len(config.isos)
        moments = intensity_moments(noise, batch.clean, key, keys=keys)
        params[SHARED] = fit_signal_and_gain(params[SHARED], config, moments)
    latent, pending = noise, _gain(params, config, batch, [layer.kind for layer in layers])
    for layer in layers:
        # A gain further on is no business of the layers before it.
        scaled = latent * jnp.exp(-pending)[:, None, None, None]
        if layer.kind == "conv1x1":
            _whiten(params, constants, layer, scaled)
        elif layer.kind == "curve":
            params[layer.name] = _fit_curve(scaled, batch, key, config, layer)
        elif layer.kind == "causal":
            params[layer.name] = _fit_causal(scaled, key, config, layer)
        elif layer.kind == "gain":
            pending = jnp.zeros_like(pending)
        if layer is not layers[-1] or BASE in params:
            current = {**variables, "params": params, "constants": constants}
            latent = _through(current, config, layer, latent, batch)
    if BASE in params:
        params[BASE] = {"log_excess": _fit_tail(latent)}
    fitted = {**variables, "params": params, "constants": constants}
    return jax.tree.map(lambda new, old: jnp.asarray(new, old.dtype), fitted, variables)


@partial(jax.jit, static_argnums=(1, 2))
def _through(variables, config: Config, layer: Layer, latent: Array, batch: NoiseBatch) -> Array:
    """What a layer leaves of the noise."""
    build = layer_builder(variables, config, batch.clean, batch.camera, batch.iso)
    return build(layer).inverse_and_log_det(latent)[0]


def _whiten(params: dict, constants: dict, layer: Layer, latent: Array) -> None:
    rows = np.asarray(latent).astype(np.float64).reshape(-1, layer.channels)
    whitening = np.linalg.inv(np.linalg.cholesky(rows.T @ rows / len(rows))).T
    rotation = Conv1x1(**constants[layer.name], **params[layer.name]).matrix()
    _store_matrix(params, constants, layer, whitening @ np.asarray(rotation).astype(np.float64))


def _fit_curve(latent: Array, batch: NoiseBatch, key: Array, config: Config, layer: Layer) -> dict:
    cameras, isos = len(config.cameras), config.isos
    clean = clean_at(batch.clean, layer.channels)
    moments = intensity_moments(latent, clean, key, keys=cameras * len(isos))
    table = curve_table(moments, cameras=cameras, isos=isos, knots=config.knots)
    return {name: jnp.asarray(value, latent.dtype) for name, value in table.items()}


def _fit_tail(latent: Array) -> Array:
    """Degrees of freedom of a Student-t with the latent's kurtosis, in the base's stored form."""
    kurtosis = float((latent**4).mean() / (latent**2).mean() ** 2) - 3.0
    degrees = 4.0 + 6.0 / max(kurtosis, 0.06)
    return jnp.asarray(np.log(degrees - 2.0), float)


def _gain(params: dict, config: Config, batch: NoiseBatch, kinds: list[str]) -> Array:
    """Log of the gain layer's factor per image, 0 without one."""
    if "gain" not in kinds:
        return jnp.zeros(batch.clean.shape[0])
    shared = PARAMETERISATIONS[config.parameterisation](
        params[SHARED], batch.camera, batch.iso, cameras=config.cameras, isos=config.isos
    )
    return jnp.broadcast_to(shared.log_gain, batch.clean.shape[:1])


def _fit_causal(latent: Array, key: Array, config: Config, layer: Layer) -> dict:
    rows = (len(config.cameras), len(config.isos)) if config.taps == "conditional" else ()
    keys = int(np.prod(rows))
    place = key if rows else jnp.zeros_like(key)
    grams, pixels = gram(latent, place, radius=layer.radius, keys=keys)
    shrinkage = SHRINKAGE if rows else 0.0
    fit = fit_taps(
        np.asarray(grams), np.asarray(pixels), channels=layer.channels, shrinkage=shrinkage
    )
    fitted = whitening_parameters(*fit)
    return {
        name: jnp.asarray(value.reshape(*rows, *value.shape[1:]), latent.dtype)
        for name, value in fitted.items()
    }
