"""Sums of Gaussian kernels and of their slopes over all samples, for many queries at a time.

A few samples are held against all queries in one elementwise loop, which compilers vectorise and
in which no kernel is stored. Partial sums are short trees, and compensated from block to block, so
that differences of such sums keep their digits.
"""

from collections.abc import Callable
from functools import reduce
from operator import add

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

UNROLLED = 32
"""Longest vectors whose components are arrays of their own, which keeps them in registers."""

TAYLOR = {"float32": 10, "float64": 18}
"""Terms of the exponential series that leave nothing of an argument <= 1 but rounding."""

Points = Float[Array, "dimension n"]
Queries = Float[Array, "dimension queries"]
Rates = Float[Array, " kernels"]
Compensated = tuple[Array, Array]
"""A sum and what rounding took from it."""


def kernel_sums(
    queries: Queries, samples: Points, *, rates: Rates, near: bool, block: int
) -> Compensated:
    """For each query the sum over the samples of the mean of the kernels, less their first terms.

    Args:
        queries: points u, shape (k, q).
        samples: points v, shape (k, n).
        rates: of the kernels exp(-rate |u - v|^2), shape (l,).
        near: whether every rate |u - v|^2 is at most 1. Then 1 - rate |u - v|^2 is taken from each
            kernel, otherwise 1: in a squared MMD both cancel, or nearly.
        block: samples held against all queries at a time.

    Returns:
        The sums, shape (q,), and what rounding took from them.
    """

    def kernels(differences: list[Array]) -> list[Array]:
        squared = _squared(differences)
        return [reduce(add, (_kernel(rate * squared, near) for rate in rates)) / len(rates)]

    high, low = _blocked(kernels, queries, samples, block)
    return high[0], low[0]


def slope_sums(
    queries: Queries, samples: Points, *, rates: Rates, near: bool, block: int
) -> Queries:
    """For each query the gradient of the sum that `kernel_sums` gives for it.

    Args:
        queries: points u, shape (k, q).
        samples: points v, shape (k, n).
        rates: of the kernels exp(-rate |u - v|^2), shape (l,).
        near: whether every rate |u - v|^2 is at most 1; see `kernel_sums`.
        block: samples held against all queries at a time.

    Returns:
        Shape (k, q).
    """

    def slopes(differences: list[Array]) -> list[Array]:
        squared = _squared(differences)
        each = [-2 * rate * _slope(rate * squared, near) for rate in rates]
        slope = reduce(add, each) / len(rates)
        return [slope * difference for difference in differences]

    high, low = _blocked(slopes, queries, samples, block)
    total = [one + rest for one, rest in zip(high, low, strict=True)]
    return total[0] if total[0].ndim == 2 else jnp.stack(total)


def _kernel(squared: Array, near: bool) -> Array:
    """exp(-s) - 1, or exp(-s) - 1 + s for s <= 1."""
    return squared * squared * _series(squared, 2) if near else jnp.exp(-squared) - 1


def _slope(squared: Array, near: bool) -> Array:
    """exp(-s), or exp(-s) - 1 for s <= 1."""
    return -squared * _series(squared, 1) if near else jnp.exp(-squared)


def _series(squared: Array, first: int) -> Array:
    """Sum over i of (-s)^i / (i + first)!, by Horner's scheme."""
    total = jnp.ones_like(squared)
    for divisor in range(TAYLOR[squared.dtype.name] + first, first, -1):
        total = 1 - squared / divisor * total
    return total / (2 if first == 2 else 1)


def _blocked(
    term: Callable[[list[Array]], list[Array]], queries: Queries, samples: Points, block: int
) -> tuple[list[Array], list[Array]]:
    """Sums of term(query - sample) over the samples, and what rounding took from them."""
    dimension, count = samples.shape
    unrolled = dimension <= UNROLLED
    group = max(1, min(block, count) // dimension)
    padding = -count % group
    kept = jnp.pad(jnp.ones(count, samples.dtype), (0, padding)).reshape(-1, group)
    blocks = jnp.pad(samples, ((0, 0), (0, padding))).T.reshape(-1, group, dimension)
    points = list(queries) if unrolled else [queries]

    def step(total: tuple, entry: tuple[Array, Array]) -> tuple[tuple, None]:
        terms = []
        for sample, weight in zip(*entry, strict=True):
            values = list(sample) if unrolled else [sample[:, None]]
            differences = [point - value for point, value in zip(points, values, strict=True)]
            terms.append([weight * value for value in term(differences)])
        highs, lows = [], []
        for high, low, *added in zip(*total, *terms, strict=True):
            high, rest = two_sum(high, _tree(added))
            highs.append(high)
            lows.append(low + rest)
        return (highs, lows), None

    zeros = jax.tree.map(
        lambda shape: jnp.zeros(shape.shape, shape.dtype), jax.eval_shape(term, points)
    )
    return jax.lax.scan(step, (zeros, zeros), (blocks, kept))[0]


def _squared(differences: list[Array]) -> Array:
    """Squared length of vectors given by component, or by one array (k, n)."""
    total = reduce(add, (difference * difference for difference in differences))
    return total.sum(0) if total.ndim == 2 else total


def _tree(terms: list[Array]) -> Array:
    while len(terms) > 1:
        terms = [reduce(add, terms[i : i + 2]) for i in range(0, len(terms), 2)]
    return terms[0]


def two_sum(a: Array, b: Array) -> Compensated:
    """Sum of two numbers, and exactly what its rounding took away.

    Args:
        a: the first, any shape.
        b: the second, a shape that broadcasts with it.

    Returns:
        Two arrays of the broadcast shape.
    """
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def compensated_total(high: Array, low: Array) -> Compensated:
    """Compensated sum over the last axis.

    Args:
        high: numbers, any shape.
        low: what is missing from each, same shape.

    Returns:
        The sum of all and what rounding took from it, without the last axis.
    """
    length = 1 << (high.shape[-1] - 1).bit_length()
    pad = [(0, 0)] * (high.ndim - 1) + [(0, length - high.shape[-1])]
    high, low = jnp.pad(high, pad), jnp.pad(low, pad)
    while high.shape[-1] > 1:
        half = high.shape[-1] // 2
        high, rest = two_sum(high[..., :half], high[..., half:])
        low = low[..., :half] + low[..., half:] + rest
    return high[..., 0], low[..., 0]
