"""Options of `python -m train.denoiser`.

The default takes a minute on two cores and reaches 37 dB on `camera_sim/exact`, whose noisy images
have 34; `--preset paper` has the paper's sizes, for accelerators.
"""

from dataclasses import dataclass
from typing import Any

from train.engine.options import Command, option
from train.steps.option_groups import DenoiserOptions


@dataclass(frozen=True, kw_only=True)
class Config(DenoiserOptions):
    """Trains a denoiser: on clean images, on pairs of noisy shots, or on noise that is made."""

    loss: str = option(
        "supervised",
        "against the clean image, against another noisy shot, or on clean images with made noise",
        choices=("supervised", "noise2noise", "synthetic"),
    )
    error: str = option(
        "squared",
        "what training lowers; validation and report are by the squared error",
        choices=("squared", "absolute"),
    )
    noise: str | None = option(
        None, "made noise: awgn or nlf (fitted to the training patches), or a model folder"
    )


PRESETS: dict[str, dict[str, Any]] = {
    "cpu": {
        "steps": 1000,
        "batch_size": 16,
        "features": 24,
        "depth": 7,
        "denoiser_learning_rate": 4e-3,
        "evaluate_every": 100,
        "validation_patches": 512,
        "test_patches": 1500,
    },
    "paper": {
        "steps": 100_000,
        "batch_size": 128,
        "evaluate_every": 1000,
        "save_every": 1000,
        "report_every": 100,
    },
}


COMMANDS = {"": Command(options=Config, presets=PRESETS)}
