"""The median heuristic: a kernel as wide as the typical distance between two values."""

import math
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Num

from jaxnoise.checks import as_floats
from jaxnoise.errors import UsageError
from jaxnoise.tracing import is_concrete

MOST_SCALARS = 65536
"""More have more pairs than a 32-bit integer counts."""

MOST_VECTORS = 1024
"""Beyond these the distances of all pairs take too much memory."""


def median_bandwidth(
    *samples: Num[Array | np.ndarray, "..."], at_most: int = 8192, vectors: bool = False
) -> Float[Array, ""]:
    """Bandwidth delta by the median heuristic: sqrt(2) times the median distance of two samples.

    With it the kernel exp(-|u - v|^2 / delta^2) is that of Gretton et al., whose sigma is the
    median distance. For Gaussian noise delta is 1.35 standard deviations. No gradient flows
    through it.

    Args:
        samples: one or more arrays of any shape and one unit, pooled. Their values are scalars, or
            with `vectors` the last axis holds the components of a vector.
        at_most: the most scalars whose pairs are counted, from 2 to 65,536. Of more, that many
            equally spaced order statistics stand for all, and the same data always give the same
            number. Of vectors at most 1,024 are taken, evenly spaced in the order given.
        vectors: whether the last axis of the samples holds the components of vectors.

    Returns:
        Scalar > 0 in the samples' unit, float32 or the samples' wider type: the exact median over
        all pairs of different samples (of the mean of the middle two where their number is even).
        Under jit NaN where the data hold NaN or infinity, or where the median distance is 0.

    Raises:
        UsageError: fewer than two samples, `at_most` out of its range, vectors of different
            dimension; outside jit also NaN, infinity, and a median distance of 0.

    Source: Gretton et al. 2012, section 8.
    """
    if not 2 <= at_most <= MOST_SCALARS:
        raise UsageError(f"at_most is {at_most}; give 2 to {MOST_SCALARS}.")
    pooled = _pooled(samples, vectors)
    if len(pooled) < 2:
        raise UsageError("A median distance needs at least two samples.")
    most = min(at_most, MOST_VECTORS) if vectors else at_most
    width = _bandwidth(pooled, min(len(pooled), most))
    if is_concrete(width):
        if not jnp.isfinite(pooled).all():
            raise UsageError("The samples hold NaN or infinity; remove those values first.")
        if not width > 0:
            raise UsageError(
                "Half of all pairs of samples are equal, so that their median distance is 0: "
                "give a bandwidth of your own."
            )
    return width


def _pooled(
    samples: tuple[Num[Array | np.ndarray, "..."], ...], vectors: bool
) -> Float[Array, "n *k"]:
    if not samples:
        raise UsageError("A median distance needs samples; give at least one array.")
    arrays = as_floats("Samples", *samples)
    if vectors:
        dimensions = {array.shape[-1] if array.ndim else 0 for array in arrays}
        if len(dimensions) > 1 or 0 in dimensions:
            shapes = " and ".join(str(array.shape) for array in arrays)
            raise UsageError(f"Vectors of shapes {shapes} do not fit; give one last axis to all.")
        arrays = [array.reshape(-1, array.shape[-1]) for array in arrays]
    else:
        arrays = [array.ravel() for array in arrays]
    return jnp.concatenate(arrays)


@partial(jax.jit, static_argnames="count")
def _bandwidth(pooled: Float[Array, "n *k"], count: int) -> Float[Array, ""]:
    pooled = jax.lax.stop_gradient(pooled)
    finite = jnp.isfinite(pooled).all()
    # The middle of each of `count` equal parts; all of them where there are no more.
    places = ((2 * np.arange(count) + 1) * len(pooled)) // (2 * count)
    if pooled.ndim == 1:
        pairs = partial(_scalar_pairs, jnp.sort(pooled)[places])
        distance = _median(pairs, count, pooled.dtype)
    else:
        pairs = partial(_matrix_pairs, _squared_distances(pooled[places]))
        distance = _median(pairs, count, pooled.dtype, jnp.sqrt)
    width = math.sqrt(2) * distance
    return jnp.where(finite & (width > 0), width, jnp.nan)


def _median(
    pairs_within: Callable[[Array], Array],
    count: int,
    kind: jnp.dtype,
    distance: Callable[[Array], Array] = lambda value: value,
) -> Float[Array, ""]:
    """Median over all pairs, from a function that counts the pairs not further apart than a value.

    Floating-point numbers >= 0 are ordered as the integers with the same bits are, so bisection
    over the bits ends at one of the distances itself.
    """
    pairs = count * (count - 1) // 2
    integer = {4: jnp.int32, 8: jnp.int64}[jnp.dtype(kind).itemsize]
    infinity = jax.lax.bitcast_convert_type(jnp.asarray(jnp.inf, kind), integer)

    def smallest(rank: Int[Array, ""]) -> Float[Array, ""]:
        def halve(_: Array | int, bounds: tuple[Array, Array]) -> tuple[Array, Array]:
            low, high = bounds
            middle = low + (high - low) // 2
            enough = pairs_within(jax.lax.bitcast_convert_type(middle, kind)) >= rank
            return jnp.where(enough, low, middle + 1), jnp.where(enough, middle, high)

        steps = 8 * jnp.dtype(kind).itemsize
        _, found = jax.lax.fori_loop(0, steps, halve, (jnp.zeros_like(infinity), infinity))
        return jax.lax.bitcast_convert_type(found, kind)

    return distance(jax.lax.map(smallest, jnp.array([(pairs + 1) // 2, pairs // 2 + 1]))).mean()


def _scalar_pairs(ascending: Float[Array, " n"], distance: Float[Array, ""]) -> Int[Array, ""]:
    """Pairs not further apart than a distance: for each value a bisection among the larger ones."""
    count = len(ascending)
    first = jnp.arange(count)

    def halve(_: Array | int, bounds: tuple[Array, Array]) -> tuple[Array, Array]:
        within, beyond = bounds  # the last place known to be within, the first known not to be
        middle = (within + beyond) // 2
        near = ascending[middle] - ascending <= distance
        return jnp.where(near, middle, within), jnp.where(near, beyond, middle)

    start = (first, jnp.full_like(first, count))
    within, _ = jax.lax.fori_loop(0, count.bit_length(), halve, start)
    return (within - first).sum()


def _matrix_pairs(
    squared: Float[Array, "n n"], squared_distance: Float[Array, ""]
) -> Int[Array, ""]:
    return ((squared <= squared_distance).sum() - len(squared)) // 2


def _squared_distances(points: Float[Array, "n k"]) -> Float[Array, "n n"]:
    def add(total: Array, component: Array) -> tuple[Array, None]:
        return total + (component[:, None] - component) ** 2, None

    zeros = jnp.zeros((len(points), len(points)), points.dtype)
    return jax.lax.scan(add, zeros, points.T)[0]
