"""Bhattacharyya distance between Gaussians fitted to sets of values: means and variances only."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

from jaxnoise.distances._checks import checked_pair

VARIANCE_FLOOR = 1e-12
"""Smallest variance, in the square of the samples' unit."""

SUMMED = 128
"""Values added one after the other; longer sums are sums of such sums, which round less."""


def bhattacharyya(
    x: Num[Array | np.ndarray, " n"], y: Num[Array | np.ndarray, " m"]
) -> Float[Array, ""]:
    """Bhattacharyya distance between the Gaussians fitted to two sets of residuals.

    Args:
        x: residuals, shape (n,), any unit; n >= 2.
        y: residuals, shape (m,), same unit; m >= 2.

    Returns:
        Scalar >= 0; 0 when means and variances agree. Variances are sample variances (divided by
        n - 1), floored at 1e-12 of the unit squared. NaN as in `pairwise_bhattacharyya`.

    Raises:
        UsageError: as in `pairwise_bhattacharyya`.

    Source: Dong et al., Residual Contrastive Learning, Eq. 6.
    """
    x, y = checked_pair(x, y, at_least=2)
    return pairwise_bhattacharyya(x[None], y[None])[0, 0]


def pairwise_bhattacharyya(
    xs: Num[Array | np.ndarray, "a n"], ys: Num[Array | np.ndarray, "b m"]
) -> Float[Array, "a b"]:
    """Bhattacharyya distance between every set of residuals in `xs` and every one in `ys`.

    The cost is O(a n + b m + a b). The gradient is finite where the ratio of variances is; where a
    variance is at its floor none flows through it.

    Args:
        xs: sets of residuals, shape (a, n), any unit; n >= 2.
        ys: sets of residuals, shape (b, m), same unit; m >= 2.

    Returns:
        Shape (a, b), each >= 0, float32 or the samples' wider type; 0 when means and variances
        agree. Variances are sample variances (divided by n - 1), floored at 1e-12 of the unit
        squared. Under jit everything is NaN where a set holds NaN or infinity.

    Raises:
        UsageError: shapes that do not fit, fewer than two values in a set; outside jit also NaN
            and infinity.

    Source: Dong et al., Residual Contrastive Learning, Eq. 6.
    """
    return _pairwise(*checked_pair(xs, ys, batched=True, at_least=2))


@jax.jit
def _pairwise(xs: Float[Array, "a n"], ys: Float[Array, "b m"]) -> Float[Array, "a b"]:
    # The distance does not depend on a common offset, which would take digits from the means.
    offset = jax.lax.stop_gradient(_mean(xs).mean() / 2 + _mean(ys).mean() / 2)
    x_mean, x_variance = _moments(xs - offset)
    y_mean, y_variance = _moments(ys - offset)
    x_mean, x_variance = x_mean[:, None], x_variance[:, None]
    difference = x_variance - y_variance
    spread = jnp.log1p((difference / x_variance) * (difference / y_variance) / 4)
    shift = (x_mean - y_mean) ** 2 / (x_variance + y_variance)
    return (spread + shift) / 4


def _moments(values: Float[Array, "sets n"]) -> tuple[Float[Array, " sets"], Float[Array, " sets"]]:
    """Mean and floored variance of each set, in two passes."""
    mean = _mean(values)
    # Deviations sum to zero, so the variance has no gradient by way of the mean.
    deviations = values - jax.lax.stop_gradient(mean)[:, None]
    variance = _mean(deviations**2) * (values.shape[1] / (values.shape[1] - 1))
    return mean, jnp.maximum(variance, VARIANCE_FLOOR)


def _mean(values: Float[Array, "sets n"]) -> Float[Array, " sets"]:
    count = values.shape[1]
    padded = jnp.pad(values, ((0, 0), (0, -count % SUMMED)))
    return padded.reshape(len(values), -1, SUMMED).sum(2).sum(1) / count
