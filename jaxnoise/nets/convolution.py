"""The convolutions of the denoisers: same resolution, as `flax.linen.Conv` takes it, and twice.

The gradient to a kernel is the slow part of XLA's convolutions on CPUs. Here it is a product of
matrices: the sum over the pixels of what lies around a pixel times the change of the output.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from jaxnoise.nets import blocks, winograd

LAYOUT = ("NHWC", "HWIO", "NHWC")
SIDE = 3
STEPS = 8
"""Parts of the rows that the product takes in turn, so that it needs little memory."""


def convolve(
    images: Float[Array, "n h w c"],
    kernel: Float[Array, "i j c2 d"],
    strides,
    padding,
    **options,
) -> Float[Array, "n h2 w2 d"]:
    """Same as `jax.lax.conv_general_dilated`, with a faster gradient for 3x3 kernels on CPUs.

    That gradient is for reverse mode only; other convolutions and other options have XLA's.

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
    of_kernel = lax.platform_dependent(
        images,
        change,
        cpu=partial(_kernel_gradient, factor=factor),
        default=partial(_library_kernel_gradient, factor=factor),
    )
    return *back(change), of_kernel


_convolve.defvjp(_convolve_forward, _convolve_backward)


def _library_kernel_gradient(images, change, factor):
    kernel = jnp.zeros((SIDE, SIDE, images.shape[3], change.shape[3]), images.dtype)
    back = jax.linear_transpose(lambda kernel: _library_convolution(images, kernel, factor), kernel)
    return back(change)[0]


def _kernel_gradient(images, change, factor):
    """The gradient to the kernel as products of two matrices, one row per pixel of the images.

    Tap (i, j) meets pixels of the image and of the change that lie i - 1 rows and j - 1 columns
    apart, whichever of the two is moved. With the image's columns beside each other and the
    change's rows, each is laid out three times, not one of them nine times, and the product is of
    the size that CPUs are best at. Where one has few channels, it alone is laid out nine times. At
    twice the resolution only the change has a neighbour to lay out for each tap.
    """
    height, channels, features = images.shape[1], images.shape[3], change.shape[3]
    if factor > 1:
        of_images, of_change = (1, 1), (SIDE, SIDE)
    elif SIDE * channels < features:
        of_images, of_change = (SIDE, SIDE), (1, 1)
    elif SIDE * features < channels:
        of_images, of_change = (1, 1), (SIDE, SIDE)
    else:
        of_images, of_change = (1, SIDE), (SIDE, 1)
    rows = max(1, -(-height // STEPS))
    steps = -(-height // rows)
    images = _padded(images, of_images, steps * rows)
    change = _padded(change, of_change, factor * steps * rows)

    def add(step, total):
        left = _around(images, of_images, 1, step * rows, rows)
        right = _around(change, of_change, factor, step * rows, rows)
        return total + lax.dot_general(
            left, right, (((0,), (0,)), ((), ())), preferred_element_type=total.dtype
        )

    # Rows, not images: those may be spread over devices. The zeros below the images add nothing.
    sides = (*of_images, channels, *of_change, features)
    shape = int(np.prod(sides[:3])), int(np.prod(sides[3:]))
    total = jnp.zeros(shape, jnp.promote_types(images.dtype, jnp.float32))
    total = lax.fori_loop(0, steps, add, total).reshape(sides)
    # A pixel of the change that lies before the image's is met by the tap that points behind.
    total = jnp.flip(total, (3, 4)).transpose(0, 3, 1, 4, 2, 5)
    return total.reshape(SIDE, SIDE, channels, features).astype(images.dtype)


def _padded(images, sides, height):
    """Images with zeros around for neighbours within `sides`, and below up to `height` rows."""
    below = height - images.shape[1]
    above, beside = (side // 2 for side in sides)
    return jnp.pad(images, ((0, 0), (above, above + below), (beside, beside), (0, 0)))


def _around(padded, sides, stride, first, rows):
    """Per pixel of every `stride`-th of some rows of all images what is around it, side by side."""
    block = (rows - 1) * stride + sides[0]
    padded = lax.dynamic_slice_in_dim(padded, first * stride, block, 1)
    columns = (padded.shape[2] - sides[1]) // stride + 1
    row = stride * np.arange(rows)[:, None, None, None] + np.arange(sides[0])[:, None]
    column = stride * np.arange(columns)[:, None, None] + np.arange(sides[1])
    return padded[:, row, column].reshape(-1, sides[0] * sides[1] * padded.shape[3])
