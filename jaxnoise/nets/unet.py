"""The U-Net of Noise2Noise: five levels down, five up, with connections across."""

import flax.linen as nn
import jax.numpy as jnp
from flax.linen.dtypes import promote_dtype
from jaxtyping import Array, Float

from jaxnoise.nets.convolution import convolve, convolve_to_double

LEVELS = 5
FACTOR = 2**LEVELS
"""The sides of an image must divide by this."""
SLOPE = 0.1
LAST = "last_2"
"""Name of the last layer."""


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
        self, noisy: Float[Array, "n h w c"], *, train: bool = False, last: bool = True
    ) -> Float[Array, "n h w d"]:
        """The estimate of the clean image, not clipped.

        Args:
            noisy: shape (N, H, W, C), fraction of full scale; H and W divide by 32.
            train: without effect, as there is no batch normalisation.
            last: whether the last layer is applied; without, its weights are not asked for.

        Returns:
            Same shape and unit; what the last layer would see, 2/3 of `features` channels, without
            it.
        """
        del train
        down, up = self.features, 2 * self.features
        hidden = nn.relu(_convolution(down, "first_0")(noisy))
        skipped = [noisy, _pool(nn.relu(_convolution(down, "first_1")(hidden)))]
        for level, module in self._levels(lambda name: _convolution(down, name), "down", 1):
            del level
            skipped.append(_pool(nn.relu(module(skipped[-1]))))
        hidden = nn.relu(_convolution(down, "bottom")(skipped.pop()))
        hidden = _Upsample(down, name="bottom_up")(hidden)
        hidden = jnp.concatenate([hidden, skipped.pop()], -1)
        for place in range(2):
            hidden = nn.relu(_convolution(up, f"up_1_{place}")(hidden))
        hidden = _Upsample(up, name="up_1_up")(hidden)
        for _, module in self._levels(lambda name: _Up(up, name=name), "up", 2):
            hidden = module(jnp.concatenate([hidden, skipped.pop()], -1))
        hidden = jnp.concatenate([hidden, skipped.pop()], -1)
        widths = (4 * self.features // 3, 2 * self.features // 3)
        for place, features in enumerate(widths):
            hidden = nn.relu(_convolution(features, f"last_{place}")(hidden))
        if not last:
            return hidden
        return nn.leaky_relu(_convolution(self.channels, LAST)(hidden), SLOPE)

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
        return _Upsample(self.features, name="up")(hidden)


def _convolution(features: int, name: str) -> nn.Conv:
    return nn.Conv(
        features,
        (3, 3),
        kernel_init=nn.initializers.he_normal(),
        conv_general_dilated=convolve,
        name=name,
    )


class _Upsample(nn.Module):
    """Twice the resolution, by a convolution of the pixels spread two apart."""

    features: int

    @nn.compact
    def __call__(self, hidden: Float[Array, "n h w c"]) -> Float[Array, "n 2*h 2*w d"]:
        shape = (3, 3, hidden.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.he_normal(), shape, jnp.float32)
        bias = self.param("bias", nn.initializers.zeros_init(), shape[3:], jnp.float32)
        hidden, kernel, bias = promote_dtype(hidden, kernel, bias)
        return convolve_to_double(hidden, kernel) + bias


def _pool(hidden: Float[Array, "n h w c"]) -> Float[Array, "n h//2 w//2 c"]:
    """The largest of each 2x2 pixels."""
    number, height, width, channels = hidden.shape
    return hidden.reshape(number, height // 2, 2, width // 2, 2, channels).max((2, 4))
