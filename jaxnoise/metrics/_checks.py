"""What the measures of a pair of images ask of their arguments."""

import math
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxnoise.checks import as_floats, check_numbers, is_float, is_real, native, shape_of, type_of
from jaxnoise.errors import UsageError
from jaxnoise.metrics._namespace import namespace
from jaxnoise.tracing import is_concrete

FAR_ABOVE = 2.0
"""How many times full scale floats may reach, as noise takes them, before their unit is doubted."""


def check_images(a: Any, b: Any, data_range: float | int | None) -> float | int:
    """Refuses a pair that is not two images of one shape, and a range that is no length.

    Args:
        a: first image or batch of images.
        b: second.
        data_range: largest possible value minus smallest; None where it is not stated.

    Returns:
        The range: 1.0 for floats where none is stated; a warning says, outside jit, where these are
        no fractions of full scale.

    Raises:
        UsageError: for shapes other than the same (..., H, W, C), images without pixels, integers
            without a stated range, and a range that is not a positive finite number.
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
    kinds = f"{type_of(a)} and {type_of(b)}"
    if not (is_real(a) and is_real(b)):
        raise UsageError(f"images of shape {a.shape} are {kinds}: pass real numbers.")
    if data_range is None:
        if not (is_float(a) and is_float(b)):
            raise UsageError(
                f"images of shape {a.shape} are {kinds}: state their data_range, such as 255 for 8 "
                "bits, or pass fractions of full scale."
            )
        _tell_of_another_unit(a, b)
        return 1.0
    check_numbers(data_range=data_range)
    if not 0 < data_range < math.inf:
        raise UsageError(
            f"data_range is {data_range}: pass the largest possible value minus the smallest, "
            "such as 1.0 or 255."
        )
    return data_range


def _tell_of_another_unit(a: Any, b: Any) -> None:
    """Warns of floats that are far above the range that is taken where none is stated."""
    if not is_concrete(a, b) or 0 in a.shape:
        return
    if not all(getattr(image, "is_fully_addressable", True) for image in (a, b)):
        return
    with jax.ensure_compile_time_eval():  # they may be constants of a jitted function
        highest = max(float(image.max()) for image in (a, b))
    if highest > FAR_ABOVE:
        warnings.warn(
            f"images with values up to {highest:g} are compared as if their full scale were 1: "
            "state their data_range, such as 255, or pass fractions of full scale.",
            stacklevel=4,
        )


def as_pair(a: Any, b: Any) -> tuple[Any, Any]:
    """Two images in the precision to compare them in.

    Args:
        a: first image.
        b: second.

    Returns:
        Both in float64 where both are of numpy; else arrays of jax in the wider precision of the
        two, and at least float32.
    """
    if namespace(a, b) is np:
        return np.asarray(a, np.float64), np.asarray(b, np.float64)
    a, b = as_floats("images", a, b)
    return a, b


def as_real(values: Any) -> Any:
    """Numbers whose differences neither wrap around nor lose their sign: integers become floats.

    Args:
        values: an array or a number.

    Returns:
        float64 for integers of NumPy, at least float32 for those of JAX; floats as they are.

    Raises:
        UsageError: for truth values, complex numbers and what is no number.
    """
    if not is_real(values):
        raise UsageError(
            f"values of shape {shape_of(values)} are {type_of(values)}: pass real numbers."
        )
    if is_float(values):
        return native(values)
    return values.astype(jnp.result_type(float)) if namespace(values) is jnp else np.float64(values)
