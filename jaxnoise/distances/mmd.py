"""Squared maximum mean discrepancy of scalars with a Gaussian kernel, exact and in linear time.

With k(u) the Fourier transform of a density, MMD^2 is the weighted mean over frequencies of
|difference of characteristic functions|^2. Each tensor is turned into its characteristic function
once; all pairs are then squared distances of short vectors.
"""

import warnings
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

from jaxnoise.checks import as_floats
from jaxnoise.distances import quadrature
from jaxnoise.distances._checks import (
    Width,
    checked_bandwidth,
    checked_estimator,
    checked_pair,
)
from jaxnoise.distances.characteristic import GROUP, characteristic
from jaxnoise.distances.exact import pairwise_mmd2_exact
from jaxnoise.errors import UsageError
from jaxnoise.tracing import is_concrete

NODES_UNDER_JIT = 32
"""Enough for data that span up to 19 bandwidths in float32, 12 in float64."""


def mmd2(
    x: Num[Array | np.ndarray, "*n"],
    y: Num[Array | np.ndarray, "*m"],
    *,
    bandwidth: Width,
    estimator: str = "biased",
    nodes: int | None = None,
) -> Float[Array, ""]:
    """Squared MMD between two sets of scalars; see `pairwise_mmd2` for all pairs of many sets.

    Args:
        x: samples, shape (n,), any unit.
        y: samples, shape (m,), same unit.
        bandwidth: delta of the kernel exp(-(u - v)^2 / delta^2), same unit; several mean the mean
            of the kernels.
        estimator: "biased" (V-statistic, never negative) or "unbiased" (U-statistic).
        nodes: number of frequencies; None chooses outside jit, and takes 32 under it.

    Returns:
        Scalar. NaN as in `pairwise_mmd2`.

    Raises:
        UsageError: as in `pairwise_mmd2`.

    Source: Gretton et al. 2012, Eq. 3 and 5; CoNo Eq. 10 (biased).
    """
    x, y = checked_pair(x, y)
    options = {"bandwidth": bandwidth, "estimator": estimator, "nodes": nodes}
    return pairwise_mmd2(x[None], y[None], **options)[0, 0]


def pairwise_mmd2(
    xs: Num[Array | np.ndarray, "*a_n"],
    ys: Num[Array | np.ndarray, "*b_m"],
    *,
    bandwidth: Width,
    estimator: str = "biased",
    nodes: int | None = None,
) -> Float[Array, "a b"]:
    """Squared MMD between every set of scalars in `xs` and every one in `ys`.

    The cost is O((a n + b m) nodes), and no n x m kernel is ever formed. Differentiable in xs and
    ys, in reverse mode; the bandwidth has no gradient.

    Args:
        xs: sets of samples, shape (a, n), any unit.
        ys: sets of samples, shape (b, m), same unit.
        bandwidth: delta of the kernel exp(-(u - v)^2 / delta^2), same unit, shape () or (k,);
            several mean the mean of the kernels, and cost the nodes of the narrowest times the
            reach of the widest. `median_bandwidth` finds one.
        estimator: "biased" (V-statistic, never negative) or "unbiased" (U-statistic: right on
            average, negative as often as not where the distributions agree; n, m >= 2).
        nodes: number of frequencies, a static integer. None chooses it from the data; under jit,
            grad and vmap data are unknown, and None means 32: enough where all the values lie
            within 19 bandwidths (12 in float64). `mmd2_nodes` finds the number to give.

    Returns:
        Shape (a, b), float32 or the samples' wider type. Under jit everything is NaN where
        `nodes` do not suffice for the range of the data, the data hold NaN or infinity, or a
        bandwidth is not positive.

    Raises:
        UsageError: shapes that do not fit, an unknown estimator; outside jit also NaN and infinity,
            a bandwidth that is not positive, `nodes` that do not suffice.

    Warns:
        UserWarning: outside jit, where outliers or a narrow bandwidth would ask for more than 4096
            frequencies, and the slow `pairwise_mmd2_exact` takes over.

    Source: Gretton et al. 2012, Eq. 3 and 5; CoNo Eq. 10 (biased).
    """
    checked_estimator(estimator)
    xs, ys = checked_pair(xs, ys, batched=True, at_least=2 if estimator == "unbiased" else 1)
    widths = checked_bandwidth(bandwidth, xs.dtype)
    if nodes is not None and nodes < 1:
        raise UsageError(f"nodes is {nodes}; give a positive number.")
    if is_concrete(xs, ys, widths):
        needed = float(_needed(xs, ys, widths))
        if nodes is not None and nodes * (1 + 1e-5) < needed:
            raise UsageError(f"nodes is {nodes}, and these data need {np.ceil(needed):.0f}.")
        if nodes is None and needed > quadrature.MOST_NODES:
            warnings.warn(
                "The values span so many bandwidths that the exact form takes over, which is slow; "
                "remove outliers or widen the bandwidth.",
                stacklevel=2,
            )
            return pairwise_mmd2_exact(xs, ys, bandwidth=widths, estimator=estimator)
        nodes = nodes or quadrature.rounded_up(needed)
    nodes = nodes or NODES_UNDER_JIT
    if nodes > GROUP:  # in equal groups
        nodes = quadrature.rounded_up(nodes)
    return _pairwise(xs, ys, widths, estimator, nodes)


def mmd2_nodes(
    xs: Num[Array | np.ndarray, "*a_n"], ys: Num[Array | np.ndarray, "*b_m"], *, bandwidth: Width
) -> int:
    """Number of frequencies that `mmd2` and `pairwise_mmd2` need for data like these.

    Args:
        xs: samples of any shape, any unit. Later batches may reach further: pass 1.5 times a
            typical batch, say.
        ys: samples of any shape, same unit.
        bandwidth: delta of the kernel, same unit, shape () or (k,).

    Returns:
        The `nodes` to give under jit: one of 8, 12, 16, 24, 32, 48 ...; about 1.4 per bandwidth
        that the values span, and 6 more (1.8 and 10 in float64).

    Raises:
        UsageError: under jit, or for NaN or a bandwidth that is not positive.
    """
    if not is_concrete(xs, ys, bandwidth):
        raise UsageError("mmd2_nodes looks at the data: call it outside jit, and pass its result.")
    xs, ys = checked_pair(*(samples.ravel() for samples in as_floats("Samples", xs, ys)))
    widths = checked_bandwidth(bandwidth, xs.dtype)
    needed = float(_needed(xs, ys, widths))
    if not np.isfinite(needed):
        raise UsageError("The values span too many bandwidths: remove outliers or widen them.")
    return quadrature.rounded_up(needed)


def _ends(xs: Array, ys: Array) -> tuple[Array, Array]:
    """Smallest and largest of all the values, without gradient; NaN where a value is NaN."""
    xs, ys = jax.lax.stop_gradient((xs, ys))
    return jnp.minimum(xs.min(), ys.min()), jnp.maximum(xs.max(), ys.max())


@jax.jit
def _needed(xs: Array, ys: Array, widths: Array) -> quadrature.Scalar:
    low, high = _ends(xs, ys)
    return quadrature.nodes_needed(high - low, widths)


@partial(jax.jit, static_argnames=("estimator", "nodes"))
def _pairwise(
    xs: Float[Array, "a n"],
    ys: Float[Array, "b m"],
    widths: Float[Array, " k"],
    estimator: str,
    nodes: int,
) -> Float[Array, "a b"]:
    widths = jax.lax.stop_gradient(widths)
    low, high = _ends(xs, ys)
    centre = low + (high - low) / 2
    reach = jnp.maximum(high - centre, centre - low)  # more than half where the centre is rounded
    span = jnp.asarray(quadrature.period(high - low, widths))
    enough = quadrature.nodes_needed(high - low, widths) <= nodes * (1 + 1e-5)
    weights = jnp.where(enough, quadrature.weights(widths, span, nodes), jnp.nan)
    left, right = (characteristic(values, centre, reach, span, nodes) for values in (xs, ys))
    root = jnp.sqrt(weights)
    p, q = (jnp.concatenate([root * part for part in parts], axis=1) for parts in (left, right))
    distances = _squared_distances(p, q)
    if estimator == "unbiased":
        spreads = [_spread(parts, weights) for parts in (left, right)]
        distances -= spreads[0][:, None] / (xs.shape[1] - 1) + spreads[1] / (ys.shape[1] - 1)
    return distances


def _spread(parts: tuple[Array, Array], weights: Array) -> Array:
    """1 - mean kernel within each set: the weighted sum of 1 - |characteristic function|^2."""
    less_one, sine = parts
    return -(weights * (less_one * (2 + less_one) + sine**2)).sum(-1)


@jax.custom_vjp
def _squared_distances(p: Float[Array, "a k"], q: Float[Array, "b k"]) -> Float[Array, "a b"]:
    """|p_i - q_j|^2 by differences: |p|^2 + |q|^2 - 2 p q would lose all digits to cancellation."""
    return ((p[:, None] - q) ** 2).sum(-1)


def _squared_distances_forward(p: Array, q: Array) -> tuple[Array, tuple[Array, Array]]:
    return _squared_distances(p, q), (p, q)


def _squared_distances_backward(
    residuals: tuple[Array, Array], cotangent: Array
) -> tuple[Array, Array]:
    """2 sum_j g_ij (p_i - q_j) as products of matrices, about the mean, where they keep digits."""
    p, q = residuals
    mean = q.mean(0)
    p, q = p - mean, q - mean
    dot = partial(jnp.dot, precision="highest")
    return (
        2 * (cotangent.sum(1)[:, None] * p - dot(cotangent, q)),
        2 * (cotangent.sum(0)[:, None] * q - dot(cotangent.T, p)),
    )


_squared_distances.defvjp(_squared_distances_forward, _squared_distances_backward)
