"""The level of noise that is asked for: one number an image, or one a pixel."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

from jaxnoise.checks import is_real, native, shape_of, type_of
from jaxnoise.errors import UsageError
from jaxnoise.tracing import holds

Level = Num[Array | np.ndarray, " n"] | Num[Array | np.ndarray, "n h w c"]
"""Standard deviations, fractions of full scale."""


def checked_level(sigma: Level, images: Any) -> Float[Array, "n *hwc"]:
    """Levels of noise as numbers of the images' type.

    Args:
        sigma: shape (N,), above 0, or that of the images, at least 0.
        images: shape (N, H, W, C), floats.

    Returns:
        The same shape; NaN where it is not such a number.

    Raises:
        UsageError: another shape or type; outside jit also another number.
    """
    shape, wanted = shape_of(sigma), shape_of(images)
    if shape not in (wanted[:1], wanted) or not is_real(sigma):
        raise UsageError(
            f"sigma has shape {shape} and type {type_of(sigma)}: give one number for each of "
            f"{wanted[0]} image(s), shape {wanted[:1]}, or one for each pixel, shape {wanted}."
        )
    level = jnp.asarray(native(sigma), images.dtype)
    least = 0 if shape == wanted else jnp.finfo(level.dtype).tiny

    def fine(level: Array) -> Array:
        return jnp.isfinite(level) & (level >= least)

    if not holds(fine, level):
        raise UsageError(
            "sigma must be above 0, and at a pixel at least 0: give standard deviations of noise "
            "in the unit of the images, such as 20 / 255."
        )
    return jnp.where(fine(level), level, jnp.nan)


def over_images(level: Float[Array, "n *hwc"]) -> Float[Array, "n _ _ _"]:
    """Levels shaped to multiply images.

    Args:
        level: shape (N,) or (N, H, W, C).

    Returns:
        Shape (N, 1, 1, 1) or (N, H, W, C).
    """
    return level[:, None, None, None] if level.ndim == 1 else level
