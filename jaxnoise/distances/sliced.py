"""Distances between sets of vectors as the mean over directions of those of their projections."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

from jaxnoise.checks import as_floats, check_key
from jaxnoise.distances import quadrature
from jaxnoise.distances._checks import (
    Width,
    checked_bandwidth,
    checked_estimator,
    checked_pair,
)
from jaxnoise.distances.emd import pairwise_emd
from jaxnoise.distances.mmd import mmd2_nodes, pairwise_mmd2
from jaxnoise.errors import UsageError
from jaxnoise.tracing import holds, is_concrete

Pairwise = Callable[[Array, Array], Array]


def random_directions(key: Array, number: int, dimension: int) -> Float[Array, "number dimension"]:
    """Independent unit vectors, uniform on the sphere.

    Args:
        key: a `jax.random.key`.
        number: how many, at least 1. The error of a sliced distance falls as 1 / sqrt(number).
        dimension: number of components of each, at least 1.

    Returns:
        Shape (number, dimension), float32.

    Raises:
        UsageError: a number or a dimension below 1, or what is no key.
    """
    if number < 1 or dimension < 1:
        raise UsageError(f"{number} directions of dimension {dimension}: give at least 1 of each.")
    check_key(key)
    normal = jax.random.normal(key, (number, dimension), jnp.float32)
    return normal / jnp.linalg.norm(normal, axis=1, keepdims=True)


def sliced_mmd2(
    x: Num[Array | np.ndarray, "n k"],
    y: Num[Array | np.ndarray, "m k"],
    *,
    directions: Num[Array | np.ndarray, "l k"],
    bandwidth: Width,
    estimator: str = "biased",
    nodes: int | None = None,
) -> Float[Array, ""]:
    """Sliced squared MMD between two sets of vectors; see `pairwise_sliced_mmd2` for many sets.

    Args:
        x: samples, shape (n, k), any unit.
        y: samples, shape (m, k), same unit.
        directions: shape (l, k), as `random_directions` makes them.
        bandwidth: delta of the kernel exp(-(u - v)^2 / delta^2) of projections, same unit; several
            mean the mean of the kernels.
        estimator: "biased" (V-statistic, never negative) or "unbiased" (U-statistic; n, m >= 2).
        nodes: number of frequencies; None chooses outside jit, and takes 32 under it.

    Returns:
        Scalar. NaN as in `pairwise_sliced_mmd2`.

    Raises:
        UsageError: as in `pairwise_sliced_mmd2`.
    """
    x, y = checked_pair(x, y, dimensions=(2,))
    options = {"bandwidth": bandwidth, "estimator": estimator, "nodes": nodes}
    return pairwise_sliced_mmd2(x[None], y[None], directions=directions, **options)[0, 0]


def pairwise_sliced_mmd2(
    xs: Num[Array | np.ndarray, "a n k"],
    ys: Num[Array | np.ndarray, "b m k"],
    *,
    directions: Num[Array | np.ndarray, "l k"],
    bandwidth: Width,
    estimator: str = "biased",
    nodes: int | None = None,
) -> Float[Array, "a b"]:
    """Sliced squared MMD between every set of vectors in `xs` and every one in `ys`.

    Args:
        xs: sets of vectors, shape (a, n, k), any unit.
        ys: sets of vectors, shape (b, m, k), same unit.
        directions: shape (l, k), as `random_directions` makes them; longer ones stretch the data.
        bandwidth: delta of the kernel exp(-(u - v)^2 / delta^2) of projections, same unit, shape ()
            or (j,); several mean the mean of the kernels.
        estimator: "biased" (V-statistic, never negative) or "unbiased" (U-statistic; n, m >= 2).
        nodes: number of frequencies, a static integer; see `pairwise_mmd2`. One number serves all
            directions.

    Returns:
        Shape (a, b): the mean over directions of `pairwise_mmd2` of the projections. NaN under jit
        as there.

    Raises:
        UsageError: shapes that do not fit, an unknown estimator; outside jit also NaN, a bandwidth
            that is not positive, `nodes` that do not suffice or data that no number would.
    """
    checked_estimator(estimator)
    least = 2 if estimator == "unbiased" else 1
    xs, ys = checked_pair(xs, ys, dimensions=(2,), batched=True, at_least=least)
    directions = _checked_directions(directions, xs)
    widths = checked_bandwidth(bandwidth, xs.dtype)
    known = is_concrete(xs, ys, directions, widths)
    xs, ys = _centred(xs, ys)
    if known and nodes is None:
        extent = jnp.stack([jnp.zeros(()), _longest_extent(xs, ys, directions)])
        nodes = mmd2_nodes(extent, extent, bandwidth=widths)
        if nodes > quadrature.MOST_NODES:
            raise UsageError(
                "The projections span too many bandwidths: remove outliers or widen the bandwidth."
            )
    total = _sliced_mmd2(xs, ys, directions, widths, estimator, nodes)
    if known and jnp.isnan(total).any():
        raise UsageError(f"nodes is {nodes}, too few for these data; leave it out to see enough.")
    return total


def sliced_emd(
    x: Num[Array | np.ndarray, "n k"],
    y: Num[Array | np.ndarray, "m k"],
    *,
    directions: Num[Array | np.ndarray, "l k"],
) -> Float[Array, ""]:
    """Sliced earth mover's distance (W1) between two sets of vectors.

    Args:
        x: samples, shape (n, k), any unit.
        y: samples, shape (m, k), same unit.
        directions: shape (l, k), as `random_directions` makes them.

    Returns:
        Scalar >= 0, in the samples' unit. NaN as in `pairwise_emd`.

    Raises:
        UsageError: as in `pairwise_sliced_emd`.

    Source: Bonneel et al. 2015, Sliced and Radon Wasserstein Barycenters of Measures.
    """
    x, y = checked_pair(x, y, dimensions=(2,))
    return pairwise_sliced_emd(x[None], y[None], directions=directions)[0, 0]


def pairwise_sliced_emd(
    xs: Num[Array | np.ndarray, "a n k"],
    ys: Num[Array | np.ndarray, "b m k"],
    *,
    directions: Num[Array | np.ndarray, "l k"],
) -> Float[Array, "a b"]:
    """Sliced earth mover's distance between every set of vectors in `xs` and every one in `ys`.

    Args:
        xs: sets of vectors, shape (a, n, k), any unit.
        ys: sets of vectors, shape (b, m, k), same unit.
        directions: shape (l, k), as `random_directions` makes them; longer ones stretch the data.

    Returns:
        Shape (a, b): the mean over directions of `pairwise_emd` of the projections. NaN under jit
        as there.

    Raises:
        UsageError: shapes that do not fit; outside jit also NaN and infinity.

    Source: Bonneel et al. 2015, Sliced and Radon Wasserstein Barycenters of Measures.
    """
    xs, ys = checked_pair(xs, ys, dimensions=(2,), batched=True)
    directions = _checked_directions(directions, xs)
    return _sliced_emd(*_centred(xs, ys), directions)


def _checked_directions(
    directions: Num[Array | np.ndarray, "..."], xs: Float[Array, "a n k"]
) -> Float[Array, "l k"]:
    (given,) = as_floats("directions", directions)
    if given.ndim != 2 or given.shape[1] != xs.shape[2] or not len(given):
        raise UsageError(
            f"directions have shape {given.shape}; give the shape (number, {xs.shape[2]})."
        )
    if not holds(jnp.isfinite, given):
        raise UsageError("The directions hold NaN or infinity; remove those first.")
    return given.astype(xs.dtype)


def _centred(xs: Array, ys: Array) -> tuple[Array, Array]:
    """Both less one vector near their middle, which keeps digits and changes no distance."""
    offset = jax.lax.stop_gradient(xs.mean((0, 1)) / 2 + ys.mean((0, 1)) / 2)
    return xs - offset, ys - offset


def _projected(sets: Float[Array, "a n k"], direction: Float[Array, " k"]) -> Float[Array, "a n"]:
    return jnp.einsum("ank,k->an", sets, direction, precision="highest")


@jax.jit
def _longest_extent(xs: Array, ys: Array, directions: Array) -> Float[Array, ""]:
    """Largest minus smallest projection, of the direction where that is most."""

    def extent(direction: Array) -> Array:
        left, right = _projected(xs, direction), _projected(ys, direction)
        return jnp.maximum(left.max(), right.max()) - jnp.minimum(left.min(), right.min())

    return jax.lax.map(extent, directions).max()


@partial(jax.jit, static_argnames=("estimator", "nodes"))
def _sliced_mmd2(
    xs: Array, ys: Array, directions: Array, widths: Array, estimator: str, nodes: int | None
) -> Array:
    options = {"bandwidth": widths, "estimator": estimator, "nodes": nodes}
    return _mean_over_directions(partial(pairwise_mmd2, **options), xs, ys, directions)


@jax.jit
def _sliced_emd(xs: Array, ys: Array, directions: Array) -> Array:
    return _mean_over_directions(pairwise_emd, xs, ys, directions)


def _mean_over_directions(
    distances: Pairwise, xs: Array, ys: Array, directions: Array
) -> Float[Array, "a b"]:
    # Projecting again costs less than keeping every projection for the gradient.
    @jax.checkpoint
    def one(direction: Array) -> Array:
        return distances(_projected(xs, direction), _projected(ys, direction))

    return jax.lax.map(one, directions).mean(0)
