"""Images as 4x4 blocks of pixels, a few images at a time: the layout of `jaxnoise.nets.winograd`.

A *turn* is what is worked on at a time: some images, shape (16, images, rows, columns, C) with the
16 pixels of every block first. A *group* is the part of a turn's images that one device may hold.
"""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

BLOCKS_PER_STRIP = 512
"""Blocks of a group at most that are worked on at a time of an image with more."""
Turn = int | Int[Array, ""]
"""Number of a turn."""
SIDE = 4
"""Pixels of a block's side."""
WINDOW = SIDE + 2
"""Pixels of the side of a window: of what a 3x3 convolution sees from a block."""
BLOCKS_PER_TURN = 128
"""Blocks of a group in one turn, about: enough for fast products, few enough for the cache."""


@dataclass(frozen=True)
class InBlocks:
    """Turns one after the other: shape (turns, 16, images, rows, columns, C).

    A network whose layers all work by blocks keeps its values in this layout.

    Attributes:
        groups: of a turn's images, which they divide.
    """

    groups: int

    def turns(self, values: Float[Array, "t 16 n r k c"]) -> int:
        """How many turns there are."""
        return values.shape[0]

    def grid(self, values: Float[Array, "t 16 n r k c"]) -> tuple[int, ...]:
        """Images, rows and columns of blocks in a turn."""
        return values.shape[2:5]

    def empty(self, values: Float[Array, "t 16 n r k c"], channels: int) -> Float[Array, "..."]:
        """Zeros like the values, with another number of channels."""
        return jnp.zeros((*values.shape[:-1], channels), values.dtype)

    def loaded(self, values: Float[Array, "t 16 n r k c"], turn: Turn) -> Float[Array, "..."]:
        """The images of a turn, shape (16, images, rows, columns, C)."""
        return lax.dynamic_index_in_dim(values, turn, 0, keepdims=False)

    def stored(
        self, values: Float[Array, "t 16 n r k c"], made: Float[Array, "16 n r k c"], turn: Turn
    ) -> Float[Array, "t 16 n r k c"]:
        """The values with those of a turn put in."""
        return lax.dynamic_update_index_in_dim(values, made, turn, 0)


@dataclass(frozen=True)
class InImages:
    """Images as anyone has them, of any size, with two axes in place of the first one.

    Shape (images of a turn, turns, H, W, C): this way around a device that holds the first part of
    all images holds the first part of every turn's. See `split`.

    Attributes:
        groups: of a turn's images, which they divide.
    """

    groups: int

    def turns(self, values: Float[Array, "n t h w c"]) -> int:
        """How many turns there are."""
        return values.shape[1]

    def grid(self, values: Float[Array, "n t h w c"]) -> tuple[int, ...]:
        """Images, rows and columns of blocks in a turn."""
        return (values.shape[0], *(-(-side // SIDE) for side in values.shape[2:4]))

    def empty(self, values: Float[Array, "n t h w c"], channels: int) -> Float[Array, "..."]:
        """Zeros like the values, with another number of channels."""
        return jnp.zeros((*values.shape[:-1], channels), values.dtype)

    def loaded(self, values: Float[Array, "n t h w c"], turn: Turn) -> Float[Array, "..."]:
        """The images of a turn, shape (16, images, rows, columns, C), filled up with zeros."""
        images = lax.dynamic_index_in_dim(values, turn, 1, keepdims=False)
        below, beside = (-side % SIDE for side in images.shape[1:3])
        images = jnp.pad(images, ((0, 0), (0, below), (0, beside), (0, 0)))
        # Faster than a transposition.
        return jnp.stack([images[:, i::SIDE, j::SIDE] for i in range(SIDE) for j in range(SIDE)])

    def stored(
        self, values: Float[Array, "n t h w c"], made: Float[Array, "16 n r k c"], turn: Turn
    ) -> Float[Array, "n t h w c"]:
        """The values with those of a turn put in."""
        images = _joined(made[None])[:, 0, : values.shape[2], : values.shape[3]]
        return lax.dynamic_update_index_in_dim(values, images, turn, 1)


def images_per_turn(shape: tuple[int, ...]) -> tuple[int, int]:
    """How to take images in turn.

    Args:
        shape: of the images, (N, H, W, C), none of them 0.

    Returns:
        Images of a turn, which divide N; and groups, which divide those: as many as JAX has
        devices, as far as that divides N, since the batch may be spread over them.
    """
    number, height, width, _ = shape
    groups = math.gcd(number, jax.device_count())
    blocks = -(-height // SIDE) * -(-width // SIDE)
    own = number // groups
    divisors = (count for count in range(1, own + 1) if own % count == 0)
    count = min(divisors, key=lambda count: abs(math.log(count * blocks / BLOCKS_PER_TURN)))
    return count * groups, groups


def rows_per_strip(grid: tuple[int, int, int], groups: int) -> int:
    """How many rows of blocks are worked on at a time: all, but where a turn is large.

    Args:
        grid: images, rows and columns of blocks in a turn.
        groups: of the images.

    Returns:
        A number that divides the rows.
    """
    images, rows, columns = grid
    most = max(1, BLOCKS_PER_STRIP * groups // (images * columns))
    return max(count for count in range(1, min(rows, most) + 1) if rows % count == 0)


def split(images: Float[Array, "n h w c"]) -> tuple[Float[Array, "m t h w c"], InImages]:
    """Images in the layout `InImages`: a view, without a copy.

    Args:
        images: shape (N, H, W, C), N at least 1.

    Returns:
        Shape (images of a turn, turns, H, W, C), and the layout.
    """
    together, groups = images_per_turn(images.shape)
    return images.reshape(together, -1, *images.shape[1:]), InImages(groups)


def to_blocks(images: Float[Array, "n h w c"]) -> tuple[Float[Array, "t 16 m r k c"], InBlocks]:
    """Images in the layout `InBlocks`.

    Args:
        images: shape (N, H, W, C), N at least 1; H and W divide by 4.

    Returns:
        Shape (turns, 16, images of a turn, H / 4, W / 4, C), and the layout.
    """
    number, height, width, channels = images.shape
    together, groups = images_per_turn(images.shape)
    grid = height // SIDE, SIDE, width // SIDE, SIDE
    parts = images.reshape(together, number // together, *grid, channels)
    parts = parts.transpose(1, 3, 5, 0, 2, 4, 6)
    shape = number // together, SIDE**2, together, grid[0], grid[2], channels
    return parts.reshape(shape), InBlocks(groups)


def to_images(values: Float[Array, "t 16 m r k c"]) -> Float[Array, "n h w c"]:
    """Images in the order that `to_blocks` was given.

    Args:
        values: shape (turns, 16, images of a turn, rows, columns, C).

    Returns:
        Shape (N, 4 rows, 4 columns, C).
    """
    joined = _joined(values)
    return joined.reshape(-1, *joined.shape[2:])


def _joined(values):
    """Turns as images, shape (images of a turn, turns, H, W, C)."""
    turns, _, together, rows, columns, channels = values.shape
    parts = values.reshape(turns, SIDE, SIDE, together, rows, columns, channels)
    parts = parts.transpose(3, 0, 4, 1, 5, 2, 6)
    return parts.reshape(together, turns, rows * SIDE, columns * SIDE, channels)


def windows(
    block: Float[Array, "16 n r k c"], *, within: bool = False
) -> Float[Array, "36 n r2 k c"]:
    """Each block with the pixels around it, zero outside of the image.

    Args:
        block: the images of a turn.
        within: the first and the last row of blocks are only there to be seen.

    Returns:
        The same images, without such rows, the 36 pixels of every window first.
    """
    block = block.reshape(SIDE, SIDE, *block.shape[1:])
    number, rows, *rest = block.shape[2:]
    seen = jnp.zeros((WINDOW, WINDOW, number, rows - 2 * within, *rest), block.dtype)
    for of_window, of_block in _moves(block.shape, within=within):
        # Written in place, which is twice as fast as putting parts beside each other.
        seen = lax.dynamic_update_slice(seen, block[of_block], _starts(of_window))
    return seen.reshape(WINDOW**2, *seen.shape[2:])


def overlapped(seen: Float[Array, "36 n r k c"]) -> Float[Array, "16 n r k c"]:
    """The sum over the windows that a pixel lies in: what turns `windows` around.

    Args:
        seen: images of a turn, the 36 pixels of every window first.

    Returns:
        The same images, the 16 pixels of every block first.
    """
    seen = seen.reshape(WINDOW, WINDOW, *seen.shape[1:])
    middle, *around = _moves(seen.shape)
    block = seen[middle[0]]
    for of_window, of_block in around:
        part = block[of_block] + seen[of_window]
        block = lax.dynamic_update_slice(block, part, _starts(of_block))
    return block.reshape(SIDE**2, *block.shape[2:])


_ALL = slice(None)
_DIRECTION = (
    # Pixels of the window and of a block; windows and, as many, blocks that hold them.
    (slice(1, SIDE + 1), _ALL, _ALL, _ALL),
    (slice(0, 1), slice(SIDE - 1, SIDE), slice(1, None), slice(None, -1)),
    (slice(SIDE + 1, WINDOW), slice(0, 1), slice(None, -1), slice(1, None)),
)


_WITHIN = (
    # The same, of blocks that have a neighbour on either side.
    (slice(1, SIDE + 1), _ALL, _ALL, slice(1, -1)),
    (slice(0, 1), slice(SIDE - 1, SIDE), _ALL, slice(0, -2)),
    (slice(SIDE + 1, WINDOW), slice(0, 1), _ALL, slice(2, None)),
)


def _moves(shape, *, within=False):
    """Where the pixels of windows and of blocks are the same, the middle of all windows first."""
    rows, columns = shape[3:5]
    for tall in _WITHIN if within else _DIRECTION if rows > 1 else _DIRECTION[:1]:
        for wide in _DIRECTION if columns > 1 else _DIRECTION[:1]:
            yield (
                (tall[0], wide[0], _ALL, tall[2], wide[2]),
                (tall[1], wide[1], _ALL, tall[3], wide[3]),
            )


def _starts(place):
    return (*(part.start or 0 for part in place), 0)
