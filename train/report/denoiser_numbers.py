"""Denoisers on the test patches: PSNR, SSIM, and how much of the noise is left."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from jaxnoise import models
from jaxnoise.metrics import psnr, ssim
from train.engine.evaluation import over_patches
from train.report.section import plain
from train.report.test_set import TestSet, camera_label, iso_label

SSIM_PRESET = "noise2noiseflow"
SMALLEST_FOR_SSIM = 7
"""Side of its window in pixels; patches that are smaller have no SSIM."""
DATA_RANGE = 1.0
HIGHEST_PSNR = 100.0
"""Of a patch, in dB: an error of 1e-5 of full scale."""


@dataclass(eq=False)
class DenoiserResult:
    """What one denoiser made of the test patches.

    Attributes:
        name: shown in tables and figures.
        parameters: number of trained parameters; None for the noisy images themselves.
        estimate: shape (N, P, P, C), clipped to [0, 1].
        is_input: whether these are the noisy images that the others start from.
    """

    name: str
    parameters: int | None
    estimate: np.ndarray
    is_input: bool = False


def noisy_result(test: TestSet) -> DenoiserResult:
    """The noisy images as they are, clipped like every estimate: what denoising starts from.

    Args:
        test: the test patches.
    """
    return DenoiserResult("noisy", None, np.clip(_noisy(test), 0, 1), is_input=True)


def test_result(
    name: str,
    settings: Any,
    variables: Any,
    test: TestSet,
    *,
    mesh: Mesh,
    batch_size: int,
    limit: int,
) -> DenoiserResult:
    """A denoiser's estimates of the test patches.

    Args:
        name: shown in the table.
        settings: a `Config` of `jaxnoise.models.denoiser`.
        variables: of the denoiser.
        test: the test patches.
        mesh: from `train.engine.devices.start_jax`.
        batch_size: divisible by the number of devices.
        limit: how many patches at most.

    Returns:
        One row of the report.
    """
    model = models.get("denoiser")

    def denoise(variables: Any, patches: Any, number: jax.Array) -> jax.Array:
        del number
        return model.denoise(variables, settings, patches["noisy"]).clip(0.0, 1.0)

    run = over_patches(denoise, mesh, names=("noisy",))
    estimate = run(variables, _batches(test, batch_size, limit))
    return DenoiserResult(name, model.parameter_count(variables), estimate)


def evaluate(test: TestSet, results: list[DenoiserResult]) -> dict[str, Any]:
    """Every number that the report shows of denoisers.

    Args:
        test: the test patches.
        results: one entry per denoiser, each for the same patches.

    Returns:
        "denoisers", one row each: mean over patches of PSNR and SSIM with standard errors, and
        "error_ratio", the squared error over that of the noisy image, all patches together; all
        but SSIM over the pixels that count. Without
        clean images there is no SSIM, and the PSNR is that of the mean squared error, whose
        estimate needs many patches. "denoised_groups" has the PSNR per camera and ISO.

    Source: Noise2NoiseFlow, Section 4.2; PSNR with full scale 1 over all channels of a patch, at
        most `HIGHEST_PSNR`, SSIM with a Gaussian window of standard deviation 0.8, both averaged
        over patches.
    """
    chosen = [(camera_label(test, int(c)), test.camera == c) for c in np.unique(test.camera)]
    chosen += [(iso_label(float(iso)), test.iso == iso) for iso in np.unique(test.iso)]
    measured = [_against_pairs(test, r) if test.shots else _against_clean(test, r) for r in results]
    rows = [
        {"name": result.name, "parameters": result.parameters, "input": result.is_input, **row}
        for result, (row, _) in zip(results, measured, strict=True)
    ]
    groups = [
        {"label": label, "psnr": [psnr_of(here) for _, psnr_of in measured]}
        for label, here in chosen
    ]
    return plain({"denoisers": rows, "denoised_groups": groups})


Measured = tuple[dict[str, float | None], Callable[[np.ndarray], float | None]]
"""A row of the table, and a function from a selection of patches to their PSNR."""


def _against_clean(test: TestSet, result: DenoiserResult) -> Measured:
    counted = _with_pixels(test)
    # An estimate that is exact, as in saturated patches, would make every mean infinite.
    of_psnr = np.minimum(_psnr(test, result.estimate), HIGHEST_PSNR)
    of_ssim = None
    if min(test.clean.shape[1:3]) >= SMALLEST_FOR_SSIM:
        options: Any = {"data_range": DATA_RANGE, "preset": SSIM_PRESET}
        of_ssim = np.asarray(ssim(result.estimate, test.clean, **options))
    error = np.mean(test.values((result.estimate - test.clean) ** 2), dtype=np.float64)
    row = {
        "psnr": _mean(of_psnr[counted]),
        "psnr_standard_error": _error(of_psnr[counted]),
        "ssim": None if of_ssim is None else _mean(of_ssim),
        "ssim_standard_error": None if of_ssim is None else _error(of_ssim),
        "error_ratio": float(error / np.mean(test.values(test.noise**2), dtype=np.float64)),
    }
    return row, lambda here: _mean(of_psnr[here & counted])


def _against_pairs(test: TestSet, result: DenoiserResult) -> Measured:
    """Without a clean image: the error against the other shot, less that shot's own noise."""
    assert test.shots is not None
    first, second = test.shots
    counted = _with_pixels(test)
    noise = _patch_means(test, (first - second) ** 2) / 2
    error = _patch_means(test, (result.estimate - second) ** 2) - noise

    def psnr_of(here: np.ndarray) -> float | None:
        # Estimates of single patches may be negative.
        left = error[here & counted].mean() if (here & counted).any() else 0.0
        return -10 * float(np.log10(left)) if left > 0 else None

    row = {
        "psnr": psnr_of(counted),
        "psnr_standard_error": None,
        "ssim": None,
        "ssim_standard_error": None,
        "error_ratio": float(error[counted].mean() / noise[counted].mean()),
    }
    return row, psnr_of


def _with_pixels(test: TestSet) -> np.ndarray:
    """Which patches have a pixel that counts."""
    weights = test.weights
    return np.ones(len(test.clean), bool) if weights is None else weights > 0


def _patch_means(test: TestSet, squares: np.ndarray) -> np.ndarray:
    """Mean over the values of each patch that count; 0 where none does."""
    pixels = tuple(range(1, squares.ndim))
    if test.valid is None or test.weights is None:
        return np.asarray(np.mean(squares, pixels, dtype=np.float64))
    total = np.sum(np.where(test.valid, squares, 0), pixels, dtype=np.float64)
    return total / np.maximum(test.weights, 1)


def _psnr(test: TestSet, estimate: np.ndarray) -> np.ndarray:
    if test.valid is None:
        return np.asarray(psnr(estimate, test.clean, data_range=DATA_RANGE))
    error = _patch_means(test, (estimate - test.clean) ** 2) / DATA_RANGE**2
    return -10 * np.log10(np.maximum(error, 10 ** (-HIGHEST_PSNR / 10)))


def _noisy(test: TestSet) -> np.ndarray:
    return test.clean + test.noise if test.shots is None else test.shots[0]


def _batches(test: TestSet, batch_size: int, limit: int) -> Iterator[dict[str, np.ndarray]]:
    count, noisy = min(limit, len(test.clean)), _noisy(test)
    for start in range(0, count, batch_size):
        places = np.arange(start, start + batch_size)
        indices = np.minimum(places, count - 1)
        yield {"noisy": noisy[indices], "mask": places < count}


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values, dtype=np.float64))


def _error(values: np.ndarray) -> float | None:
    if len(values) < 2:
        return None
    return float(np.std(values, ddof=1, dtype=np.float64) / np.sqrt(len(values)))
