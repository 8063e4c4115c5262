"""Affine coupling: some channels shift and scale the others."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxnoise.bijectors import _distrax
from jaxnoise.bijectors._shapes import EVENT_NDIMS, sum_event
from jaxnoise.bijectors.layer_kind import (
    NETWORKS,
    Conditioner,
    Images,
    Layer,
    LayerKind,
    Networks,
    Own,
    Settings,
    Token,
)
from jaxnoise.checks import check_event, shape_of
from jaxnoise.errors import UsageError

REACH = 2
"""Rows above and below a pixel that a network of two 3x3 convolutions sees."""


def kept_channels(channels: int) -> int:
    """How many leading channels a coupling passes through unchanged: half of them, rounded down."""
    return channels // 2


class AffineCoupling(_distrax.Bijector):
    """Leaves the first C // 2 channels as they are and maps the others by a shift and a scale
    computed from them.

    Forward is latent to noise: `noise = (z - shift) * exp(-log_scale)`; noise to latent is
    `z = noise * exp(log_scale) + shift`, the direction in which the published networks are stored.
    It has no parameters of its own: the conditioner holds them.
    """

    def __init__(self, conditioner: Conditioner, *, valid: Bool[Array, "*v h w 1"] | None = None):
        """Builds the layer.

        Args:
            conditioner: takes the kept channels, shape (..., H, W, C // 2), to (shift, log_scale),
                each of shape (..., H, W, C - C // 2). A function of arrays, built inside the jitted
                function.
            valid: shape (..., H, W, 1), True where a pixel counts in the log-determinant; None: all
                do.

        Raises:
            UsageError: when it is applied, where shapes do not belong together.

        Source: Noise Flow, Eqs. 10 and 11.
        """
        super().__init__(event_ndims_in=EVENT_NDIMS)
        self._conditioner, self._valid = conditioner, valid

    def forward_and_log_det(self, x: Float[Array, "*n h w c"]):
        """Latent to noise.

        Args:
            x: latent, shape (..., H, W, C).

        Returns:
            The noise, same shape, and `-sum(log_scale)`, shape (...).

        Source: Noise Flow, Eqs. 10 and 11.
        """
        kept, changed, shift, log_scale = self._split(x)
        changed = (changed - shift) * jnp.exp(-log_scale)
        return jnp.concatenate([kept, changed], -1), -sum_event(log_scale, self._valid)

    def inverse_and_log_det(self, y: Float[Array, "*n h w c"]):
        """Noise to latent.

        Args:
            y: noise, shape (..., H, W, C).

        Returns:
            The latent, same shape, and `sum(log_scale)`, shape (...).

        Source: Noise Flow, Eqs. 10 and 11.
        """
        kept, changed, shift, log_scale = self._split(y)
        changed = changed * jnp.exp(log_scale) + shift
        return jnp.concatenate([kept, changed], -1), sum_event(log_scale, self._valid)

    def _split(self, images: Array) -> tuple[Array, Array, Array, Array]:
        """The kept and the changed channels, and what the network makes of the kept ones."""
        check_event("AffineCoupling", images, valid=self._valid)
        kept, changed = jnp.split(images, [kept_channels(images.shape[-1])], -1)
        shift, log_scale = self._conditioner(kept)
        for name, values in (("shift", shift), ("log_scale", log_scale)):
            if shape_of(values)[-EVENT_NDIMS:] != changed.shape[-EVENT_NDIMS:]:
                raise UsageError(
                    f"AffineCoupling's network gave {name} of shape {shape_of(values)} for images "
                    f"{images.shape}: let it give {changed.shape}."
                )
        return kept, changed, shift, log_scale


def _build(
    layer: Layer, own: Own, images: Images, settings: Settings, networks: Networks
) -> AffineCoupling:
    del settings
    return AffineCoupling(networks.conditioner(layer, own), valid=images.valid)


def _init(key: Array, layer: Layer, settings: Settings, networks: Networks) -> Own:
    del settings
    return networks.init(key, layer)


KIND = LayerKind(
    name="coupling",
    tokens=(
        Token(
            "AxN",
            "N affine couplings, each after a 1x1 convolution",
            r"Ax([1-9]\d?)",
            ("conv1x1", "coupling"),
            repeats=True,
        ),
    ),
    build=_build,
    init=_init,
    reach=lambda layer: (REACH, REACH),
    group=NETWORKS,
    in_blocks="network",
)
