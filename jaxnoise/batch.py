"""The unit of data that every model of jaxnoise takes, and which of its pixels count."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Num

from jaxnoise.checks import check_mask, check_same, shape_of
from jaxnoise.errors import UsageError


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class NoiseBatch:
    """A batch of clean images and noisy shots of them.

    Attributes:
        clean: shape (N, H, W, C), fraction of full scale (0 is black, 1 is white). Packed raw
            images have C = 4 in the order R, Gr, Gb, B.
        noisy: shape (N, H, W, C), same unit. Not clipped unless the sensor did.
        camera: shape (N,), index into the model's `config.cameras`.
        iso: shape (N,), the ISO number itself; 0 means "not stated".
        valid: shape (N, H, W, 1), True where a pixel counts, as one does that the sensor did not
            clip; None: all do. One flag for all channels of a pixel, since layers mix channels.
    """

    clean: Float[Array, "n h w c"]
    noisy: Float[Array, "n h w c"]
    camera: Num[Array, " n"]
    iso: Num[Array, " n"]
    valid: Bool[Array, "n h w 1"] | None = None

    @property
    def noise(self) -> Float[Array, "n h w c"]:
        """The noise `noisy - clean`, same shape and unit."""
        check_same(noisy=self.noisy, clean=self.clean)
        return self.noisy - self.clean


def only_valid(
    values: Float[Array, "n h w c"], valid: Bool[Array, "n h w 1"] | None
) -> Float[Array, "n h w c"]:
    """The values with 0 where a pixel does not count, whatever it holds, not a number included.

    Args:
        values: shape (N, H, W, C).
        valid: shape (N, H, W, 1), True where a pixel counts; None: all do.

    Returns:
        Same shape; no gradient reaches the pixels that do not count.

    Raises:
        UsageError: the mask has another shape or type.
    """
    check_mask(valid, shape_of(values))
    return values if valid is None else jnp.where(valid, values, 0)


def whole_cells(valid: Bool[Array, "n h w 1"], cell: int) -> Bool[Array, "n h w 1"]:
    """The pixels that count where squeezes make one pixel of each cell: those of whole cells.

    Args:
        valid: shape (N, H, W, 1), True where a pixel counts.
        cell: pixels along the side of a cell, from `jaxnoise.bijectors.chain.side_factor`.

    Returns:
        Same shape: True in cells of which every pixel counts.

    Raises:
        UsageError: the mask has another shape or type.
    """
    if len(shape_of(valid)) != 4:
        raise UsageError(f"valid has shape {shape_of(valid)}: give a mask (N, H, W, 1).")
    check_mask(valid, shape_of(valid))
    if cell == 1:
        return valid
    number, height, width, _ = valid.shape
    more = [(0, -side % cell) for side in (height, width)]
    padded = jnp.pad(valid, [(0, 0), *more, (0, 0)], constant_values=True)
    rows, columns = (side // cell for side in padded.shape[1:3])
    whole = padded.reshape(number, rows, cell, columns, cell, 1).all((2, 4))
    return whole.repeat(cell, 1).repeat(cell, 2)[:, :height, :width]


def mean_valid(
    values: Float[Array, "n h w c"], valid: Bool[Array, "n h w 1"] | None
) -> Float[Array, ""]:
    """The mean over all values of the pixels that count.

    Args:
        values: shape (N, H, W, C).
        valid: shape (N, H, W, 1), True where a pixel counts; None: all do.

    Returns:
        Scalar; 0 when no pixel counts.

    Raises:
        UsageError: the mask has another shape or type.
    """
    check_mask(valid, shape_of(values))
    if valid is None:
        return jnp.mean(values)
    count = valid.sum().astype(values.dtype) * values.shape[-1]
    return only_valid(values, valid).sum() / jnp.maximum(count, 1)
