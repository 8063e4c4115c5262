"""What the measures of a pair of images ask of their arguments."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxnoise.errors import UsageError
from jaxnoise.metrics._namespace import namespace


def check_images(a: Any, b: Any, data_range: float | int) -> None:
    """Refuses a pair that is not two images of one shape, and a range that is no length.

    Args:
        a: first image or batch of images.
        b: second.
        data_range: largest possible value minus smallest.

    Raises:
        UsageError: for shapes other than the same (..., H, W, C), images without pixels, and a
            range that is not a positive finite number.
    """
    if a.shape != b.shape:
        raise UsageError(
            f"the images have shapes {a.shape} and {b.shape}: pass two of the same shape."
        )
    if a.ndim < 3:
        raise UsageError(
            f"images of shape {a.shape} lack an axis: pass (..., H, W, C), with C = 1 for grey."
        )
    if 0 in a.shape[-3:]:
        raise UsageError(
            f"images of shape {a.shape} have no pixels: pass H, W and C of at least 1."
        )
    if not 0 < data_range < math.inf:
        raise UsageError(
            f"data_range is {data_range}: pass the largest possible value minus the smallest, "
            "such as 1.0 or 255."
        )


def float_dtype(a: Any, b: Any) -> np.dtype:
    """The precision to compare two images in.

    Args:
        a: first image.
        b: second, of numpy or jax like the first.

    Returns:
        float64 for numpy arrays; for jax arrays their own precision, and at least float32.
    """
    if namespace(a, b) is np:
        return np.dtype(np.float64)
    return jnp.result_type(a.dtype, b.dtype, jnp.float32)
