"""Contrastive loss on a matrix of distances."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Num, Shaped

from jaxnoise.checks import as_floats
from jaxnoise.errors import UsageError
from jaxnoise.losses._cross_entropy import checked_temperature, negative_log_share
from jaxnoise.tracing import holds


def contrastive(
    distances: Num[Array | np.ndarray, "a b"],
    *,
    temperature: float | Num[Array | np.ndarray, ""],
    negatives: Bool[Array | np.ndarray, "a b"] | None = None,
    reduction: str = "mean",
) -> Float[Array, ""]:
    """Contrastive loss of queries whose positives lie on the diagonal of a matrix of distances.

    Each row adds D_ii / t + log sum_j exp(-D_ij / t), where j runs over i and the row's negatives.

    Args:
        distances: shape (a, b), b >= a: between query i and candidate j. Candidate i is the
            positive of query i, and the others are its negatives.
        temperature: t > 0, unit of the distances, shape ().
        negatives: shape (a, b), True where candidate j counts as a negative of query i; None means
            all do. The diagonal is not looked at: a positive always counts.
        reduction: "mean" or "sum" over the queries. CoNo and RCL sum, which multiplies the loss by
            the number of queries.

    Returns:
        Scalar >= 0, float32 or the distances' wider type: log(b) per query where all distances
        agree, and 0, with gradient 0, for a query without negatives. NaN where a positive's
        distance is infinite; under jit also where a distance that counts is NaN or the temperature
        is not positive.

    Raises:
        UsageError: shapes that do not fit, an unknown reduction; outside jit also a distance that
            counts and is NaN, and a temperature that is not positive.

    Source: CoNo Eq. 6 (t = 0.07); Dong et al., Residual Contrastive Learning, Eq. 5.
    """
    (matrix,) = as_floats("distances", distances)
    if matrix.ndim != 2 or not 1 <= matrix.shape[0] <= matrix.shape[1]:
        raise UsageError(
            f"distances have shape {matrix.shape}; give (queries, candidates) with at least as "
            "many candidates as queries."
        )
    if reduction not in ("mean", "sum"):
        raise UsageError(f'reduction is "{reduction}"; give "mean" or "sum".')
    temperature = checked_temperature(temperature, matrix.dtype)
    positives = np.eye(*matrix.shape, dtype=bool)
    if negatives is None:
        negatives = ~positives
    negatives = _checked_negatives(negatives, matrix)

    def known(distances: jax.Array, negatives: jax.Array) -> jax.Array:
        return ~(jnp.isnan(distances) & (negatives | positives))

    if not holds(known, matrix, negatives):
        raise UsageError("The distances hold NaN; mask those entries or mend them first.")
    return _loss(matrix, temperature, negatives, reduction)


@partial(jax.jit, static_argnames="reduction")
def _loss(
    distances: Float[Array, "a b"],
    temperature: Float[Array, ""],
    negatives: Bool[Array, "a b"],
    reduction: str,
) -> Float[Array, ""]:
    positives = jnp.eye(*distances.shape, dtype=bool)
    counts = negatives & ~positives
    # By a sum: the gradient of jnp.diagonal gathers the matrix from all devices within a branch.
    positive = jnp.where(positives, distances, 0).sum(1, keepdims=True)
    rows = negative_log_share((positive - distances) / temperature, counts)
    # A query without negatives looks at no distance, and must show that of its positive still.
    rows = jnp.where(jnp.isfinite(positive[:, 0]), rows, jnp.nan)
    return rows.mean() if reduction == "mean" else rows.sum()


def _checked_negatives(
    negatives: Shaped[Array | np.ndarray, "..."], distances: Num[Array, "a b"]
) -> Bool[Array, "a b"]:
    negatives = jnp.asarray(negatives)
    if negatives.shape != distances.shape or negatives.dtype != bool:
        raise UsageError(
            f"negatives have shape {negatives.shape} and type {negatives.dtype}; give truth values "
            f"of the distances' shape {distances.shape}."
        )
    return negatives
