"""What is minimised: residuals of one image resemble each other, and the estimate the image."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Num

from jaxnoise.checks import check_batch, check_numbers
from jaxnoise.distances import (
    median_bandwidth,
    pairwise_bhattacharyya,
    pairwise_emd,
    pairwise_mmd2,
)
from jaxnoise.distances.quadrature import widths_spanned
from jaxnoise.errors import UsageError
from jaxnoise.losses import contrastive

DISTANCES = ("emd", "bhattacharyya", "mmd")
TEMPERATURE = 0.07
ALPHA = 1e-3
SCALE = 255.0
NODES = 32
"""Frequencies of the kernel of MMD."""
MEDIAN_STEP, MANY = 97, 2**16
"""Of more values than these every 97th goes into the median distance: a prime, so that no column
and no channel is preferred."""

Negatives = Bool[Array | np.ndarray, "n n"]


class Terms(NamedTuple):
    """The loss and its parts, each of shape ().

    Attributes:
        total: `alpha * contrastive + consistency`.
        contrastive: cross-entropy of finding the second crop of the same image by its residual,
            nats; log(N) for N images that cannot be told apart, 0 where alpha is 0.
        consistency: as it was given.
    """

    total: Float[Array, ""]
    contrastive: Float[Array, ""]
    consistency: Float[Array, ""]


def objective(
    first: Float[Array, "n h w c"],
    second: Float[Array, "n h w c"],
    *,
    consistency: float | Num[Array, ""],
    alpha: float = ALPHA,
    negatives: Negatives | None = None,
    distance: str = "emd",
    temperature: float | Num[Array, ""] = TEMPERATURE,
    scale: float | Num[Array, ""] = SCALE,
    bandwidth: float | Num[Array, ""] | None = None,
    reduction: str = "mean",
) -> Terms:
    """The loss of a batch of pairs of crops, each pair of one image.

    Args:
        first: residuals `noisy - estimate` of the first crop of each pair, shape (N, H, W, C),
            fraction of full scale.
        second: of the second crop, same shape and unit.
        consistency: what ties the estimate to the noisy image, shape (): `jaxnoise.losses.
            perceptual` for colour images, `raw_consistency` for raw.
        alpha: weight of the contrastive term, at least 0; at 0 it is not worked out.
        negatives: as for `residual_loss`.
        distance: as for `residual_distances`.
        temperature: as for `residual_loss`.
        scale: as for `residual_distances`.
        bandwidth: as for `residual_distances`.
        reduction: as for `residual_loss`.

    Returns:
        The terms.

    Raises:
        UsageError: for shapes or types that do not fit, unknown words, a negative alpha; outside
            jit also for a temperature or a bandwidth that is not positive.

    Source: Dong et al., "Residual Contrastive Learning", 2022, Eq. 10; alpha is 1e-3 there.
    """
    check_batch(least=1, first=first, second=second)
    check_numbers(consistency=consistency, alpha=alpha)
    if not alpha >= 0:
        raise UsageError(f"alpha is {alpha}: give a weight of at least 0, as 0.001.")
    kind = jnp.asarray(first).dtype
    told, tied = jnp.zeros((), kind), jnp.asarray(consistency, kind)
    if alpha:
        told = residual_loss(
            first,
            second,
            distance=distance,
            temperature=temperature,
            scale=scale,
            bandwidth=bandwidth,
            negatives=negatives,
            reduction=reduction,
        )
    return Terms(alpha * told + tied, told, tied)


def residual_loss(
    first: Float[Array, "n h w c"],
    second: Float[Array, "n h w c"],
    *,
    distance: str = "emd",
    temperature: float | Num[Array, ""] = TEMPERATURE,
    scale: float | Num[Array, ""] = SCALE,
    bandwidth: float | Num[Array, ""] | None = None,
    negatives: Negatives | None = None,
    reduction: str = "mean",
) -> Float[Array, ""]:
    """Cross-entropy of finding the crop of the same image by what its residual is like.

    Args:
        first: residuals of the first crop of each image, shape (N, H, W, C), fraction of full
            scale.
        second: of the second crop, same shape and unit: the positive of its own image, and a
            negative of the others.
        distance: as for `residual_distances`.
        temperature: above 0, unit of the distances.
        scale: as for `residual_distances`.
        bandwidth: as for `residual_distances`.
        negatives: shape (N, N), True where the second crop of a column is of another image than the
            first crop of a row; None: all others are.
        reduction: over the rows, "mean", or "sum" as in the paper, which multiplies the loss by N.

    Returns:
        Scalar >= 0, nats: log(N) (of the mean) where all distances agree, as they do where the
        estimate is the noisy image itself.

    Raises:
        UsageError: as in `residual_distances` and `jaxnoise.losses.contrastive`.

    Source: Dong et al., "Residual Contrastive Learning", 2022, Eq. 5 and Algorithm 1. The
        temperature is not stated there; 0.07 is that of CoNo, by some of the same authors.
    """
    given = {"distance": distance, "scale": scale, "bandwidth": bandwidth}
    distances = residual_distances(first, second, **given)
    return contrastive(distances, temperature=temperature, negatives=negatives, reduction=reduction)


def residual_distances(
    first: Float[Array, "n h w c"],
    second: Float[Array, "n h w c"],
    *,
    distance: str = "emd",
    scale: float | Num[Array, ""] = SCALE,
    bandwidth: float | Num[Array, ""] | None = None,
) -> Float[Array, "n n"]:
    """Distances between the values of the residuals of all pairs of crops, whatever their places.

    Args:
        first: residuals, shape (N, H, W, C), fraction of full scale.
        second: likewise, same shape.
        distance: "emd" (earth mover's, unit of `scale * first`), "bhattacharyya" (between Gaussians
            fitted to the values, no unit) or "mmd" (squared, with a Gaussian kernel, no unit).
        scale: factor on the residuals, above 0. 255 makes grey levels of them, which the distances
            of the paper's Figure 2 are in; it matters to "emd" only, next to its temperature.
        bandwidth: of "mmd": delta of the kernel exp(-(u - v)^2 / delta^2) in the unit of `scale *
            first`, one for all pairs; None for the median heuristic over the values of the batch,
            without gradient.

    Returns:
        Shape (N, N): row i, column j between `first[i]` and `second[j]`. Of "mmd", values count up
        to 9.5 bandwidths from the mean of all, and those beyond as if they lay there.

    Raises:
        UsageError: for shapes or types that do not fit, or an unknown distance; outside jit also
            for residuals that are not finite, or a bandwidth that is not positive.

    Source: Dong et al., "Residual Contrastive Learning", 2022, Eqs. 6 to 8; the scale and the
        bandwidth are not stated there.
    """
    check_batch(first=first, second=second)
    check_numbers(scale=scale)
    if distance not in DISTANCES:
        raise UsageError(f"distance is {distance!r}: use {', '.join(DISTANCES)}.")
    left, right = (
        scale * jnp.asarray(residual).reshape(len(residual), -1) for residual in (first, second)
    )
    if distance == "emd":
        return pairwise_emd(left, right)
    if distance == "bhattacharyya":
        return pairwise_bhattacharyya(left, right)
    if bandwidth is None:
        width = _median_width(left, right)
    else:
        check_numbers(bandwidth=bandwidth)
        width = jnp.asarray(bandwidth, left.dtype)
    return _mmd2(left, right, width)


def differences(
    distances: Num[Array | np.ndarray, "n n"], negatives: Negatives | None = None
) -> Float[Array, "n n"]:
    """By how much each negative is further away than the positive of its row.

    Args:
        distances: as from `residual_distances`, shape (N, N), positives on the diagonal.
        negatives: as for `residual_loss`.

    Returns:
        Shape (N, N), unit of the distances; NaN where there is no negative. Their density is that
        of Figure 2 of the paper.

    Raises:
        UsageError: for another shape or type.

    Source: Dong et al., "Residual Contrastive Learning", 2022, Figure 2.
    """
    matrix, counts = _checked(distances, negatives)
    positives = jnp.where(jnp.eye(len(matrix), dtype=bool), matrix, 0).sum(1, keepdims=True)
    return jnp.where(counts, matrix - positives, jnp.nan)


def gaps(
    distances: Num[Array | np.ndarray, "n n"], negatives: Negatives | None = None
) -> Float[Array, " n"]:
    """By how much the negatives of each row are further away than its positive, on average.

    Args:
        distances: as from `residual_distances`, shape (N, N), positives on the diagonal.
        negatives: as for `residual_loss`.

    Returns:
        Shape (N,), unit of the distances; NaN for a row without negatives.

    Raises:
        UsageError: for another shape or type.

    Source: Dong et al., "Residual Contrastive Learning", 2022, Figure 2.
    """
    return jnp.nanmean(differences(distances, negatives), axis=1)


def _checked(distances, negatives) -> tuple[Array, Array]:
    """The matrix in floats, and which of its entries are negatives."""
    matrix = jnp.asarray(distances)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise UsageError(f"distances have shape {matrix.shape}: give those of all pairs, (N, N).")
    if not jnp.issubdtype(matrix.dtype, jnp.number) or jnp.iscomplexobj(matrix):
        raise UsageError(
            f"distances of shape {matrix.shape} are {matrix.dtype}: give real numbers."
        )
    others = ~jnp.eye(len(matrix), dtype=bool)
    if negatives is None:
        return matrix, others
    counts = jnp.asarray(negatives)
    if counts.shape != matrix.shape or counts.dtype != bool:
        raise UsageError(
            f"negatives have shape {counts.shape} and type {counts.dtype}: give truth values of "
            f"the distances' shape {matrix.shape}."
        )
    return matrix, counts & others


@jax.jit
def _median_width(left: Float[Array, "n k"], right: Float[Array, "n k"]) -> Float[Array, ""]:
    """That of the median heuristic; 1 where all values are equal, as those of no residual are."""
    left, right = jax.lax.stop_gradient((left.ravel(), right.ravel()))
    step = MEDIAN_STEP if left.size > MANY else 1
    some = left[::step], right[::step]
    lowest = jnp.minimum(*(values.min() for values in some))
    highest = jnp.maximum(*(values.max() for values in some))
    return jnp.where(highest > lowest, median_bandwidth(*some), 1)


@jax.jit
def _mmd2(
    left: Float[Array, "n k"], right: Float[Array, "n k"], width: Float[Array, ""]
) -> Float[Array, "n n"]:
    width = jax.lax.stop_gradient(width)
    centre = jax.lax.stop_gradient(left.mean() / 2 + right.mean() / 2)
    # A little less, so that rounding does not lead beyond what the nodes carry.
    reach = (0.5 - 1e-5) * widths_spanned(NODES, left.dtype.name) * width
    left, right = (jnp.clip(values - centre, -reach, reach) for values in (left, right))
    return pairwise_mmd2(left, right, bandwidth=width, nodes=NODES)
