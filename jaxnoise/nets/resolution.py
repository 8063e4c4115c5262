"""4x4 convolutions that halve or double the resolution, as 3x3 ones that keep it.

With the 2x2 pixels of a cell beside each other as channels, a 4x4 kernel that moves by two pixels
is a 3x3 kernel that moves by one cell, 16 of its 36 taps in use. So it has what
`jaxnoise.nets.convolution` has, while XLA's gradients to the kernels of such convolutions take up
to a hundred times as long on CPUs.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxnoise.nets.convolution import LAYOUT, convolve

FACTOR = 2


def convolve_to_half(
    images: Float[Array, "n h w c"], kernel: Float[Array, "4 4 c d"]
) -> Float[Array, "n h//2 w//2 d"]:
    """The convolution at every second pixel, with one pixel of zeros around the images.

    Same as `flax.linen.Conv` with a kernel of 4x4, strides of 2 and padding "SAME".

    Args:
        images: shape (N, H, W, C), H and W even.
        kernel: shape (4, 4, C, D).

    Returns:
        Shape (N, H / 2, W / 2, D).
    """
    number, height, width, channels = images.shape
    cells = images.reshape(number, height // FACTOR, FACTOR, width // FACTOR, FACTOR, channels)
    cells = cells.transpose(0, 1, 3, 2, 4, 5)
    wide = _by_cells(kernel).transpose(0, 2, 1, 3, 4, 5)
    wide = wide.reshape(3, 3, FACTOR**2 * channels, kernel.shape[3])
    cells = cells.reshape(*cells.shape[:3], FACTOR**2 * channels)
    return convolve(cells, wide, (1, 1), "SAME", dimension_numbers=LAYOUT)


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
    wide = _by_cells(kernel[::-1, ::-1])[::-1, :, ::-1].transpose(0, 2, 4, 1, 3, 5)
    wide = wide.reshape(3, 3, channels, FACTOR**2 * features)
    made = convolve(images, wide, (1, 1), "SAME", dimension_numbers=LAYOUT)
    made = made.reshape(number, height, width, FACTOR, FACTOR, features)
    made = made.transpose(0, 1, 3, 2, 4, 5)
    return made.reshape(number, FACTOR * height, FACTOR * width, features)


def _by_cells(kernel):
    """Its taps, zeros around them, as 3x3 cells of 2x2: shape (3, 2, 3, 2, C, D)."""
    padded = jnp.pad(kernel, ((1, 1), (1, 1), (0, 0), (0, 0)))
    return padded.reshape(3, FACTOR, 3, FACTOR, *kernel.shape[2:])
