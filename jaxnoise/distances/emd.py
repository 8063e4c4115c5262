"""Earth mover's distance (W1) between sets of scalars: the mean distance of sorted values."""

from functools import reduce
from operator import add as add_up

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

from jaxnoise.distances._checks import checked_pair
from jaxnoise.distances.sorting import (
    sorted_rows,
    sorted_rows_and_order,
    unsorted_columns,
)

ADDED = 64
"""Rows that one pass adds up for all pairs: sums of so few stay in cache and keep their digits."""

LARGEST_PASS = 2**19
"""Partial sums, one for each pair and ADDED rows, that exist at a time."""

PARTNERS = 16
"""Tensors that one expression of the gradient compares all others with."""

Residuals = tuple[Array, Array, Array, Array]
"""Sorted rows and their order, of xs and of ys."""


def emd(x: Num[Array | np.ndarray, "*n"], y: Num[Array | np.ndarray, "*m"]) -> Float[Array, ""]:
    """Earth mover's distance (W1) between two sets of scalars; `pairwise_emd` for many.

    Args:
        x: samples, shape (n,), any unit.
        y: samples, shape (m,), same unit; n and m may differ.

    Returns:
        Scalar >= 0 in the unit of the samples; under jit NaN where the samples hold NaN.

    Raises:
        UsageError: as in `pairwise_emd`.

    Source: RCL Eq. 7; in one dimension the optimal transport keeps the order.
    """
    x, y = checked_pair(x, y)
    return pairwise_emd(x[None], y[None])[0, 0]


def pairwise_emd(
    xs: Num[Array | np.ndarray, "*a_n"], ys: Num[Array | np.ndarray, "*b_m"]
) -> Float[Array, "a b"]:
    """Earth mover's distance (W1) between every set of scalars in `xs` and every one in `ys`.

    Each set is sorted once. Differentiable in xs and ys, in reverse mode: the gradient of a pair is
    the sign of the difference of the two values of a rank, 0 where they are equal; tied values of a
    set share their ranks in any order, so that only sums over ties are defined. Of sets that lie on
    several devices, each of these works out all pairs.

    Args:
        xs: sets of samples, shape (a, n), any unit.
        ys: sets of samples, shape (b, m), same unit; where n and m differ, quantile functions are
            compared on the common refinement of their steps.

    Returns:
        Shape (a, b), in the unit of the samples; under jit NaN for a set that holds NaN, and NaN or
        infinity for one that holds infinity.

    Raises:
        UsageError: shapes that do not fit; outside jit also NaN and infinity.

    Source: RCL Eq. 7; in one dimension the optimal transport keeps the order.
    """
    xs, ys = checked_pair(xs, ys, batched=True)
    return _compiled(xs, ys)


@jax.custom_vjp
def _all_pairs(xs: Float[Array, "a n"], ys: Float[Array, "b m"]) -> Float[Array, "a b"]:
    xs, ys = _everywhere(xs), _everywhere(ys)
    if xs.shape[1] == ys.shape[1]:  # one program sorts both
        rows = sorted_rows(jnp.concatenate([xs, ys]))
        return _matrix_everywhere(_mean_distances(rows[:, : len(xs)], rows[:, len(xs) :]))
    return _matrix_everywhere(_mean_distances(sorted_rows(xs), sorted_rows(ys)))


def _forward(
    xs: Float[Array, "a n"], ys: Float[Array, "b m"]
) -> tuple[Float[Array, "a b"], Residuals]:
    xs, ys = _everywhere(xs), _everywhere(ys)
    if xs.shape[1] == ys.shape[1]:
        both = sorted_rows_and_order(jnp.concatenate([xs, ys]))
        (x, y), (x_order, y_order) = (jnp.split(part, [len(xs)], axis=1) for part in both)
    else:
        x, x_order = sorted_rows_and_order(xs)
        y, y_order = sorted_rows_and_order(ys)
    return _matrix_everywhere(_mean_distances(x, y)), (x, x_order, y, y_order)


def _backward(residuals: Residuals, cotangent: Float[Array, "a b"]) -> tuple[Array, Array]:
    x, x_order, y, y_order = residuals
    cotangent = _matrix_everywhere(cotangent)
    x_rank, y_rank, lengths = _common_steps(len(x), len(y))
    x_steps, y_steps = x[x_rank], y[y_rank]
    x_gradient = _signs(x_steps, y_steps, cotangent) * lengths[:, None]
    y_gradient = _signs(y_steps, x_steps, cotangent.T) * lengths[:, None]
    return (
        _everywhere(unsorted_columns(_gathered(x_gradient, x_rank, len(x)), x_order)),
        _everywhere(unsorted_columns(_gathered(y_gradient, y_rank, len(y)), y_order)),
    )


_all_pairs.defvjp(_forward, _backward)
_compiled = jax.jit(_all_pairs)


def _everywhere(rows: Float[Array, "rows n"]) -> Float[Array, "rows n"]:
    """The same rows, between what devices share and what each of them works out by itself.

    XLA would spread the loops of this file over the devices that share a batch, which then exchange
    values in every turn; on CPUs, devices that come to a loop in different order wait for each
    other for ever, now and then. How an array is spread does not pass to the rows taken from it by
    numbers that the compiler does not know, nor back. So all that goes in and out is taken so.
    """
    numbers = jax.lax.optimization_barrier(jnp.arange(len(rows)))
    return rows.at[numbers].get(mode="promise_in_bounds", unique_indices=True)


def _matrix_everywhere(matrix: Float[Array, "a b"]) -> Float[Array, "a b"]:
    return _everywhere(_everywhere(matrix).T).T


def _common_steps(n: int, m: int) -> tuple[slice | np.ndarray, slice | np.ndarray, np.ndarray]:
    """Steps between the multiples of 1/n and of 1/m: each one's rank in both, and its length."""
    if n == m:
        return slice(None), slice(None), np.full(n, 1 / n)
    ends = np.union1d(np.arange(1, n + 1) * m, np.arange(1, m + 1) * n)  # in units of 1 / (n m)
    starts = np.concatenate([[0], ends[:-1]])
    return starts // m, starts // n, (ends - starts) / (n * m)


def _gathered(rows: Array, rank: slice | np.ndarray, count: int) -> Array:
    """Sums of the rows that belong to one rank."""
    if isinstance(rank, slice):
        return rows
    return jax.ops.segment_sum(rows, rank, count, indices_are_sorted=True)


def _mean_distances(x: Array, y: Array) -> Float[Array, "a b"]:
    """Mean over ranks of |x_i - y_j| for all i and j."""
    x_rank, y_rank, lengths = _common_steps(len(x), len(y))
    equal = isinstance(x_rank, slice)
    if not equal:
        x, y = x[x_rank], y[y_rank]
    passes = max(1, LARGEST_PASS // (x.shape[1] * y.shape[1]))
    passes = min(passes, -(-len(x) // ADDED))
    size = passes * ADDED
    missing = -len(x) % size

    def cut(rows: Array) -> Array:
        padded = jnp.pad(rows, ((0, missing), (0, 0)))
        return padded.reshape(-1, passes, ADDED, rows.shape[1])

    def add(total: Array, part: tuple[Array, ...]) -> tuple[Array, None]:
        x, y, length = part
        terms = [
            jnp.abs(x[:, row, :, None] - y[:, row, None, :])
            * (1 if equal else length[:, row, None])
            for row in range(ADDED)
        ]
        return total + reduce(add_up, terms).sum(0), None

    parts = (cut(x), cut(y), cut(jnp.asarray(lengths, x.dtype)[:, None]))
    total, _ = jax.lax.scan(add, jnp.zeros((x.shape[1], y.shape[1]), x.dtype), parts)
    return total / len(x) if equal else total


def _signs(x: Array, y: Array, weights: Float[Array, "a b"]) -> Array:
    """Sum over j of weights_ij sign(x_i - y_j) at every rank."""

    def add(total: Array, partners: tuple[Array, Array]) -> tuple[Array, None]:
        y, weights = partners
        for partner in range(y.shape[1]):
            # A difference times this number is at least 1, or 0: two instructions for a sign.
            large = (x - y[:, partner, None]) * (1 / jnp.finfo(x.dtype).tiny)
            total += jax.lax.clamp(-1.0, large, 1.0).astype(x.dtype) * weights[partner]
        return total, None

    missing = -y.shape[1] % min(PARTNERS, y.shape[1])
    partners = jnp.pad(y, ((0, 0), (0, missing))).reshape(len(y), -1, min(PARTNERS, y.shape[1]))
    weighted = jnp.pad(weights.T, ((0, missing), (0, 0))).reshape(-1, partners.shape[2], len(x[0]))
    return jax.lax.scan(add, jnp.zeros_like(x), (partners.swapaxes(0, 1), weighted))[0]
