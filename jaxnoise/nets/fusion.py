"""Signal-dependent fusion: by how much the clean image scales a latent at each pixel."""

import flax.linen as nn
import jax.numpy as jnp
from flax.linen.initializers import constant, ones_init, variance_scaling, zeros_init
from jaxtyping import Array, Float

BATCH_NORM_EPSILON = 1e-5
BATCH_NORM_MOMENTUM = 0.9
"""Of what was kept: the new statistics count 0.1."""
SLOPE_START = -2.0
"""The logarithm of A, everywhere, before training."""
VARIANCE_FLOOR = 1e-12
"""Smallest factor on the latent's variance: a root has no finite slope at 0."""


class Fusion(nn.Module):
    """The factor `sqrt(A x + B)` on a latent, with A = exp(a(x)) and B = exp(b(x)) from two nets.

    Each net has three convolutions with bias (1x1, 3x3, 1x1), each followed by ReLU and batch
    normalisation with scale and shift. The last of these starts with scale 0, so that a fresh net
    is constant: A = exp(-2) and B = 1. For 4 channels and a width of 8 there are 1400 parameters.

    Attributes:
        channels: of the images.
        width: channels between the convolutions.

    Source: CoNo, Eq. 11 and Section 3.3; the order of ReLU and normalisation, as it is written, and
        the start are this project's reading.
    """

    channels: int
    width: int = 8

    @nn.compact
    def __call__(
        self, clean: Float[Array, "n h w c"], *, train: bool = False
    ) -> Float[Array, "n h w c"]:
        """The factor at each pixel.

        Args:
            clean: shape (N, H, W, C), fraction of full scale; what lies below 0 counts as 0.
            train: normalise by the statistics of this batch, all images together, and update the
                running ones.

        Returns:
            Same shape, no unit, at least 1e-6.
        """
        slope = _Net(self.channels, self.width, SLOPE_START, name="a")(clean, train=train)
        offset = _Net(self.channels, self.width, 0.0, name="b")(clean, train=train)
        variance = jnp.exp(slope) * jnp.maximum(clean, 0) + jnp.exp(offset)
        return jnp.sqrt(jnp.maximum(variance, VARIANCE_FLOOR))


class _Net(nn.Module):
    """Three convolutions, whose last normalisation starts as a constant."""

    channels: int
    width: int
    start: float

    @nn.compact
    def __call__(self, images: Array, *, train: bool) -> Array:
        layers = (("first", self.width, 1), ("second", self.width, 3), ("last", self.channels, 1))
        for name, features, side in layers:
            is_last = name == "last"
            images = nn.Conv(
                features,
                (side, side),
                kernel_init=variance_scaling(2.0, "fan_in", "normal"),
                precision="highest",
                name=name,
            )(images)
            images = nn.BatchNorm(
                use_running_average=not train,
                momentum=BATCH_NORM_MOMENTUM,
                epsilon=BATCH_NORM_EPSILON,
                scale_init=zeros_init() if is_last else ones_init(),
                bias_init=constant(self.start) if is_last else zeros_init(),
                use_fast_variance=False,
                name=f"{name}_norm",
            )(nn.relu(images))
        return images
