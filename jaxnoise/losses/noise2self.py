"""Noise2Self: pixels that a network cannot see are estimated from their neighbours."""

import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jaxnoise.batch import mean_valid, only_valid
from jaxnoise.checks import check_batch, check_mask, shape_of, type_of
from jaxnoise.errors import UsageError

CELL = 4
"""Pixels from one hidden pixel to the next, in rows and columns."""
NEIGHBOURS = np.array([[0.5, 1.0, 0.5], [1.0, 0.0, 1.0], [0.5, 1.0, 0.5]]) / 6
"""Weights of the pixels around a hidden one."""


def grid_mask(
    size: tuple[int, int], number: int | Int[Array, ""], *, cell: int = CELL
) -> Bool[Array, "1 h w 1"]:
    """Pixels of a regular grid, to be hidden.

    Args:
        size: height and width of the images.
        number: which grid, counted along the rows of a cell: 0 to `cell^2 - 1`, and on from 0
            beyond. Together these grids hold each pixel once.
        cell: pixels from one to the next in rows and columns, at least 2.

    Returns:
        Shape (1, H, W, 1), True where a pixel is hidden.

    Raises:
        UsageError: the cell is below 2 or larger than the images, or the number is no integer.

    Source: Batson and Royer, "Noise2Self", 2019, Section 3.
    """
    if not 2 <= cell <= min(size):
        raise UsageError(f"cell is {cell} in images of {size[0]}x{size[1]}: use 2 to {min(size)}.")
    if shape_of(number) != () or getattr(type_of(number), "kind", "") not in ("i", "u"):
        raise UsageError(
            f"number has shape {shape_of(number)} and type {type_of(number)}: give one integer."
        )
    place = jnp.asarray(number) % cell**2
    rows, columns = jnp.arange(size[0]) % cell, jnp.arange(size[1]) % cell
    hidden = (rows[:, None] == place // cell) & (columns == place % cell)
    return hidden[None, :, :, None]


def filled_in(
    noisy: Float[Array, "n h w c"], hidden: Bool[Array, "#n h w 1"]
) -> Float[Array, "n h w c"]:
    """Images whose hidden pixels are interpolated from the eight around each.

    Args:
        noisy: shape (N, H, W, C), any unit; of packed raw each channel is by itself.
        hidden: shape (N, H, W, 1) or (1, H, W, 1), as from `grid_mask`; no two hidden pixels may
            touch, or they see each other.

    Returns:
        Same shape and unit. What hidden pixels held is in it nowhere. Beyond the border the image
        is continued by its mirror image, without the pixels of the border themselves.

    Raises:
        UsageError: for shapes or types that do not fit, or a side of one pixel.

    Source: Batson and Royer, "Noise2Self", 2019, Section 3, without these weights.
    """
    hidden = _checked(hidden, noisy=noisy)
    if min(shape_of(noisy)[1:3]) < 2:
        raise UsageError(f"noisy has shape {shape_of(noisy)}: give sides of at least 2 pixels.")
    height, width = shape_of(noisy)[1:3]
    padded = jnp.pad(noisy, [(0, 0), (1, 1), (1, 1), (0, 0)], mode="reflect")
    made = jnp.zeros_like(padded[:, :height, :width])
    for (row, column), weight in np.ndenumerate(NEIGHBOURS):
        if weight:
            made = made + float(weight) * padded[:, row : row + height, column : column + width]
    return jnp.where(hidden, made, noisy)


def noise2self_error(
    estimate: Float[Array, "n h w c"],
    noisy: Float[Array, "n h w c"],
    hidden: Bool[Array, "#n h w 1"],
) -> Float[Array, ""]:
    """The mean squared error at hidden pixels, of an estimate that did not see them.

    Args:
        estimate: of the clean images, from `filled_in(noisy, hidden)`, shape (N, H, W, C), fraction
            of full scale, not clipped.
        noisy: the noisy images as they are, same shape and unit.
        hidden: as for `filled_in`.

    Returns:
        Scalar, squared unit, 0 where nothing is hidden. Where the noise of a pixel does not depend
        on that of others it is in expectation the error against the clean image at those pixels,
        plus the variance of their noise.

    Raises:
        UsageError: for shapes or types that do not fit.

    Source: Batson and Royer, "Noise2Self", 2019, Eq. 2 and Proposition 1.
    """
    hidden = _checked(hidden, estimate=estimate, noisy=noisy)
    return mean_valid(only_valid(estimate - noisy, hidden) ** 2, hidden)


def _checked(hidden, **images) -> Array:
    """The mask, one for each image."""
    check_batch(least=1, **images)
    shape = shape_of(next(iter(images.values())))
    flags = shape_of(hidden)
    if len(flags) == 4 and flags[0] == 1 and math.prod(flags[1:]) == shape[1] * shape[2]:
        hidden = jnp.broadcast_to(hidden, (shape[0], *flags[1:]))
    check_mask(hidden, shape)
    return jnp.asarray(hidden)
