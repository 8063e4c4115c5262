"""DnCNN: a stack of 3x3 convolutions that predicts the noise of an image."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxnoise.nets.convolution import convolve

BATCH_NORM_EPSILON = 1e-5
BATCH_NORM_MOMENTUM = 0.9
LARGEST_SCALE = 0.025


def small_scale(key: Array, shape: Sequence[int], dtype=jnp.float32) -> Array:
    """Fresh scales of a batch normalisation: normal with variance 2 / (9 features), cut at 0.025.

    They are small, of either sign, and make the network's first estimate all but the image itself.

    Source: the published implementation of DnCNN (Zhang et al. 2017).
    """
    spread = (2.0 / (9.0 * shape[-1])) ** 0.5
    drawn = spread * jax.random.normal(key, shape, dtype)
    return jnp.clip(drawn, -LARGEST_SCALE, LARGEST_SCALE)


class DnCNN(nn.Module):
    """The clean image, as the noisy one less a noise that 3x3 convolutions predict.

    A convolution with bias and ReLU; depth - 2 times a convolution, batch normalisation and ReLU; a
    convolution. Noise2NoiseFlow takes 9 layers of 64 features (263,616 parameters for 4 channels),
    the first publication 17 layers.

    Attributes:
        channels: of the images.
        features: channels of the hidden layers.
        depth: number of convolutions, at least 2.

    Source: Zhang et al., "Beyond a Gaussian Denoiser", 2017; orthogonal initial kernels as in
        Noise2NoiseFlow, Appendix A.
    """

    channels: int
    features: int = 64
    depth: int = 9

    @nn.compact
    def __call__(
        self, noisy: Float[Array, "n h w c"], *, train: bool = False
    ) -> Float[Array, "n h w c"]:
        """The estimate of the clean image, not clipped.

        Args:
            noisy: shape (N, H, W, C), fraction of full scale; any H and W.
            train: normalise by the statistics of this batch, all images together, and update the
                running ones.

        Returns:
            Same shape and unit.
        """
        hidden = nn.relu(self._convolution(self.features, "conv_0", use_bias=True)(noisy))
        for place in range(1, self.depth - 1):
            hidden = self._convolution(self.features, f"conv_{place}")(hidden)
            hidden = nn.BatchNorm(
                use_running_average=not train,
                momentum=BATCH_NORM_MOMENTUM,
                epsilon=BATCH_NORM_EPSILON,
                use_fast_variance=False,
                scale_init=small_scale,
                name=f"norm_{place}",
            )(hidden)
            hidden = nn.relu(hidden)
        return noisy - self._convolution(self.channels, f"conv_{self.depth - 1}")(hidden)

    def _convolution(self, features: int, name: str, *, use_bias: bool = False) -> nn.Conv:
        return nn.Conv(
            features,
            (3, 3),
            use_bias=use_bias,
            kernel_init=nn.initializers.orthogonal(),
            conv_general_dilated=convolve,
            name=name,
        )
