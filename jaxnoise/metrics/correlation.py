"""Correlation of noise with its neighbours and between channels."""

from typing import Any

import numpy as np
from jaxtyping import Float, Num

from jaxnoise.errors import UsageError
from jaxnoise.metrics._checks import as_real


def lag_one(noise: Num[np.ndarray, "..."]) -> Float[np.ndarray, " 2"]:
    """Correlation of noise with the pixel to its right and with the one below it.

    Each channel's mean over all images is taken off; products and squares are then pooled over
    images, pixels and channels. Of N independent values the result has a standard deviation of
    about N^-1/2 around 0.

    Args:
        noise: shape (N, H, W, C), H and W at least 2, any unit.

    Returns:
        (2,), float64: right, down; NaN where the noise is constant.

    Raises:
        UsageError: for another shape.
    """
    values = _centred(noise, least=2)
    energy = np.mean(values**2)
    right = np.mean(values[:, :, 1:] * values[:, :, :-1])
    down = np.mean(values[:, 1:] * values[:, :-1])
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.array([right, down]) / energy


def channel_correlation(noise: Num[np.ndarray, "..."]) -> Float[np.ndarray, "c c"]:
    """Correlation between the channels of a pixel.

    Args:
        noise: shape (N, H, W, C), any unit.

    Returns:
        (C, C), float64, ones on the diagonal; NaN beside a channel that is constant.

    Raises:
        UsageError: for another shape.
    """
    values = _centred(noise, least=1)
    flat = values.reshape(-1, values.shape[-1])
    covariance = flat.T @ flat / len(flat)
    scale = np.sqrt(np.diagonal(covariance))
    with np.errstate(invalid="ignore", divide="ignore"):
        return covariance / np.outer(scale, scale)


def _centred(noise: Any, *, least: int) -> np.ndarray:
    """The noise in float64 without the mean of each channel."""
    noise = np.asarray(noise)
    if noise.ndim != 4 or min(noise.shape) < 1 or min(noise.shape[1:3]) < least:
        raise UsageError(
            f"noise has shape {noise.shape}: pass (N, H, W, C) with at least {least} rows and "
            "columns."
        )
    values = np.asarray(as_real(noise), np.float64)
    return values - values.mean(axis=(0, 1, 2))
