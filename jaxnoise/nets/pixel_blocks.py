"""Convolutions over few channels as matrix products, which CPUs and GPUs are good at.

A convolution with two or four channels leaves a convolution library too little to work on. So
images are kept in blocks of 2x2 pixels, which stand beside the channel: `blocks[c, row, column, n,
i, j]` is channel c of image n at pixel (2 i + row, 2 j + column). A 3x3 convolution is then one
product of a (4 D, 16 C) matrix made of the kernel with the 4x4 pixels in and around each block, and
mixing channels is one of a (D, C) matrix.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Shaped

SIDE = 2
"""Pixels along the side of a block. On CPUs 2x2 was faster than 1x4, 2x4, 4x4 and 2x8."""
PIXELS = SIDE * SIDE
AROUND = SIDE + 2
_PIXEL_AXES = (1, 2, 3, 4, 5)

# [tap, pixel of the block, pixel in and around the block]: 1 where the tap of the one is the other.
_TAPS = np.stack([np.eye(SIDE, AROUND, tap) for tap in range(3)])


def to_blocks(images: Shaped[Array, "n h w c"]) -> Shaped[Array, "c 2 2 n h2 w2"]:
    """Images with even sides in blocks."""
    number, height, width, channels = images.shape
    split = images.reshape(number, height // SIDE, SIDE, width // SIDE, SIDE, channels)
    return split.transpose(5, 2, 4, 0, 1, 3)


def from_blocks(blocks: Float[Array, "c 2 2 n h2 w2"]) -> Float[Array, "n h w c"]:
    """The images that `to_blocks` put into blocks."""
    channels, _, _, number, height, width = blocks.shape
    images = blocks.transpose(3, 4, 1, 5, 2, 0)
    return images.reshape(number, height * SIDE, width * SIDE, channels)


def map_to_blocks(values: Shaped[Array, "c h w"]) -> Shaped[Array, "c 2 2 1 h2 w2"]:
    """One value per channel and pixel, to be added to the blocks of any number of images."""
    return to_blocks(jnp.moveaxis(values, 0, -1)[None])


def settle(blocks: Float[Array, "c 2 2 n h2 w2"]) -> Float[Array, "c 2 2 n h2 w2"]:
    """The same blocks, made once and kept.

    XLA merges what makes an array into everything that reads it, here into each copy that a
    convolution takes; random numbers would be made over and over. It leaves products alone, on CPUs
    other than `jax.lax.optimization_barrier`.
    """
    return mix(jnp.eye(blocks.shape[0], dtype=blocks.dtype), blocks)


@jax.custom_vjp
def mix(matrix: Float[Array, "c d"], blocks: Float[Array, "c 2 2 n h2 w2"]) -> Array:
    """Each pixel's channels, as a row, times a matrix.

    Args:
        matrix: shape (C, D).
        blocks: shape (C, 2, 2, N, H / 2, W / 2).

    Returns:
        Shape (D, 2, 2, N, H / 2, W / 2).
    """
    return _product(matrix.T, blocks)


def _mix_forward(matrix, blocks):
    return mix(matrix, blocks), (matrix, blocks)


def _mix_backward(kept, change):
    matrix, blocks = kept
    return _product_over_pixels(blocks, change), _product(matrix, change)


mix.defvjp(_mix_forward, _mix_backward)


@jax.custom_vjp
def convolve(blocks: Float[Array, "c 2 2 n h2 w2"], kernel: Float[Array, "3 3 c d"]) -> Array:
    """Convolution with a 3x3 kernel, zero outside the image.

    Args:
        blocks: shape (C, 2, 2, N, H / 2, W / 2).
        kernel: shape (3, 3, C, D), as `flax.linen.Conv` stores it.

    Returns:
        Shape (D, 2, 2, N, H / 2, W / 2).
    """
    return _convolve(_around(blocks), kernel)


def _convolve_forward(blocks, kernel):
    return convolve(blocks, kernel), (blocks, kernel)


def _convolve_backward(kept, change):
    blocks, kernel = kept
    around = _around(change)
    flipped = jnp.flip(kernel, (0, 1)).swapaxes(2, 3)
    # The wider factor first: the other one is what the product transposes in memory.
    rows = _product_over_pixels(around, _rows(blocks))
    rows = rows.reshape(kernel.shape[3], AROUND, AROUND, kernel.shape[2], SIDE, SIDE)
    taps = _TAPS[::-1].astype(kernel.dtype)
    return _convolve(around, flipped), jnp.einsum(
        "duvcpq,ipu,jqv->ijcd", rows, taps, taps, precision="highest"
    )


convolve.defvjp(_convolve_forward, _convolve_backward)


def _normalise_and_rectify(
    blocks: Float[Array, "c 2 2 n h2 w2"],
    mask: Bool[Array, "1 2 2 1 h2 w2"] | None,
    valid: Bool[Array, "1 2 2 n h2 w2"] | None,
    weight: Float[Array, " c"],
    bias: Float[Array, " c"],
    epsilon: float,
) -> tuple[Array, Array, Array]:
    """Batch normalisation by the statistics of all images together, then ReLU.

    Its derivative is written out because that takes half of the passes over memory. A bias before
    it would change nothing, and its gradient be rounding errors, so it is left out.

    Args:
        blocks: shape (C, 2, 2, N, H / 2, W / 2).
        mask: the pixels that are in the image; None for all.
        valid: those of them whose statistics are taken; None for all.
        weight: factor on the normalised values, shape (C,).
        bias: added to them, shape (C,).
        epsilon: added to the variance.

    Returns:
        Same shape as blocks; and mean and population variance per channel, both without derivative.
    """
    mean, variance = _moments(blocks, mask if valid is None else valid)
    normal = (blocks - over_channels(mean)) * over_channels(jax.lax.rsqrt(variance + epsilon))
    return jax.nn.relu(normal * over_channels(weight) + over_channels(bias)), mean, variance


normalise_and_rectify = jax.custom_vjp(_normalise_and_rectify, nondiff_argnums=(5,))


def _normalise_forward(blocks, mask, valid, weight, bias, epsilon):
    result = normalise_and_rectify(blocks, mask, valid, weight, bias, epsilon)
    _, mean, variance = result
    return result, (blocks, mask, valid, weight, bias, mean, jax.lax.rsqrt(variance + epsilon))


def _normalise_backward(epsilon, kept, changes):
    del epsilon
    blocks, mask, valid, weight, bias, mean, scale = kept
    normal = (blocks - over_channels(mean)) * over_channels(scale)
    active = normal * over_channels(weight) + over_channels(bias) > 0
    change = clear(jnp.where(active, changes[0], 0), mask)
    number = _number(blocks, mask if valid is None else valid)
    of_bias = change.sum(_PIXEL_AXES)
    of_weight = (change * normal).sum(_PIXEL_AXES)
    of_mean = clear(jnp.broadcast_to(over_channels(of_bias / number), blocks.shape), valid)
    of_scale = clear(normal * over_channels(of_weight / number), valid)
    change = change - of_mean - of_scale
    change = clear(change * over_channels(scale * weight), mask)
    return change, None, None, of_weight, of_bias


normalise_and_rectify.defvjp(_normalise_forward, _normalise_backward)


def clear(blocks: Float[Array, "c 2 2 n h2 w2"], mask: Bool[Array, "1 2 2 m h2 w2"] | None):
    """The blocks with zeros where the mask is False; None leaves them as they are."""
    return blocks if mask is None else jnp.where(mask, blocks, 0)


def over_channels(values: Float[Array, " c"]) -> Float[Array, "c 1 1 1 1 1"]:
    """One value per channel, shaped to meet blocks."""
    return values[:, None, None, None, None, None]


def _moments(blocks, mask):
    number = _number(blocks, mask)
    mean = clear(blocks, mask).sum(_PIXEL_AXES) / number
    squares = clear((blocks - over_channels(mean)) ** 2, mask)
    return mean, squares.sum(_PIXEL_AXES) / number


def _number(blocks, mask):
    """How many pixels are in the mask, of all images together."""
    if mask is None:
        return np.prod(blocks.shape[1:])
    return mask.sum() * (blocks.shape[3] // mask.shape[3])


def _convolve(around, kernel):
    taps = _TAPS.astype(kernel.dtype)
    matrix = jnp.einsum("ijcd,ipu,jqv->dpqcuv", kernel, taps, taps, precision="highest")
    matrix = matrix.reshape(kernel.shape[3] * PIXELS, -1)
    return _product(matrix, around).reshape(kernel.shape[3], SIDE, SIDE, *around.shape[1:])


def _around(blocks):
    """The 4x4 pixels in and around each block, shape (16 C, N, H / 2, W / 2); 0 outside."""
    rows = [_moved(blocks[:, -1:], 4, 1), blocks, _moved(blocks[:, :1], 4, -1)]
    rows = jnp.concatenate(rows, 1)
    pixels = [_moved(rows[:, :, -1:], 5, 1), rows, _moved(rows[:, :, :1], 5, -1)]
    return _rows(jnp.concatenate(pixels, 2))


def _moved(blocks, axis, by):
    """Each block's neighbour before it (by 1) or behind it (by -1) on an axis; 0 outside."""
    end = blocks.shape[axis]
    kept = jax.lax.slice_in_dim(blocks, max(0, -by), end - max(0, by), axis=axis)
    padding = [(0, 0, 0)] * blocks.ndim
    padding[axis] = (max(0, by), max(0, -by), 0)
    return jax.lax.pad(kept, jnp.zeros((), blocks.dtype), padding)


def _rows(blocks):
    # No -1, which stands for anything in a batch of none.
    return blocks.reshape(math.prod(blocks.shape[:3]), *blocks.shape[3:])


def _product(matrix, values):
    """A matrix times the first axis of values."""
    return jax.lax.dot_general(matrix, values, (((1,), (0,)), ((), ())), precision="highest")


def _product_over_pixels(first, second):
    """The sum over all but the first axes, shape (first axis, second axis)."""
    rest = tuple(range(1, first.ndim))
    return jax.lax.dot_general(first, second, ((rest, rest), ((), ())), precision="highest")
