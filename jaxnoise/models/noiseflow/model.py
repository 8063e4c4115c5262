"""Density, sampling and training-mode likelihood of a noise flow."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num, PyTree

from jaxnoise.bijectors import StudentT, _distrax, chain
from jaxnoise.bijectors._shapes import over_pixels
from jaxnoise.bijectors.chain import build_chain, latent_shape, own_variables, parse
from jaxnoise.bijectors.chain_start import describe_chain
from jaxnoise.bijectors.coupling import AffineCoupling, kept_channels
from jaxnoise.bijectors.layer_kind import Conditioner, Layer, Own
from jaxnoise.conditions import camera_weights, check_conditions, iso_weights
from jaxnoise.models.noiseflow.blocked import is_blocked, stretches, to_latent, to_noise
from jaxnoise.models.noiseflow.config import Config
from jaxnoise.nets.coupling_conditioner import CouplingConditioner

Variables = dict[str, PyTree[Array]]
BASE = "base"
"""Where the parameter of the base distribution is stored."""


@dataclass(frozen=True)
class CouplingNetworks:
    """The networks of a noise flow's couplings, for `jaxnoise.bijectors.layer_kind.Networks`.

    Attributes:
        config: the model's configuration.
        batch_statistics: normalise by the statistics of the batch at hand.
    """

    config: Config
    batch_statistics: bool = False

    def net(self, layer: Layer) -> CouplingConditioner:
        """The network of a coupling layer."""
        changed = layer.channels - kept_channels(layer.channels)
        return CouplingConditioner(self.config.width, changed, self.config.normalisation)

    def init(self, key: Array, layer: Layer) -> Own:
        """Fresh variables of a layer's network."""
        kept = jnp.zeros((1, 4, 4, kept_channels(layer.channels)))
        return dict(self.net(layer).init(key, kept))

    def conditioner(self, layer: Layer, own: Own) -> Conditioner:
        """A layer's network as a function of the kept channels."""
        net = self.net(layer)

        def shift_and_log_scale(kept: Array) -> tuple[Array, Array]:
            if self.batch_statistics:
                output, _ = net.apply(own, kept, train=True, mutable=["batch_stats"])
            else:
                output = net.apply(own, kept)
            shift, log_scale = output
            return jnp.asarray(shift), jnp.asarray(log_scale)

        return shift_and_log_scale


def layer_builder(
    variables: Variables, config: Config, clean, camera, iso, *, batch_statistics: bool = False
) -> Callable[[Layer], Any]:
    """A function from a layer to its bijector, for one batch of conditions."""
    networks = CouplingNetworks(config, batch_statistics)
    return chain.layer_builder(variables, config, networks, clean=clean, camera=camera, iso=iso)


def base_distribution(variables: Variables, config: Config, shape: tuple[int, ...], camera, iso):
    """The latent's distribution, batch shape (N,); NaN parameters where conditions are unknown."""
    known = camera_weights(camera, config.cameras).sum(-1) * iso_weights(iso, config.isos).sum(-1)
    zero = jnp.broadcast_to(over_pixels(jnp.where(jnp.isnan(known), jnp.nan, 0.0)), shape)
    if config.base == "student_t":
        element = StudentT(variables["params"][BASE]["log_excess"] + zero)
    else:
        element = _distrax.Normal(zero, jnp.ones_like(zero))
    return _distrax.Independent(element, len(shape) - 1)


def distribution(
    variables: Variables,
    config: Config,
    clean: Float[Array, "n h w c"],
    camera: Num[Array, " n"],
    iso: Num[Array, " n"],
    *,
    batch_statistics: bool = False,
) -> _distrax.Transformed:
    """The distribution of noise given clean images.

    Args:
        variables: from `init` or a trained model.
        config: the model's configuration.
        clean: shape (N, H, W, C), fraction of full scale.
        camera: shape (N,), index into `config.cameras`.
        iso: shape (N,), ISO numbers.
        batch_statistics: batch normalisation takes the statistics of this batch, all images
            together, as the published sampler does, and not those learned in training. Then images
            are no longer independent of each other.

    Returns:
        A `distrax.Transformed` over noise with batch shape (N,) and events (H, W, C);
        `bijector.forward` takes the latent to noise.

    Raises:
        UsageError: for a camera or ISO that the model does not know; under jit the density is NaN.

    Source: Noise Flow, Eqs. 7 and 8.
    """
    check_conditions(camera, iso, cameras=config.cameras, isos=config.isos)
    build = layer_builder(variables, config, clean, camera, iso, batch_statistics=batch_statistics)
    base = base_distribution(variables, config, latent_shape(config, clean.shape), camera, iso)
    return _distrax.Transformed(base, build_chain(config, build))


def log_prob(
    variables: Variables,
    config: Config,
    noise: Float[Array, "n h w c"],
    clean: Float[Array, "n h w c"],
    camera: Num[Array, " n"],
    iso: Num[Array, " n"],
) -> Float[Array, " n"]:
    """Log density of noise given clean images, in evaluation mode.

    Args:
        variables: from `init` or a trained model.
        config: the model's configuration.
        noise: `noisy - clean`, shape (N, H, W, C), fraction of full scale.
        clean: same shape and unit.
        camera: shape (N,), index into `config.cameras`.
        iso: shape (N,), ISO numbers.

    Returns:
        Nats per image, shape (N,); NaN under jit for unknown conditions.

    Raises:
        UsageError: for a camera or ISO that the model does not know, outside jit.

    Source: Noise Flow, Eq. 8.
    """
    check_conditions(camera, iso, cameras=config.cameras, isos=config.isos)
    return -_nll(variables, config, noise, clean, camera, iso, train=False)[0]


def sample(
    key: Array,
    variables: Variables,
    config: Config,
    clean: Float[Array, "n h w c"],
    camera: Num[Array, " n"],
    iso: Num[Array, " n"],
    *,
    temperature: float | Float[Array, ""] = 1.0,
) -> Float[Array, "n h w c"]:
    """Noise for clean images: add it to them, and clip to [0, 1] if the sensor does.

    Args:
        key: a `jax.random.key`.
        variables: from `init` or a trained model.
        config: the model's configuration.
        clean: shape (N, H, W, C), fraction of full scale; any H and W.
        camera: shape (N,), index into `config.cameras`.
        iso: shape (N,), ISO numbers.
        temperature: factor on the latent; 1 samples the modelled distribution.

    Returns:
        Noise, shape (N, H, W, C), same unit; NaN under jit for unknown conditions.

    Raises:
        UsageError: for a camera or ISO that the model does not know, outside jit.

    Source: Noise Flow, Section 3.1; the temperature is that of the published sampler.
    """
    check_conditions(camera, iso, cameras=config.cameras, isos=config.isos)
    build = layer_builder(variables, config, clean, camera, iso)
    shape = latent_shape(config, clean.shape)
    base = base_distribution(variables, config, shape, camera, iso)
    noise = jnp.asarray(base.sample(seed=key)) * temperature
    for stretch in reversed(stretches(parse(config.arch, config.channels), config.width)):
        if is_blocked(stretch, config.width):
            noise = to_noise(stretch, variables, build, noise)
        else:
            noise = jnp.asarray(build(stretch[0]).forward(noise))
    return noise


def nll_and_update(
    variables: Variables,
    config: Config,
    noise: Float[Array, "n h w c"],
    clean: Float[Array, "n h w c"],
    camera: Num[Array, " n"],
    iso: Num[Array, " n"],
) -> tuple[Float[Array, " n"], Variables]:
    """Negative log-likelihood in training mode, and the variables with updated batch statistics.

    With batch normalisation each coupling network uses the statistics of this batch, all images
    together; without it the value is that of `-log_prob`.

    Args:
        variables: from `init` or a trained model.
        config: the model's configuration.
        noise: `noisy - clean`, shape (N, H, W, C), fraction of full scale.
        clean: same shape and unit.
        camera: shape (N,), index into `config.cameras`.
        iso: shape (N,), ISO numbers.

    Returns:
        Nats per image, shape (N,), and the variables, `batch_stats` updated.

    Raises:
        UsageError: for a camera or ISO that the model does not know, outside jit.

    Source: Noise Flow, Eq. 8.
    """
    check_conditions(camera, iso, cameras=config.cameras, isos=config.isos)
    return _nll(variables, config, noise, clean, camera, iso, train=True)


def _nll(variables, config, noise, clean, camera, iso, *, train):
    build = layer_builder(variables, config, clean, camera, iso)
    latent, log_det = noise, jnp.zeros(noise.shape[:1], noise.dtype)
    statistics = dict(variables["batch_stats"])
    for stretch in stretches(parse(config.arch, config.channels), config.width):
        if is_blocked(stretch, config.width):
            latent, change, updated = to_latent(stretch, variables, build, latent, train=train)
            statistics |= updated
        elif train and stretch[0].name in statistics:
            latent, change, updated = _train_coupling(stretch[0], variables, config, latent)
            statistics[stretch[0].name] = updated
        else:
            latent, change = build(stretch[0]).inverse_and_log_det(latent)
        log_det = log_det + change
    base = base_distribution(variables, config, latent.shape, camera, iso)
    nll = -(jnp.asarray(base.log_prob(latent)) + log_det)
    return nll, {**variables, "batch_stats": statistics}


def _train_coupling(layer: Layer, variables: Variables, config: Config, latent: Array):
    """A coupling that normalises by the statistics of this batch, and these statistics."""
    output, updated = (
        CouplingNetworks(config)
        .net(layer)
        .apply(
            own_variables(variables, layer),
            latent[..., : kept_channels(layer.channels)],
            train=True,
            mutable=["batch_stats"],
        )
    )
    latent, change = AffineCoupling(lambda _: output).inverse_and_log_det(latent)
    return latent, change, updated["batch_stats"]


def parameter_count(variables: Variables) -> int:
    """Number of stored trainable scalars.

    Args:
        variables: from `init` or a trained model.

    Returns:
        The count, batch statistics and fixed permutations not included.
    """
    return sum(int(np.size(leaf)) for leaf in jax.tree.leaves(variables["params"]))


def describe(variables: Variables, config: Config) -> dict[str, float]:
    """The parameters that have a meaning, as numbers to plot over training.

    Args:
        variables: from `init` or a trained model.
        config: the model's configuration.

    Returns:
        A flat dictionary: `beta1`, `beta2`, `gain/<iso>`, `camera/<name>` (signal and gain layers),
        `shot/<camera>/<iso>`, `read/<camera>/<iso>` (noise curve, mean of the channels),
        `tap/left`, `tap/above` (causal convolution, mean of the diagonal) and `degrees_of_freedom`.

    Source: Noise Flow, Figures 6 and 7 show the first four.
    """
    values = describe_chain(variables, config)
    if BASE in variables["params"]:
        log_excess = np.asarray(variables["params"][BASE]["log_excess"])
        values["degrees_of_freedom"] = float(2.0 + np.exp(log_excess))
    return values
