"""Restored images on the test crops: PSNR and SSIM, beside what the input itself reaches."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxnoise.metrics import psnr, ssim
from train.report.section import plain

SSIM_PRESET = "rcl"
SMALLEST_FOR_SSIM = 7
"""Side of its window in pixels; crops that are smaller have no SSIM."""
HIGHEST_PSNR = 100.0
"""Of a crop, in dB: an error of 1e-5 of full scale."""
CLEAN, OTHER_SHOT = "clean", "other shot"
"""What stands for the truth; the second where no clean image is known."""


@dataclass(eq=False)
class RestorationTest:
    """The held-out crops that every row of a table is compared on.

    Attributes:
        inputs: what a network sees, shape (N, h, w, c), fraction of full scale.
        targets: what estimates are compared with, shape (N, H, W, 3), same unit.
        image: number of the image that each crop is of, shape (N,).
        task: what is to be done to the inputs, in words.
        target: `CLEAN`, or `OTHER_SHOT` where targets are noisy as well.
    """

    inputs: np.ndarray
    targets: np.ndarray
    image: np.ndarray
    task: str
    target: str = CLEAN


@dataclass(eq=False)
class Restoration:
    """What one network, or a method without one, made of the test crops.

    Attributes:
        name: shown in tables and figures.
        parameters: number of all parameters; None where there is no network.
        estimate: shape (N, H, W, 3), fraction of full scale, clipped to [0, 1].
        is_input: whether this is the input itself, at most interpolated.
    """

    name: str
    parameters: int | None
    estimate: np.ndarray
    is_input: bool = False


def evaluate(test: RestorationTest, results: Sequence[Restoration]) -> dict[str, Any]:
    """Every number that the report shows of restored images.

    Args:
        test: the test crops.
        results: one entry for each row, all for the same crops.

    Returns:
        "restored", a row for each result: "psnr" and "ssim", means over crops with their standard
        errors, and "gain", the mean of what the PSNR is above that of the input, with the standard
        error of the difference; None where they are not known. "target" is that of the test;
        "crops" and "images" are how many the means are over: crops of one image are not independent
        of each other, so that the standard errors are too small where there are few images.

    Source: Dong et al., Residual Contrastive Learning, Eqs. 12 and 13.
    """
    values = [_psnr(result.estimate, test.targets) for result in results]
    of_input = next(
        (found for result, found in zip(results, values, strict=True) if result.is_input), None
    )
    rows = []
    for result, found in zip(results, values, strict=True):
        gain = None if of_input is None or result.is_input else found - of_input
        rows.append(
            {
                "name": result.name,
                "parameters": result.parameters,
                "input": result.is_input,
                **_mean_of("psnr", found),
                **_mean_of("ssim", _ssim(result.estimate, test.targets)),
                **_mean_of("gain", gain),
            }
        )
    counts = {"crops": len(test.targets), "images": len(np.unique(test.image))}
    return plain({"task": test.task, "target": test.target, **counts, "restored": rows})


def _mean_of(name: str, values: np.ndarray | None) -> dict[str, float | None]:
    if values is None:
        return {name: None, f"{name}_standard_error": None}
    error = None
    if len(values) > 1:
        error = float(np.std(values, ddof=1, dtype=np.float64) / np.sqrt(len(values)))
    return {name: float(np.mean(values, dtype=np.float64)), f"{name}_standard_error": error}


def _psnr(estimate: np.ndarray, target: np.ndarray) -> np.ndarray:
    """PSNR of each crop; one that is exact would make every mean infinite."""
    return np.minimum(np.asarray(psnr(estimate, target, data_range=1.0)), HIGHEST_PSNR)


def _ssim(estimate: np.ndarray, target: np.ndarray) -> np.ndarray | None:
    if min(target.shape[1:3]) < SMALLEST_FOR_SSIM:
        return None
    return np.asarray(ssim(estimate, target, data_range=1.0, preset=SSIM_PRESET))
