"""DnCNN: a stack of 3x3 convolutions that predicts the noise of an image."""

from collections.abc import Sequence
from itertools import pairwise

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxnoise.nets.hidden import Hidden
from jaxnoise.nets.winograd import Activation, Moments

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
        normalised = range(1, self.depth - 1)
        norms = [_Normalisation(self.features, name=f"norm_{place}") for place in normalised]
        kernels, before = self._kernels(noisy.dtype)
        hidden = Hidden.of(noisy, self.features)
        if not train:
            *activations, before = None, before, *(norm() for norm in norms)
            hidden = hidden.convolved_by_all(kernels[:-1], activations)
        else:
            hidden = hidden.convolved(kernels[0])
            for norm, kernel in zip(norms, kernels[1:-1], strict=True):
                hidden, moments = hidden.convolved_with_moments(kernel, before)
                before = norm(moments)
        return noisy - Hidden(hidden.images(before), None).convolved(kernels[-1]).values

    def _kernels(self, dtype):
        """The kernels of all convolutions, and the activation behind the first one."""
        widths = [self.channels, *[self.features] * (self.depth - 1), self.channels]
        kernels, biases = [], []
        for place, (inputs, outputs) in enumerate(pairwise(widths)):
            layer = _Convolution(inputs, outputs, use_bias=place == 0, name=f"conv_{place}")
            kernel, bias = layer()
            kernels.append(kernel.astype(jnp.promote_types(dtype, kernel.dtype)))
            biases.append(bias)
        return kernels, Activation(jnp.ones_like(biases[0]), biases[0])


class _Convolution(nn.Module):
    """The weights of a convolution, by the names of `flax.linen.Conv`."""

    inputs: int
    outputs: int
    use_bias: bool

    @nn.compact
    def __call__(self) -> tuple[Float[Array, "3 3 c d"], Float[Array, " d"] | None]:
        shape = (3, 3, self.inputs, self.outputs)
        kernel = self.param("kernel", nn.initializers.orthogonal(), shape, jnp.float32)
        if not self.use_bias:
            return kernel, None
        return kernel, self.param("bias", nn.initializers.zeros, shape[3:], jnp.float32)


class _Normalisation(nn.Module):
    """Batch normalisation and ReLU, with the weights and the statistics of `flax.linen.BatchNorm`.

    Not that module itself, since the convolutions apply it: it only says by how much.
    """

    features: int

    @nn.compact
    def __call__(self, moments: Moments | None = None) -> Activation:
        """The activation by the moments of a batch, or by the running ones."""
        shape, own = (self.features,), "batch_stats"
        mean = self.variable(own, "mean", jnp.zeros, shape, jnp.float32)
        variance = self.variable(own, "var", jnp.ones, shape, jnp.float32)
        scale = self.param("scale", small_scale, shape, jnp.float32)
        shift = self.param("bias", nn.initializers.zeros, shape, jnp.float32)
        used = Moments(mean.value, variance.value)
        if moments is not None:
            used = moments
            for running, value in ((mean, moments.mean), (variance, moments.variance)):
                kept = BATCH_NORM_MOMENTUM * running.value
                running.value = kept + (1 - BATCH_NORM_MOMENTUM) * value
        scale = scale * lax.rsqrt(used.variance + BATCH_NORM_EPSILON)
        return Activation(scale, shift - scale * used.mean)
