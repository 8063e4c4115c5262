"""Denoisers on the test patches: PSNR, SSIM, and how much of the noise is left."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from jaxnoise import models
from jaxnoise.metrics import psnr, ssim
from train.likelihood import over_patches
from train.report_numbers import TestSet, camera_label, iso_label

SSIM_PRESET = "noise2noiseflow"
DATA_RANGE = 1.0


@dataclass(eq=False)
class DenoiserResult:
    """What one denoiser made of the test patches.

    Attributes:
        name: shown in tables and figures.
        parameters: number of trained parameters; None for the noisy images themselves.
        estimate: shape (N, P, P, C), clipped to [0, 1].
    """

    name: str
    parameters: int | None
    estimate: np.ndarray


def noisy_result(test: TestSet) -> DenoiserResult:
    """The noisy images as they are, clipped like every estimate: what denoising starts from.

    Args:
        test: the test patches.
    """
    return DenoiserResult("noisy", None, np.clip(test.clean + test.noise, 0, 1))


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
        mesh: from `train.devices.start_jax`.
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
        "error_ratio", the squared error over that of the noisy image, all patches together;
        "denoised_groups", the PSNR per camera and ISO.

    Source: Noise2NoiseFlow, Section 4.2; PSNR with full scale 1 over all channels of a patch, SSIM
        with a Gaussian window of standard deviation 0.8, both averaged over patches.
    """
    rows = []
    values = {}
    for result in results:
        of_psnr = np.asarray(psnr(result.estimate, test.clean, data_range=DATA_RANGE))
        options = {"data_range": DATA_RANGE, "preset": SSIM_PRESET}
        of_ssim = np.asarray(ssim(result.estimate, test.clean, **options))
        values[result.name] = of_psnr
        error = np.mean((result.estimate - test.clean) ** 2, dtype=np.float64)
        rows.append(
            {
                "name": result.name,
                "parameters": result.parameters,
                "psnr": _mean(of_psnr),
                "psnr_standard_error": _error(of_psnr),
                "ssim": _mean(of_ssim),
                "ssim_standard_error": _error(of_ssim),
                "error_ratio": float(error / np.mean(test.noise**2, dtype=np.float64)),
            }
        )
    chosen = [(camera_label(test, int(c)), test.camera == c) for c in np.unique(test.camera)]
    chosen += [(iso_label(float(iso)), test.iso == iso) for iso in np.unique(test.iso)]
    groups = [
        {"label": label, "psnr": [_mean(values[result.name][here]) for result in results]}
        for label, here in chosen
    ]
    return {"denoisers": rows, "denoised_groups": groups}


def _batches(test: TestSet, batch_size: int, limit: int) -> Iterator[dict[str, np.ndarray]]:
    count = min(limit, len(test.clean))
    for start in range(0, count, batch_size):
        places = np.arange(start, start + batch_size)
        indices = np.minimum(places, count - 1)
        yield {"noisy": test.clean[indices] + test.noise[indices], "mask": places < count}


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values, dtype=np.float64))


def _error(values: np.ndarray) -> float | None:
    if len(values) < 2:
        return None
    return float(np.std(values, ddof=1, dtype=np.float64) / np.sqrt(len(values)))
