"""The convolution of the denoisers, as `flax.linen.Conv` takes it."""

import jax
from jaxtyping import Array, Float


def convolve(
    images: Float[Array, "n h w c"],
    kernel: Float[Array, "i j c d"],
    strides,
    padding,
    **options,
) -> Float[Array, "n h2 w2 d"]:
    """Same as `jax.lax.conv_general_dilated`.

    Args:
        images: shape (N, H, W, C).
        kernel: shape (I, J, C, D).
        strides: as there.
        padding: as there.
        options: as there.

    Returns:
        Shape (N, H', W', D).
    """
    return jax.lax.conv_general_dilated(images, kernel, strides, padding, **options)
