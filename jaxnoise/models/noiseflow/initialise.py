"""Where training starts: from a key alone, or from the moments of real noise."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxnoise.batch import NoiseBatch
from jaxnoise.bijectors.chain import counted, valid_at
from jaxnoise.bijectors.chain_start import fit_chain, init_chain
from jaxnoise.checks import check_key, check_numbers
from jaxnoise.curve import VARIANCE_FLOOR
from jaxnoise.errors import UsageError
from jaxnoise.models.noiseflow.config import Config, check_request
from jaxnoise.models.noiseflow.layers import BASE, CouplingNetworks, Variables


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
    check_key(key)
    variables = init_chain(key, config, CouplingNetworks(config))
    if config.base == "student_t":
        variables["params"][BASE] = {"log_excess": jnp.full((), np.log(8.0))}
    return variables


def init_from_data(
    variables: Variables,
    config: Config,
    batch: NoiseBatch,
    *,
    variance_floor: float = VARIANCE_FLOOR,
) -> Variables:
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
            relatives. Pixels that `batch.valid` leaves out do not count.
        variance_floor: smallest variance of the noise to start with, squared unit of full scale;
            for data in steps, that of rounding to them, `step**2 / 12`.

    Returns:
        New variables of the same structure and dtype. Runs on the host, outside jit.

    Raises:
        UsageError: for shapes or types that do not fit; when the noise is constant or not finite,
            or no pixel counts.

    Source: no paper; the initial values only save training time.
    """
    check_numbers(variance_floor=variance_floor)
    images = {"clean": batch.clean, "noisy": batch.noisy}
    check_request(config, batch.camera, batch.iso, valid=batch.valid, least=1, **images)
    noise = batch.noise
    if batch.valid is not None:
        noise = noise[counted(config, batch.valid)[..., 0]]
        if not noise.size:
            raise UsageError("No pixel is valid: give images whose mask leaves some.")
    if not bool(jnp.isfinite(noise).all()) or float(noise.std()) == 0.0:
        raise UsageError(
            "The noise is constant or not finite: give noisy and clean images that differ."
        )
    has_tail = BASE in variables["params"]
    networks = CouplingNetworks(config)
    fitted, latent = fit_chain(
        variables, config, networks, batch, to_latent=has_tail, variance_floor=variance_floor
    )
    if has_tail:
        shown = valid_at(config, batch.valid, latent.shape[-1])
        tail = {BASE: {"log_excess": _fit_tail(latent, shown)}}
        fitted = {**fitted, "params": {**fitted["params"], **tail}}
    return jax.tree.map(lambda new, old: jnp.asarray(new, old.dtype), fitted, variables)


def _fit_tail(latent: Array, valid: Array | None) -> Array:
    """Degrees of freedom of a Student-t with the latent's kurtosis, in the base's stored form."""
    if valid is not None:
        latent = latent[valid[..., 0]]
    kurtosis = float((latent**4).mean() / (latent**2).mean() ** 2) - 3.0
    degrees = 4.0 + 6.0 / max(kurtosis, 0.06)
    return jnp.asarray(np.log(degrees - 2.0), float)
