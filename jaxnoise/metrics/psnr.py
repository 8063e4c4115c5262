"""Peak signal-to-noise ratio of images."""

import math

import numpy as np
from jaxtyping import Array, Num

from jaxnoise.metrics._checks import as_pair, check_images
from jaxnoise.metrics._namespace import namespace


def psnr(
    a: Num[Array | np.ndarray, "*first"],
    b: Num[Array | np.ndarray, "*second"],
    *,
    data_range: float | int | None = None,
) -> np.floating | Num[Array | np.ndarray, "*batch"]:
    """Peak signal-to-noise ratio of each image, from the mean squared error over its H, W and C.

    Papers tabulate the mean of these numbers over the images, not the ratio of the mean error.

    Args:
        a: images, shape (..., H, W, C), any unit. Not clipped here.
        b: images to compare with, same shape and unit.
        data_range: largest possible value minus smallest, same unit: 1.0 for fractions of full
            scale, 255 for 8 bits (Residual Contrastive Learning). None: 1.0, for floats alone.

    Returns:
        Decibels, shape (...,): 10 log10(data_range^2 / MSE), inf for equal images and NaN where
        one holds a NaN. Computed in float64 for numpy arrays and at least float32 for jax arrays.
        The gradient at equal images is 0.

    Raises:
        UsageError: for unlike shapes, fewer than three axes, images without pixels, integers
            without a `data_range`, or one that is not positive and finite.

    Source: Dong et al., Residual Contrastive Learning, Eq. 12.
    """
    data_range = check_images(a, b, data_range)
    xp = namespace(a, b)
    a, b = as_pair(a, b)
    difference = a - b
    error = xp.square(difference / data_range).mean(axis=(-3, -2, -1))
    # The logarithm never meets 0, neither in the value nor in its derivative.
    decibels = -10 / math.log(10) * xp.log(xp.where(error == 0, 1, error))
    return xp.where(error == 0, xp.inf, decibels)[()]
