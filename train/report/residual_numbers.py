"""What networks take for noise on held-out crops, beside the true noise: the numbers."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxnoise.distances import emd
from train.report.section import plain


@dataclass(frozen=True, kw_only=True, eq=False)
class ResidualResult:
    """Residuals of one network over pairs of crops of images, or the true noise.

    Attributes:
        name: of the network.
        differences: shape (M,), distance of a crop's residual to one of another image less that to
            the other crop of its own, of 255.
        gaps: shape (R,), the mean of them for each first crop.
        std: shape (2 N,), standard deviation of the residual of each crop, of 255.
        square: shape (2 N,), mean square of the residual of each crop, full scale 1.
        error: shape (2 N,), mean squared error of the estimate of each crop, full scale 1; None
            where no clean image is known.
        residual_error: shape (2 N,), that of the residual as an estimate of the noise: the same for
            RGB, and for raw the error in what the mosaic sees.
    """

    name: str
    differences: np.ndarray
    gaps: np.ndarray
    std: np.ndarray
    square: np.ndarray
    error: np.ndarray | None = None
    residual_error: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Shown:
    """What is shown beside the numbers.

    Attributes:
        images: a few crops (K, H, W, C) by name: "noisy", and the estimates of each network.
        noise_shown: (2 N,), what each noisy crop itself shows of its noise, of 255.
        truth: name of the true noise.
    """

    images: Mapping[str, np.ndarray]
    noise_shown: np.ndarray
    truth: str


def evaluate(results: Sequence[ResidualResult], shown: Shown, *, trained: str) -> dict[str, Any]:
    """The numbers of the table.

    Args:
        results: of the networks, and of the true noise where it is known.
        shown: what the noisy crops show.
        trained: name of the network that was trained.

    Returns:
        What `evaluation.json` gains: "residuals", a row for each result, and "noisy_psnr".
    """
    truth = next((result for result in results if result.name == shown.truth), None)
    rows = [_row(result, truth, shown) | {"trained": result.name == trained} for result in results]
    noisy = None if truth is None else _psnr(truth.square)
    return plain({"residuals": rows, "noisy_psnr": noisy})


def _row(result: ResidualResult, truth: ResidualResult | None, shown: Shown) -> dict[str, Any]:
    to_truth = None
    if truth is not None and len(result.differences):
        pair = (values.differences.astype(np.float32) for values in (result, truth))
        to_truth = float(emd(*pair))
    known = truth is not None and result is not truth
    return {
        "name": result.name,
        "is_truth": result is truth,
        "gap": float(np.mean(result.gaps)) if len(result.gaps) else None,
        "gap_error": _standard_error(result.gaps),
        "gaps_above_0": float(np.mean(result.gaps > 0)) if len(result.gaps) else None,
        "to_truth": to_truth,
        "std": _rms(result.std),
        "std_over_truth": _rms(result.std) / _rms(truth.std) if truth is not None else None,
        "std_over_shown": _rms(result.std) / max(_rms(shown.noise_shown), 1e-12),
        "psnr": _psnr(result.error) if known else None,
        "psnr_of_residual": _psnr(result.residual_error) if known else None,
    }


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


def _standard_error(values: np.ndarray) -> float | None:
    if len(values) < 2:
        return None
    return float(np.std(values, ddof=1) / math.sqrt(len(values)))


def _psnr(errors: np.ndarray | None) -> float | None:
    """PSNR in dB of the mean of squared errors at full scale 1."""
    if errors is None:
        return None
    return -10 * math.log10(max(float(np.mean(errors, dtype=np.float64)), 1e-20))
