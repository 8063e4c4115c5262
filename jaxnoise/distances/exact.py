"""Squared maximum mean discrepancy by its definition: one kernel for every pair of values.

The cost is quadratic in the number of samples and the memory linear: kernels are summed where they
are computed, a few samples against all queries at a time. Slow, and free of approximation: it
checks the fast form, serves vectors, and takes data that are too wide for a quadrature.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Num

from jaxnoise.distances._checks import (
    Width,
    checked_bandwidth,
    checked_estimator,
    checked_pair,
)
from jaxnoise.distances.kernel_sums import (
    Compensated,
    Points,
    Queries,
    compensated_total,
    kernel_sums,
    slope_sums,
    two_sum,
)
from jaxnoise.errors import UsageError


def mmd2_exact(
    x: Num[Array | np.ndarray, "n *k"],
    y: Num[Array | np.ndarray, "m *k"],
    *,
    bandwidth: Width,
    estimator: str = "biased",
    block: int = 16,
) -> Float[Array, ""]:
    """Squared MMD between two sets of scalars or vectors, by the double sum; see `mmd2`.

    Args:
        x: samples, shape (n,) or (n, k), any unit.
        y: samples, shape (m,) or (m, k), same unit.
        bandwidth: delta of the kernel exp(-|u - v|^2 / delta^2), same unit; several mean the mean
            of the kernels.
        estimator: "biased" (V-statistic, never negative) or "unbiased" (U-statistic; n, m >= 2).
        block: samples that one step holds against all others, a static integer; more cost
            compilation time.

    Returns:
        Scalar. NaN as in `pairwise_mmd2_exact`.

    Raises:
        UsageError: as in `pairwise_mmd2_exact`.

    Source: Gretton et al. 2012, Eq. 3 and 5; CoNo Eq. 10 (biased).
    """
    x, y = checked_pair(x, y, dimensions=(1, 2))
    options = {"bandwidth": bandwidth, "estimator": estimator, "block": block}
    return pairwise_mmd2_exact(x[None], y[None], **options)[0, 0]


def pairwise_mmd2_exact(
    xs: Num[Array | np.ndarray, "a n *k"],
    ys: Num[Array | np.ndarray, "b m *k"],
    *,
    bandwidth: Width,
    estimator: str = "biased",
    block: int = 16,
) -> Float[Array, "a b"]:
    """Squared MMD between every set of samples in `xs` and every one in `ys`, by the double sum.

    The cost is a b n m kernels, and as many twice for the gradient; the memory a few times that of
    the samples. Differentiable once, in reverse mode, in xs and ys; the bandwidth has no gradient.

    Args:
        xs: sets of scalars or vectors, shape (a, n) or (a, n, k), any unit.
        ys: sets of scalars or vectors, shape (b, m) or (b, m, k), same unit.
        bandwidth: delta of the kernel exp(-|u - v|^2 / delta^2), same unit, shape () or (l,);
            several mean the mean of the kernels.
        estimator: "biased" (V-statistic, never negative) or "unbiased" (U-statistic: right on
            average, negative as often as not where the distributions agree; n, m >= 2).
        block: samples that one step holds against all others, a static integer; more cost
            compilation time.

    Returns:
        Shape (a, b), float32 or the samples' wider type. Under jit NaN where the data hold NaN or
        infinity, or where a bandwidth is not positive.

    Raises:
        UsageError: shapes that do not fit, an unknown estimator, a block below 1; outside jit also
            NaN, infinity, and a bandwidth that is not positive.

    Source: Gretton et al. 2012, Eq. 3 and 5; CoNo Eq. 10 (biased).
    """
    checked_estimator(estimator)
    least = 2 if estimator == "unbiased" else 1
    xs, ys = checked_pair(xs, ys, dimensions=(1, 2), batched=True, at_least=least)
    widths = checked_bandwidth(bandwidth, xs.dtype)
    if block < 1:
        raise UsageError(f"block is {block}; give a positive number of samples.")
    return _scaled(xs, ys, widths, estimator == "unbiased", block)


@partial(jax.jit, static_argnames=("unbiased", "block"))
def _scaled(xs: Array, ys: Array, widths: Array, unbiased: bool, block: int) -> Array:
    """Brings the data to the scale of the narrowest kernel, and dimensions to the front."""
    xs, ys = (values[..., None] if values.ndim == 2 else values for values in (xs, ys))
    pooled = [jax.lax.stop_gradient(values.reshape(-1, values.shape[-1])) for values in (xs, ys)]
    low = jnp.minimum(*(values.min(0) for values in pooled))
    high = jnp.maximum(*(values.max(0) for values in pooled))
    widths = jax.lax.stop_gradient(widths)
    scale = widths.min()
    near = (((high - low) / scale) ** 2).sum() <= 1
    # Differences need no centre, and one that an outlier has moved would cost all others digits.
    centre = jnp.where(near, low + (high - low) / 2, 0)
    xs, ys = (((values - centre) / scale).swapaxes(1, 2) for values in (xs, ys))
    return _distances(xs, ys, (scale / widths) ** 2, near, unbiased, block)


@partial(jax.custom_vjp, nondiff_argnums=(4, 5))
def _distances(
    xs: Float[Array, "a dimension n"],
    ys: Float[Array, "b dimension m"],
    rates: Float[Array, " kernels"],
    near: Bool[Array, ""],
    unbiased: bool,
    block: int,
) -> Float[Array, "a b"]:
    """Squared MMD with the mean of the kernels exp(-rate |u - v|^2).

    Where the data span less than a kernel, `near`, the first two terms of the exponential series
    are left out of the sums and added in closed form: nearly all of them would cancel.
    """
    count, other = float(xs.shape[2]), float(ys.shape[2])

    def sums(near: bool) -> tuple[Compensated, Compensated, Compensated]:
        kernels = partial(kernel_sums, rates=rates, near=near, block=block)

        def own(points: Points) -> Compensated:
            return compensated_total(*kernels(points, points))

        def cross(points: Points) -> Compensated:
            parts = kernels(_pooled(ys), points)
            return compensated_total(*(part.reshape(len(ys), -1) for part in parts))

        return jax.lax.map(own, xs), jax.lax.map(own, ys), jax.lax.map(cross, xs)

    own_x, own_y, cross = jax.lax.cond(near, lambda: sums(True), lambda: sums(False))
    own_x = tuple(part[:, None] for part in own_x)
    # Sets of one size are compared as sums: dividing would round away what compensation kept.
    first, second = (1.0, 1.0) if count == other else (count, other)
    one, rest = two_sum(own_x[0] / first**2, own_y[0] / second**2)
    two, more = two_sum(one, -2 * cross[0] / (first * second))
    low = own_x[1] / first**2 + own_y[1] / second**2 - 2 * cross[1] / (first * second)
    distances = (two + (rest + more + low)) / (count / first) ** 2
    # The closed form of the term linear in |u - v|^2.
    means = [values.mean(2) for values in (xs, ys)]
    linear = 2 * ((means[0][:, None] - means[1]) ** 2).sum(2)
    if unbiased:
        # The mean over i != j is that over all pairs, and 1 / (n - 1) of it again.
        distances += own_x[0] / (count**2 * (count - 1)) + own_y[0] / (other**2 * (other - 1))
        spreads = [values.var(2, ddof=1).sum(1) / values.shape[2] for values in (xs, ys)]
        linear -= 2 * (spreads[0][:, None] + spreads[1])
    distances = jnp.where(near, distances + rates.mean() * linear, distances)
    # The V-statistic is a squared norm: only rounding takes it below 0.
    return distances if unbiased else jnp.maximum(distances, 0)


def _forward(xs: Array, ys: Array, rates: Array, near: Array, unbiased: bool, block: int):
    return _distances(xs, ys, rates, near, unbiased, block), (xs, ys, rates, near)


def _backward(unbiased: bool, block: int, residuals: tuple[Array, ...], cotangent: Array):
    xs, ys, rates, near = residuals
    options = (rates, near, unbiased, block)
    left = _gradient(xs, ys, cotangent, *options)
    right = _gradient(ys, xs, cotangent.T, *options)
    return left, right, jnp.zeros_like(rates), None


_distances.defvjp(_forward, _backward)


def _gradient(
    xs: Float[Array, "a dimension n"],
    ys: Float[Array, "b dimension m"],
    cotangent: Float[Array, "a b"],
    rates: Float[Array, " kernels"],
    near: Bool[Array, ""],
    unbiased: bool,
    block: int,
) -> Float[Array, "a dimension n"]:
    """Gradient with respect to xs of the sum of cotangent times distances."""
    count, other = float(xs.shape[2]), float(ys.shape[2])
    pairs = count * (count - 1) if unbiased else count**2
    row = cotangent.sum(1)[:, None, None]

    def sums(near: bool) -> Array:
        slopes = partial(slope_sums, rates=rates, near=near, block=block)

        def accumulate(total: Array, entry: tuple[Array, Array]) -> tuple[Array, None]:
            points, weight = entry
            parts = slopes(_pooled(xs), points).reshape(-1, *xs.shape[::2]).swapaxes(0, 1)
            return total + weight[:, None, None] * parts, None

        own = jax.lax.map(lambda points: slopes(points, points), xs)
        cross, _ = jax.lax.scan(accumulate, jnp.zeros_like(xs), (ys, cotangent.T))
        return 2 * (row * own / pairs - cross / (count * other))

    gradient = jax.lax.cond(near, lambda: sums(True), lambda: sums(False))
    means = [values.mean(2) for values in (xs, ys)]
    linear = (
        row * means[0][..., None]
        - jnp.einsum("ab,bd->ad", cotangent, means[1], precision="highest")[..., None]
    )
    if unbiased:
        linear -= row * (xs - means[0][..., None]) / (count - 1)
    return jnp.where(near, gradient + 4 * rates.mean() * linear / count, gradient)


def _pooled(sets: Float[Array, "a dimension n"]) -> Queries:
    return sets.swapaxes(0, 1).reshape(sets.shape[1], -1)
