"""Packed raw as colour images, in JAX, so that losses on colour images reach raw ones."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

from jaxnoise.checks import check_batch, check_numbers
from jaxnoise.errors import UsageError
from jaxnoise.tracing import holds

FLOOR = 1 / 255
"""Fraction of full scale below which the tone curve goes on along its tangent."""


def packed_to_rgb(
    packed: Float[Array, "n h w 4"], *, gamma: float | Num[Array | np.ndarray, ""] = 1.0
) -> Float[Array, "n h w 3"]:
    """R, the mean of Gr and Gb, and B of each 2x2 pixels: a colour image of half the resolution.

    Nothing is clipped, and every pixel has a finite gradient that is not 0: below 1 / 255, where
    the slope of `x^(1 / gamma)` becomes steep and there is no root of what noise took below 0, the
    curve goes on along its tangent.

    Args:
        packed: R, Gr, Gb, B, shape (N, H, W, 4), fraction of full scale.
        gamma: > 0, shape (); 2.2 turns linear raw into what encoders of photographs know, and 1
            leaves the values as they are.

    Returns:
        Shape (N, H, W, 3), `x^(1 / gamma)`: 1 stays 1, and with a gamma of 2.2 black is 0.04.

    Raises:
        UsageError: for another shape or type; outside jit also for a gamma that is not positive.
    """
    check_batch(4, packed=packed)
    check_numbers(gamma=gamma)
    if not holds(lambda gamma: jnp.asarray(gamma) > 0, gamma):
        raise UsageError(f"gamma is {gamma}: give a number above 0, such as 2.2.")
    packed = jnp.asarray(packed)
    red, green1, green2, blue = (packed[..., channel] for channel in range(4))
    image = jnp.stack([red, (green1 + green2) / 2, blue], -1)
    power = jnp.asarray(1 / gamma, image.dtype)
    # The floor as a value, or the slope beyond it would be that of a power of a negative number.
    curve = jnp.maximum(image, FLOOR) ** power
    slope = power * FLOOR ** (power - 1)
    return curve + slope * jnp.minimum(image - FLOOR, 0)
