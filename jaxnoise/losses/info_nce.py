"""InfoNCE: a contrastive loss on the cosine similarity of embeddings."""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

from jaxnoise.checks import as_floats
from jaxnoise.errors import UsageError
from jaxnoise.losses._cross_entropy import checked_temperature, negative_log_share
from jaxnoise.tracing import holds

SHORTEST = 1e-8
"""Embeddings shorter than this are divided by it, so that a zero vector has a finite gradient."""

Embeddings = Num[Array | np.ndarray, "..."]


def info_nce(
    queries: Num[Array | np.ndarray, "n c"],
    positives: Num[Array | np.ndarray, "n c"],
    queue: Num[Array | np.ndarray, "k c"] | None = None,
    *,
    temperature: float | Num[Array | np.ndarray, ""],
    in_batch_negatives: bool = True,
) -> Float[Array, ""]:
    """Mean cross-entropy of finding each query's positive among negatives, by cosine similarity.

    Gradients reach all three arguments. Where positives and queue come from a momentum network, as
    in NoiseTransfer, pass them through `jax.lax.stop_gradient`.

    Args:
        queries: embeddings, shape (N, c), of any length: they are normalised here, those shorter
            than 1e-8 by that number.
        positives: the embedding that belongs to each query, shape (N, c).
        queue: negatives of every query, shape (K, c).
        temperature: t > 0 that divides the cosines, shape (); NoiseTransfer takes 0.1.
        in_batch_negatives: whether the positives of the other queries are negatives too, as in
            NoiseTransfer's code; its paper takes the queue alone.

    Returns:
        Scalar >= 0, float32 or the embeddings' wider type: log of the number of candidates where
        all cosines agree. Under jit NaN where an embedding holds NaN or infinity, or where the
        temperature is not positive.

    Raises:
        UsageError: shapes that do not fit, no negatives at all; outside jit also an embedding that
            holds NaN or infinity, and a temperature that is not positive.

    Source: NoiseTransfer Eq. 1.
    """
    if queue is None and not in_batch_negatives:
        raise UsageError("There are no negatives: give a queue or set in_batch_negatives.")
    given = [array for array in (queries, positives, queue) if array is not None]
    given = as_floats("Embeddings", *given)
    _check(given)
    return _loss(given, checked_temperature(temperature, given[0].dtype), in_batch_negatives)


@partial(jax.jit, static_argnames="in_batch")
def _loss(
    given: list[Float[Array, "..."]], temperature: Float[Array, ""], in_batch: bool
) -> Float[Array, ""]:
    query, positive, *rest = (_normalised(embeddings) for embeddings in given)
    count = len(query)
    candidates = jnp.concatenate([positive, *rest])
    cosines = jnp.einsum("nc,kc->nk", query, candidates, precision="highest")
    own = jnp.diagonal(cosines)[:, None]
    counts = jnp.ones(cosines.shape, bool).at[:, :count].set(in_batch)
    counts &= ~jnp.eye(*cosines.shape, dtype=bool)
    return negative_log_share((cosines - own) / temperature, counts).mean()


def _check(given: Sequence[Embeddings]) -> None:
    """Raises unless queries, positives and perhaps a queue fit one another."""
    shapes = [array.shape for array in given]
    if any(len(shape) != 2 or 0 in shape for shape in shapes):
        raise UsageError(f"Embeddings have shapes {shapes}; give (number, components) each.")
    if shapes[0] != shapes[1] or shapes[-1][1] != shapes[0][1]:
        raise UsageError(
            f"Embeddings of shapes {shapes} do not fit: give one positive for each query, and "
            "the same number of components everywhere."
        )
    if not all(holds(jnp.isfinite, array) for array in given):
        raise UsageError("The embeddings hold NaN or infinity; mend them first.")


def _normalised(embeddings: Float[Array, "n c"]) -> Float[Array, "n c"]:
    # The square of a very long one would be infinite.
    largest = jax.lax.stop_gradient(jnp.abs(embeddings).max(1, keepdims=True))
    embeddings = embeddings / jnp.maximum(largest, 1)
    squared = (embeddings**2).sum(1, keepdims=True)
    return embeddings / jnp.sqrt(jnp.maximum(squared, SHORTEST**2))
