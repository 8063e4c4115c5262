"""What a noise flow is put together from: networks, layers and the latent's distribution."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, PyTree

from jaxnoise.bijectors import StudentT, _distrax, chain
from jaxnoise.bijectors._shapes import over_pixels
from jaxnoise.bijectors.coupling import kept_channels
from jaxnoise.bijectors.layer_kind import Conditioner, Layer, Own
from jaxnoise.conditions import camera_weights, iso_weights
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
    variables: Variables,
    config: Config,
    clean,
    camera,
    iso,
    *,
    batch_statistics: bool = False,
    valid: Array | None = None,
) -> Callable[[Layer], Any]:
    """A function from a layer to its bijector, for one batch of conditions."""
    networks = CouplingNetworks(config, batch_statistics)
    given = {"clean": clean, "camera": camera, "iso": iso, "valid": valid}
    return chain.layer_builder(variables, config, networks, **given)


def base_element(variables: Variables, config: Config, shape: tuple[int, ...], camera, iso):
    """The distribution of each value of the latent; NaN parameters where conditions are unknown."""
    known = camera_weights(camera, config.cameras).sum(-1) * iso_weights(iso, config.isos).sum(-1)
    zero = jnp.broadcast_to(over_pixels(jnp.where(jnp.isnan(known), jnp.nan, 0.0)), shape)
    if config.base == "student_t":
        return StudentT(variables["params"][BASE]["log_excess"] + zero)
    return _distrax.Normal(zero, jnp.ones_like(zero))


def base_distribution(variables: Variables, config: Config, shape: tuple[int, ...], camera, iso):
    """The latent's distribution, batch shape (N,)."""
    element = base_element(variables, config, shape, camera, iso)
    return _distrax.Independent(element, len(shape) - 1)
