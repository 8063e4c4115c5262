"""Sorts many tensors at once, and says where every value came from.

On a GPU or TPU that is XLA's sort. On a CPU XLA's sort compares one pair at a time; Batcher's
network of minima and maxima does all tensors side by side, with vector instructions.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.lax import bitcast_convert_type
from jaxtyping import Array, Float, Int32

FEWEST_LANES = 16
"""Tensors side by side from which the network is faster than sorting one after the other."""

LONGEST = 2**17
"""Values per tensor up to which a position and a useful part of the value share 32 bits."""

MOST_ROUNDS = 16
"""Rounds of exchanges between neighbours before XLA's sort takes over."""

LAST = np.iinfo(np.int32).max
"""Key of rows that fill up a power of two."""

Keys = Int32[Array, "n sets"]
Order = Int32[Array, "n sets"]


def sorted_rows(values: Float[Array, "sets n"]) -> Float[Array, "n sets"]:
    """Every set in ascending order, one set a column; NaN comes first or last, by its sign.

    Args:
        values: shape (B, n).

    Returns:
        Shape (n, B).
    """
    if values.dtype != jnp.float32:
        return jnp.sort(values, axis=1).T
    return jax.lax.platform_dependent(
        values,
        cpu=lambda values: _from_keys(_sorted_keys(_to_keys(values.T))),
        default=lambda values: jnp.sort(values, axis=1).T,
    )


def sorted_rows_and_order(
    values: Float[Array, "sets n"],
) -> tuple[Float[Array, "n sets"], Order]:
    """Every set in ascending order, one set a column, and the place that each value had.

    Args:
        values: shape (B, n).

    Returns:
        The sorted values, shape (n, B), and their indices in the set, shape (n, B). Among equal
        values the order is any.
    """
    if values.dtype != jnp.float32 or values.shape[1] > LONGEST:
        return _by_argsort(values)
    return jax.lax.platform_dependent(values, cpu=_by_network, default=_by_argsort)


def unsorted_columns(rows: Float[Array, "n sets"], order: Order) -> Float[Array, "sets n"]:
    """Puts what belongs to sorted values back to where the values were.

    Args:
        rows: shape (n, B).
        order: as `sorted_rows_and_order` returns it, shape (n, B).

    Returns:
        Shape (B, n).
    """
    places = jnp.zeros(rows.shape[::-1], rows.dtype).at[jnp.arange(rows.shape[1]), order]
    return places.set(rows, unique_indices=True, mode="promise_in_bounds")


def _by_argsort(values: Float[Array, "sets n"]) -> tuple[Float[Array, "n sets"], Order]:
    order = jnp.argsort(values, axis=1)
    return jnp.take_along_axis(values, order, axis=1).T, order.astype(jnp.int32).T


def _by_network(values: Float[Array, "sets n"]) -> tuple[Float[Array, "n sets"], Order]:
    """Sorts by a coarse form of the value that leaves room for the position, then mends the rest.

    32 bits hold a position (14 for 16,384 values) and the value's place on a monotone scale (18).
    Few values share a place, and rounds of exchanges between neighbours put those right. Values
    piled up so closely that this does not end are sorted by XLA: what counts is the check.
    """
    count = values.shape[1]
    levels = _levels(count)
    coarse = jnp.pad(
        _coarse(values, 32 - levels),
        ((0, 2**levels - count), (0, 0)),
        constant_values=2 ** (31 - levels) - 1,
    )
    position = jax.lax.broadcasted_iota(jnp.int32, coarse.shape, 0)
    order = _sorted_keys((coarse << levels) | position) & (2**levels - 1)
    keys = _to_keys(jnp.take_along_axis(values.T, order, axis=0, mode="clip"))
    keys = jnp.where(order < count, keys, LAST)

    def unfinished(state: tuple[Keys, Order, Array]) -> Array:
        keys, _, rounds = state
        return ~_ascending(keys) & (rounds < MOST_ROUNDS)

    def mend(state: tuple[Keys, Order, Array]) -> tuple[Keys, Order, Array]:
        keys, order, rounds = state
        keys, order = _sorted_fours(keys, order)
        inner = _sorted_fours(keys[2:-2], order[2:-2])
        keys, order = (
            jnp.concatenate([outer[:2], mended, outer[-2:]])
            for outer, mended in zip((keys, order), inner, strict=True)
        )
        return keys, order, rounds + 1

    keys, order, _ = jax.lax.while_loop(unfinished, mend, (keys, order, jnp.int32(0)))
    keys, order = jax.lax.cond(
        _ascending(keys),
        lambda keys, order: (keys, order),
        lambda keys, order: tuple(jax.lax.sort((keys, order), dimension=0, num_keys=1)),
        keys,
        order,
    )
    return _from_keys(keys[:count]), order[:count]


def _levels(count: int) -> int:
    """Smallest number of levels whose 2^levels is at least `count` and 4."""
    return max(2, (count - 1).bit_length())


def _coarse(values: Float[Array, "sets n"], bits: int) -> Keys:
    """Places on a scale of 2^bits, fine around the mean and without end: t / (1 + |t|)."""
    mean = values.mean(1)
    spread = jnp.abs(values - mean[:, None]).mean(1) + jnp.finfo(values.dtype).tiny
    centred = values.T - mean
    half = 2 ** (bits - 1) - 1
    return (centred / (spread + jnp.abs(centred)) * half).astype(jnp.int32)


def _sorted_fours(keys: Keys, order: Order) -> tuple[Keys, Order]:
    """Sorts rows 0 to 3, rows 4 to 7 ..., and their order with them."""
    split = [array.reshape(-1, 4, array.shape[1]) for array in (keys, order)]
    key, place = ([array[:, row] for row in range(4)] for array in split)
    for low, high in ((0, 1), (2, 3), (0, 2), (1, 3), (1, 2)):
        wrong = key[low] > key[high]
        place[low], place[high] = (
            jnp.where(wrong, place[high], place[low]),
            jnp.where(wrong, place[low], place[high]),
        )
        _order_pairs(key, [(low, high)])
    keys, order = (jnp.stack(rows, axis=1).reshape(keys.shape) for rows in (key, place))
    return keys, order


def _ascending(keys: Keys) -> Array:
    return (keys[:-1] <= keys[1:]).all()


def _to_keys(values: Float[Array, "*shape"]) -> Int32[Array, "*shape"]:
    """Integers in the order of the values: negative floats count backwards in their bits."""
    bits = bitcast_convert_type(values, jnp.int32)
    return bits ^ ((bits >> 31) & 0x7FFFFFFF)


def _from_keys(keys: Int32[Array, "*shape"]) -> Float[Array, "*shape"]:
    return bitcast_convert_type(keys ^ ((keys >> 31) & 0x7FFFFFFF), jnp.float32)


def _sorted_keys(keys: Keys) -> Keys:
    """Each column in ascending order."""
    count, sets = keys.shape
    if sets < FEWEST_LANES:
        return jnp.sort(keys, axis=0)
    levels = _levels(count)
    rows = jnp.pad(keys, ((0, 2**levels - count), (0, 0)), constant_values=LAST)
    for level in range(1, levels + 1):
        rows = _merged(rows, level)
    return rows[:count]


def _merged(rows: Keys, level: int) -> Keys:
    """Sorts runs of 2^level rows whose halves are sorted: a bitonic merge.

    The first step compares the run's two halves with one of them backwards, the others compare
    halves of halves. Two steps at a time: four rows in, four out, half the passes over memory.
    """
    step = level
    while step:
        both = step >= 2
        parts = 4 if both else 2
        distance = 2 ** (step - 2 if both else step - 1)
        rows = _compared(rows, parts, distance, backwards=step == level)
        step -= 2 if both else 1
    return rows


def _compared(rows: Keys, parts: int, distance: int, *, backwards: bool) -> Keys:
    """One or two steps of a merge: `parts` = 2 or 4 rows, `distance` apart, against each other."""
    split = rows.reshape(-1, parts, distance, rows.shape[1])
    piece = [split[:, part] for part in range(parts)]
    if backwards:
        half = parts // 2
        piece[half:] = [part[:, ::-1] for part in piece[half:]]
        pairs = [(part, parts - 1 - part) for part in range(half)]
        _order_pairs(piece, pairs)
        piece[half:] = [part[:, ::-1] for part in piece[half:]]
    else:
        _order_pairs(piece, [(part, part + parts // 2) for part in range(parts // 2)])
    if parts == 4:
        _order_pairs(piece, [(0, 1), (2, 3)])
    return jnp.stack(piece, axis=1).reshape(rows.shape)


def _order_pairs(piece: list[Array], pairs: list[tuple[int, int]]) -> None:
    for low, high in pairs:
        smaller, larger = (f(piece[low], piece[high]) for f in (jnp.minimum, jnp.maximum))
        piece[low], piece[high] = smaller, larger
