"""The convolutions of the denoisers: same resolution, as `flax.linen.Conv` takes it, and twice.

On CPUs that of many channels is `jaxnoise.nets.winograd`'s, and where XLA's gradient to a kernel is
slow, it is a product of matrices: the sum over the pixels of an image times what lies around a
pixel of the change of the output.
"""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from jaxnoise.nets import blocks, winograd

LAYOUT = ("NHWC", "HWIO", "NHWC")
SIDE = 3
MANY = 3
"""How many times as many channels before as behind make XLA's gradient to a kernel slow on CPUs."""
STEPS = 8
"""Parts of the rows that the product takes in turn, so that it needs little memory."""


def convolve(
    images: Float[Array, "n h w c"],
    kernel: Float[Array, "i j c2 d"],
    strides,
    padding,
    **options,
) -> Float[Array, "n h2 w2 d"]:
    """Same as `jax.lax.conv_general_dilated`, and faster for many 3x3 kernels on CPUs.

    Those are for reverse mode only, and of many channels they are exact to 1e-5 of the largest
    value in single precision; other convolutions and other options are XLA's.

    Args:
        images: shape (N, H, W, C).
        kernel: shape (I, J, C, D).
        strides: as there.
        padding: as there.
        options: as there.

    Returns:
        Shape (N, H', W', D).
    """
    if kernel.shape[:2] == (SIDE, SIDE) and tuple(strides) == (1, 1) and padding == "SAME":
        if _without_effect(images, kernel, options):
            if winograd.pays(images.shape, kernel.shape, jnp.result_type(images, kernel)):
                parts, layout = blocks.split(images)
                return winograd.convolve(parts, kernel, layout).reshape(*images.shape[:3], -1)
            return _convolve(images, kernel, 1)
    return lax.conv_general_dilated(images, kernel, strides, padding, **options)


def convolve_to_double(
    images: Float[Array, "n h w c"], kernel: Float[Array, "3 3 c d"]
) -> Float[Array, "n 2*h 2*w d"]:
    """A convolution of the images with their pixels spread two apart, zero between and outside.

    Pixel (i, j) of an image lies at (2 i, 2 j). Same as `jax.lax.conv_transpose` with strides of 2
    and padding of 1 before and 2 behind, with a faster gradient on CPUs.

    Args:
        images: shape (N, H, W, C).
        kernel: shape (3, 3, C, D).

    Returns:
        Shape (N, 2 H, 2 W, D).
    """
    return _convolve(images, kernel, 2)


def _without_effect(images, kernel, options):
    """Whether the options say nothing but the layout that `flax.linen` uses."""
    shapes = images.shape, kernel.shape
    given = lax.conv_dimension_numbers(*shapes, options.get("dimension_numbers"))
    usual = {"lhs_dilation": (1, 1), "rhs_dilation": (1, 1), "feature_group_count": 1}
    rest = {name: value for name, value in options.items() if name != "dimension_numbers"}
    return given == lax.conv_dimension_numbers(*shapes, LAYOUT) and all(
        value is None or value == usual.get(name) for name, value in rest.items()
    )


def _library_convolution(images, kernel, factor):
    """By XLA, to `factor` times the resolution: pixels spread apart, the first in its middle."""
    return lax.conv_general_dilated(
        images,
        kernel,
        (1, 1),
        ((1, factor), (1, factor)),
        lhs_dilation=(factor, factor),
        dimension_numbers=LAYOUT,
    )


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _convolve(images, kernel, factor):
    return _library_convolution(images, kernel, factor)


def _convolve_forward(images, kernel, factor):
    return _library_convolution(images, kernel, factor), (images, kernel)


def _convolve_backward(factor, kept, change):
    images, kernel = kept
    back = jax.linear_transpose(lambda images: _library_convolution(images, kernel, factor), images)
    of_kernel = partial(_library_kernel_gradient, factor=factor)
    if factor > 1 or MANY * kernel.shape[3] < kernel.shape[2]:
        own = partial(_kernel_gradient, factor=factor)
        of_kernel = partial(lax.platform_dependent, cpu=own, default=of_kernel)
    return *back(change), of_kernel(images, change)


_convolve.defvjp(_convolve_forward, _convolve_backward)


def _library_kernel_gradient(images, change, factor):
    kernel = jnp.zeros((SIDE, SIDE, images.shape[3], change.shape[3]), images.dtype)
    back = jax.linear_transpose(lambda kernel: _library_convolution(images, kernel, factor), kernel)
    return back(change)[0]


def _kernel_gradient(images, change, factor):
    """The gradient to the kernel as products of two matrices, one row per pixel of the images.

    Tap (i, j) meets pixels of the image and of the change that lie i - 1 rows and j - 1 columns
    apart. The change is laid out nine times: it has few channels, or, at twice the resolution,
    pixels of its own for most of the taps.
    """
    height, channels, features = images.shape[1], images.shape[3], change.shape[3]
    rows = max(1, -(-height // STEPS))
    steps = -(-height // rows)
    images = jnp.pad(images, ((0, 0), (0, steps * rows - height), (0, 0), (0, 0)))
    below = 1 + factor * steps * rows - change.shape[1]
    change = jnp.pad(change, ((0, 0), (1, below), (1, 1), (0, 0)))

    groups = math.gcd(images.shape[0], jax.device_count())
    wide = jnp.promote_types(images.dtype, jnp.float32)

    def add(step, total):
        left = lax.dynamic_slice_in_dim(images, step * rows, rows, 1)
        right = _around(change, factor, step * rows, rows)
        left, right = (part.reshape(groups, -1, part.shape[-1]) for part in (left, right))
        product = (((1,), (1,)), ((0,), (0,)))
        return total + lax.dot_general(left, right, product, preferred_element_type=wide)

    # Rows, not images: those may be spread over devices, each with a sum of its own, so that they
    # wait for each other once, behind the loop. The zeros below the images add nothing.
    total = jnp.zeros((groups, channels, SIDE * SIDE * features), wide)
    total = lax.fori_loop(0, steps, add, total).sum(0)
    total = total.reshape(channels, SIDE, SIDE, features)
    # A pixel of the change that lies before the image's is met by the tap that points behind.
    return jnp.flip(total, (1, 2)).transpose(1, 2, 0, 3).astype(images.dtype)


def _around(padded, stride, first, rows):
    """Per pixel of every `stride`-th of some rows of all images the 3x3 around it, side by side."""
    block = lax.dynamic_slice_in_dim(padded, first * stride, (rows - 1) * stride + SIDE, 1)
    columns = (padded.shape[2] - SIDE) // stride + 1
    row = stride * np.arange(rows)[:, None, None, None] + np.arange(SIDE)[:, None]
    column = stride * np.arange(columns)[:, None, None] + np.arange(SIDE)
    around = block[:, row, column]
    return around.reshape(*around.shape[:3], SIDE * SIDE * padded.shape[3])
