"""DnCNN: a stack of 3x3 convolutions that predicts the noise of an image."""

from collections.abc import Sequence
from itertools import islice, pairwise

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
LAST_GAIN = 0.025
"""By how much the last layer scales where nothing is normalised: the first estimate is all but the
image itself then too."""


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
    the first publication 17 layers. Without normalisation every convolution but the last has a bias
    instead, and an image's estimate does not depend on the other images of a batch.

    Attributes:
        channels: of the images.
        features: channels of the hidden layers.
        depth: number of convolutions, at least 2.
        normalised: whether the hidden layers between the first and the last normalise.

    Source: Zhang et al., "Beyond a Gaussian Denoiser", 2017; orthogonal initial kernels as in
        Noise2NoiseFlow, Appendix A, or He et al., "Delving Deep into Rectifiers", 2015, where
        nothing is normalised.
    """

    channels: int
    features: int = 64
    depth: int = 9
    normalised: bool = True

    @nn.compact
    def __call__(
        self, noisy: Float[Array, "n h w c"], *, train: bool = False, last: bool = True
    ) -> Float[Array, "n h w d"]:
        """The estimate of the clean image, not clipped.

        Args:
            noisy: shape (N, H, W, C), fraction of full scale; any H and W.
            train: normalise by the statistics of this batch, all images together, and update the
                running ones.
            last: whether the last convolution is applied; without, its weights are not asked for.

        Returns:
            Same shape and unit; what the last convolution would see, `features` channels, without
            it.
        """
        norms = []
        if self.normalised:
            places = range(1, self.depth - 1)
            norms = [_Normalisation(self.features, name=f"norm_{place}") for place in places]
        # What is behind each convolution that has a bias; the next one applies it.
        kernels, biased = self._kernels(noisy.dtype, self.depth if last else self.depth - 1)
        inner = kernels[: self.depth - 1]
        hidden = Hidden.of(noisy, self.features)
        if not train:
            *activations, before = None, *biased, *(norm() for norm in norms)
            hidden = hidden.convolved_by_all(inner, activations)
        elif self.normalised:
            hidden, (before,) = hidden.convolved(inner[0]), biased
            for norm, kernel in zip(norms, inner[1:], strict=True):
                hidden, moments = hidden.convolved_with_moments(kernel, before)
                before = norm(moments)
        else:
            *activations, before = None, *biased
            for kernel, activation in zip(inner, activations, strict=True):
                hidden = hidden.convolved(kernel, activation)
        activated = hidden.images(before)
        if not last:
            return activated
        return noisy - Hidden(activated, None).convolved(kernels[-1]).values

    def _kernels(self, dtype, count):
        """The kernels of the first convolutions, and the activations behind those with a bias."""
        widths = [self.channels, *[self.features] * (self.depth - 1), self.channels]
        kernels, biased = [], []
        for place, (inputs, outputs) in enumerate(islice(pairwise(widths), count)):
            layer = _Convolution(
                inputs,
                outputs,
                use_bias=place == 0 or (not self.normalised and place < self.depth - 1),
                kernel_init=self._first_kernel(place),
                name=f"conv_{place}",
            )
            kernel, bias = layer()
            kernels.append(kernel.astype(jnp.promote_types(dtype, kernel.dtype)))
            if bias is not None:
                biased.append(Activation(jnp.ones_like(bias), bias))
        return kernels, biased

    def _first_kernel(self, place):
        """What a fresh kernel is drawn from."""
        if self.normalised:
            return nn.initializers.orthogonal()
        if place < self.depth - 1:
            return nn.initializers.he_normal()
        return nn.initializers.variance_scaling(LAST_GAIN**2, "fan_in", "normal")


class _Convolution(nn.Module):
    """The weights of a convolution, by the names of `flax.linen.Conv`."""

    inputs: int
    outputs: int
    use_bias: bool
    kernel_init: nn.initializers.Initializer

    @nn.compact
    def __call__(self) -> tuple[Float[Array, "3 3 c d"], Float[Array, " d"] | None]:
        shape = (3, 3, self.inputs, self.outputs)
        kernel = self.param("kernel", self.kernel_init, shape, jnp.float32)
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
