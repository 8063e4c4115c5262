"""The 4x4 convolution that doubles the resolution, as a 3x3 one that keeps it.

With the 2x2 pixels that a pixel becomes beside each other as channels, it is a 3x3 kernel, 16 of
its 36 taps in use. So it has what `jaxnoise.nets.convolution` has, while XLA's gradient to the
kernel takes up to eighty times as long on CPUs. The other way around XLA's own is the fastest.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxnoise.nets.convolution import LAYOUT, convolve

FACTOR = 2


def convolve_to_double(
    images: Float[Array, "n h w c"], kernel: Float[Array, "4 4 c d"]
) -> Float[Array, "n 2*h 2*w d"]:
    """A convolution of the images with their pixels spread two apart, zero between and outside.

    Same as `flax.linen.ConvTranspose` with a kernel of 4x4, strides of 2 and padding "SAME".

    Args:
        images: shape (N, H, W, C).
        kernel: shape (4, 4, C, D).

    Returns:
        Shape (N, 2 H, 2 W, D).
    """
    number, height, width, _ = images.shape
    channels, features = kernel.shape[2:]
    # What a pixel of a cell sees: of the same cell's and the neighbours' pixel the tap between.
    padded = jnp.pad(kernel[::-1, ::-1], ((1, 1), (1, 1), (0, 0), (0, 0)))
    by_cells = padded.reshape(3, FACTOR, 3, FACTOR, channels, features)
    wide = by_cells[::-1, :, ::-1].transpose(0, 2, 4, 1, 3, 5)
    wide = wide.reshape(3, 3, channels, FACTOR**2 * features)
    made = convolve(images, wide, (1, 1), "SAME", dimension_numbers=LAYOUT)
    made = made.reshape(number, height, width, FACTOR, FACTOR, features)
    made = made.transpose(0, 1, 3, 2, 4, 5)
    return made.reshape(number, FACTOR * height, FACTOR * width, features)
