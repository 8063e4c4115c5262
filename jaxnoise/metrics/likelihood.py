"""Likelihoods as they are tabulated: nats per dimension, their differences and their ratios."""

import math
from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Array, Bool, Num

from jaxnoise.checks import check_mask, check_same, shape_of
from jaxnoise.errors import UsageError
from jaxnoise.metrics._checks import as_real
from jaxnoise.metrics._namespace import namespace


def nll_per_dim(
    log_prob: Num[Array | np.ndarray, "*batch"],
    shape: Sequence[int],
    valid: Bool[Array | np.ndarray, "*batch h w 1"] | None = None,
) -> Num[Array | np.ndarray, "*batch"]:
    """Negative log-likelihood per dimension of each image.

    Args:
        log_prob: log-density of each image in nats, any shape.
        shape: shape of one image, such as (H, W, C); its product is the number of dimensions.
        valid: True at the pixels of which it is the density, shape (..., H, W, 1); None: of all.

    Returns:
        Nats per dimension, same shape as `log_prob`; 0 for an image without a valid pixel, which
        has no say in a mean: see `mean_nll_per_dim` and `valid_dimensions`. Lower is better; the
        value depends on the unit of the noise.

    Raises:
        UsageError: when `shape` has no elements, or `valid` is no mask of such images.

    Source: Abdelhamed et al., Noise Flow, section 5.1.
    """
    log_prob = as_real(log_prob)
    dimensions = math.prod(shape)
    if dimensions < 1:
        raise UsageError(f"an image of shape {tuple(shape)} has no dimensions: pass (H, W, C).")
    if valid is None:
        return -log_prob / dimensions
    xp = namespace(log_prob, valid)
    check_mask(valid, (*shape_of(log_prob), *shape))
    count = valid_dimensions(valid, shape)
    return xp.where(count > 0, -log_prob / xp.maximum(count, 1), 0).astype(log_prob.dtype)


def valid_dimensions(
    valid: Bool[Array | np.ndarray, "*batch h w 1"], shape: Sequence[int]
) -> Num[Array | np.ndarray, "*batch"]:
    """How many values of each image count.

    Args:
        valid: True where a pixel counts, shape (..., H, W, 1).
        shape: shape of one image, (H, W, C).

    Returns:
        The number of valid pixels times C, shape (...), integers.

    Raises:
        UsageError: `valid` is no mask of such images.
    """
    if len(shape) != 3:
        raise UsageError(f"an image with a mask has the shape (H, W, C), not {tuple(shape)}.")
    check_mask(valid, (*shape_of(valid)[:-3], *shape))
    return valid.sum((-3, -2, -1)) * shape[-1]


def mean_nll_per_dim(
    log_prob: Num[Array | np.ndarray, " n"],
    shape: Sequence[int],
    valid: Bool[Array | np.ndarray, "n h w 1"] | None = None,
) -> Num[Array | np.ndarray, ""] | np.floating:
    """Mean negative log-likelihood per dimension, over all values that count.

    An image has as much say as it has valid pixels.

    Args:
        log_prob: log-density of each image in nats, shape (N,).
        shape: shape of one image, (H, W, C).
        valid: True at the pixels of which it is the density, shape (N, H, W, 1); None: of all.

    Returns:
        Nats per dimension, a scalar; 0 when no image has a valid pixel.

    Raises:
        UsageError: when `shape` has no elements, or `valid` is no mask of such images.

    Source: Abdelhamed et al., Noise Flow, section 5.1.
    """
    if valid is None:
        return nll_per_dim(log_prob, shape).mean()
    log_prob = as_real(log_prob)
    check_mask(valid, (*shape_of(log_prob), *shape))
    xp = namespace(log_prob, valid)
    return -log_prob.sum() / xp.maximum(valid_dimensions(valid, shape).sum(), 1)


def relative_improvement(
    nll_baseline: float | Num[Array | np.ndarray, "*batch"],
    nll: float | Num[Array | np.ndarray, "*batch"],
) -> float | Num[Array | np.ndarray, "*batch"]:
    """How much more likely one dimension of the data is under a model than under a baseline.

    Args:
        nll_baseline: the baseline's negative log-likelihood, nats per dimension.
        nll: the model's, same unit and shape.

    Returns:
        exp(nll_baseline - nll) - 1: 0 when they agree, 1 when the density is twice as high.

    Raises:
        UsageError: for arrays of unlike shapes.

    Source: Abdelhamed et al., Noise Flow, section 5.2.
    """
    nll_baseline, nll = as_real(nll_baseline), as_real(nll)
    if shape_of(nll_baseline) and shape_of(nll):
        check_same(nll_baseline=nll_baseline, nll=nll)
    return namespace(nll_baseline, nll).expm1(nll_baseline - nll)


def paired_difference(
    first: Num[Array | np.ndarray, " n"], second: Num[Array | np.ndarray, " n"]
) -> tuple[
    float | np.floating | Num[Array | np.ndarray, ""],
    float | np.floating | Num[Array | np.ndarray, ""],
]:
    """Mean of `first - second` over the same images, and the standard error of that mean.

    Images differ from one another far more than two models do, so the difference is taken image by
    image. The standard error treats images as independent.

    Args:
        first: one number per image, shape (n,), n >= 1.
        second: one number for each of the same images, same unit.

    Returns:
        (mean, standard error); the standard error of a single image is NaN.

    Raises:
        UsageError: for unlike shapes, or no image.
    """
    first, second = as_real(first), as_real(second)
    check_same(first=first, second=second)
    if len(shape_of(first)) != 1 or not len(first):
        raise UsageError(f"first has shape {shape_of(first)}: give one number per image, (n,).")
    xp = namespace(first, second)
    difference = first - second
    if not isinstance(difference, jax.Array):
        difference = np.asarray(difference, np.float64)
    count = difference.shape[0]
    if count < 2:
        return difference.mean(), xp.asarray(xp.nan)
    return difference.mean(), difference.std(ddof=1) / math.sqrt(count)
