"""The likelihood of noise under a noise flow, stretch by stretch."""

import jax.numpy as jnp
from jaxtyping import Array

from jaxnoise.batch import only_valid
from jaxnoise.bijectors._shapes import sum_event
from jaxnoise.bijectors.chain import counted, layers_of, own_variables, valid_at
from jaxnoise.bijectors.coupling import AffineCoupling, kept_channels
from jaxnoise.bijectors.layer_kind import Layer
from jaxnoise.models.noiseflow.blocked import is_blocked, stretches, to_latent
from jaxnoise.models.noiseflow.config import Config
from jaxnoise.models.noiseflow.layers import (
    CouplingNetworks,
    Variables,
    base_distribution,
    base_element,
    layer_builder,
)


def nll_and_statistics(
    variables: Variables, config: Config, noise, clean, camera, iso, *, valid, train: bool
) -> tuple[Array, Variables]:
    """Negative log-likelihood, nats per image (N,), and the variables with new batch statistics.

    With `valid`, a mask (N, H, W, 1), it is that of the pixels that count.
    """
    if valid is not None:
        valid = counted(config, valid)
        noise, clean = only_valid(noise, valid), only_valid(clean, valid)
    build = layer_builder(variables, config, clean, camera, iso)
    build_valid = layer_builder(variables, config, clean, camera, iso, valid=valid)
    latent, log_det = noise, jnp.zeros(noise.shape[:1], noise.dtype)
    statistics = dict(variables["batch_stats"])
    for stretch in stretches(layers_of(config), config.width):
        shown = valid_at(config, valid, stretch[0].channels)
        if is_blocked(stretch, config.width):
            blocked = to_latent(stretch, variables, build, latent, train=train, valid=shown)
            latent, change, updated = blocked
            statistics |= updated
        elif train and stretch[0].name in statistics:
            coupling = _train_coupling(stretch[0], variables, config, latent, shown)
            latent, change, updated = coupling
            statistics[stretch[0].name] = updated
        else:
            latent, change = build_valid(stretch[0]).inverse_and_log_det(latent)
        # A layer sees 0 where a pixel does not count, as outside the image: so the likelihood is
        # a density over the pixels that do.
        latent = only_valid(latent, valid_at(config, valid, latent.shape[-1]))
        log_det = log_det + change
    nats = _base_log_prob(variables, config, latent, camera, iso, valid=valid) + log_det
    return -nats, {**variables, "batch_stats": statistics}


def _base_log_prob(variables, config, latent, camera, iso, *, valid):
    """Log density of the latent, summed over the pixels that count."""
    if valid is None:
        base = base_distribution(variables, config, latent.shape, camera, iso)
        return jnp.asarray(base.log_prob(latent))
    element = base_element(variables, config, latent.shape, camera, iso)
    shown = valid_at(config, valid, latent.shape[-1])
    return sum_event(jnp.asarray(element.log_prob(latent)), shown)


def _train_coupling(
    layer: Layer, variables: Variables, config: Config, latent: Array, valid: Array | None
):
    """A coupling that normalises by the statistics of this batch, and these statistics."""
    output, updated = (
        CouplingNetworks(config)
        .net(layer)
        .apply(
            own_variables(variables, layer),
            latent[..., : kept_channels(layer.channels)],
            train=True,
            valid=valid,
            mutable=["batch_stats"],
        )
    )
    bijector = AffineCoupling(lambda _: output, valid=valid)
    latent, change = bijector.inverse_and_log_det(latent)
    return latent, change, updated["batch_stats"]
