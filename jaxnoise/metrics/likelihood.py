"""Likelihoods as they are tabulated: nats per dimension, their differences and their ratios."""

import math
from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Array, Num

from jaxnoise.errors import UsageError
from jaxnoise.metrics._namespace import namespace


def nll_per_dim(
    log_prob: Num[Array | np.ndarray, "*batch"], shape: Sequence[int]
) -> Num[Array | np.ndarray, "*batch"]:
    """Negative log-likelihood per dimension of each image.

    Args:
        log_prob: log-density of each image in nats, any shape.
        shape: shape of one image, such as (H, W, C); its product is the number of dimensions.

    Returns:
        Nats per dimension, same shape as `log_prob`. Lower is better; the value depends on the unit
        of the noise.

    Raises:
        UsageError: when `shape` has no elements.

    Source: Abdelhamed et al., Noise Flow, section 5.1.
    """
    dimensions = math.prod(shape)
    if dimensions < 1:
        raise UsageError(f"an image of shape {tuple(shape)} has no dimensions: pass (H, W, C).")
    return -log_prob / dimensions


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

    Source: Abdelhamed et al., Noise Flow, section 5.2.
    """
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
    """
    xp = namespace(first, second)
    difference = first - second
    if not isinstance(difference, jax.Array):
        difference = np.asarray(difference, np.float64)
    count = difference.shape[0]
    if count < 2:
        return difference.mean(), xp.asarray(xp.nan)
    return difference.mean(), difference.std(ddof=1) / math.sqrt(count)
