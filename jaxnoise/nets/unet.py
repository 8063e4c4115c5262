"""The U-Net of Noise2Noise: five levels down, five up, with connections across."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxnoise.nets.convolution import convolve

LEVELS = 5
FACTOR = 2**LEVELS
"""The sides of an image must divide by this."""
SLOPE = 0.1


class UNet(nn.Module):
    """The clean image, from features of five halved resolutions. Not a residual.

    Noise2NoiseFlow's uses the modules of one level of the way down and of one level of the way up
    again on the other levels (701,908 parameters for 4 channels); each level of its own is the
    network of Noise2Noise.

    Attributes:
        channels: of the images.
        features: channels on the way down; twice as many on the way up.
        share: whether the levels share their weights.

    Source: Lehtinen et al., "Noise2Noise", 2018, Table 2; Noise2NoiseFlow, Section 4.3.
    """

    channels: int
    features: int = 48
    share: bool = True

    @nn.compact
    def __call__(
        self, noisy: Float[Array, "n h w c"], *, train: bool = False
    ) -> Float[Array, "n h w c"]:
        """The estimate of the clean image, not clipped.

        Args:
            noisy: shape (N, H, W, C), fraction of full scale; H and W divide by 32.
            train: without effect, as there is no batch normalisation.

        Returns:
            Same shape and unit.
        """
        del train
        down, up = self.features, 2 * self.features
        hidden = nn.relu(_convolution(down, "first_0")(noisy))
        skipped = [noisy, _pool(nn.relu(_convolution(down, "first_1")(hidden)))]
        for level, module in self._levels(lambda name: _convolution(down, name), "down", 1):
            del level
            skipped.append(_pool(nn.relu(module(skipped[-1]))))
        hidden = nn.relu(_convolution(down, "bottom")(skipped.pop()))
        hidden = _upsample(down, "bottom_up")(hidden)
        hidden = jnp.concatenate([hidden, skipped.pop()], -1)
        for place in range(2):
            hidden = nn.relu(_convolution(up, f"up_1_{place}")(hidden))
        hidden = _upsample(up, "up_1_up")(hidden)
        for _, module in self._levels(lambda name: _Up(up, name=name), "up", 2):
            hidden = module(jnp.concatenate([hidden, skipped.pop()], -1))
        hidden = jnp.concatenate([hidden, skipped.pop()], -1)
        widths = (4 * self.features // 3, 2 * self.features // 3)
        for place, features in enumerate(widths):
            hidden = nn.relu(_convolution(features, f"last_{place}")(hidden))
        return nn.leaky_relu(_convolution(self.channels, "last_2")(hidden), SLOPE)

    def _levels(self, make, name: str, first: int):
        """The module of each level from `first` on: one for all of them, or one each."""
        shared = make(name) if self.share else None
        for level in range(first, LEVELS):
            yield level, make(f"{name}_{level}") if shared is None else shared


class _Up(nn.Module):
    """Two convolutions and a step up in resolution."""

    features: int

    @nn.compact
    def __call__(self, hidden: Float[Array, "n h w c"]) -> Float[Array, "n h2 w2 d"]:
        for place in range(2):
            hidden = nn.relu(_convolution(self.features, f"conv_{place}")(hidden))
        return _upsample(self.features, "up")(hidden)


def _convolution(features: int, name: str) -> nn.Conv:
    return nn.Conv(
        features,
        (3, 3),
        kernel_init=nn.initializers.he_normal(),
        conv_general_dilated=convolve,
        name=name,
    )


def _upsample(features: int, name: str) -> nn.ConvTranspose:
    """Twice the resolution: a kernel of 3 on pixels spread two apart, the first in its middle."""
    return nn.ConvTranspose(
        features,
        (3, 3),
        strides=(2, 2),
        padding=((1, 2), (1, 2)),
        kernel_init=nn.initializers.he_normal(),
        name=name,
    )


def _pool(hidden: Float[Array, "n h w c"]) -> Float[Array, "n h2 w2 c"]:
    return nn.max_pool(hidden, (2, 2), strides=(2, 2))
