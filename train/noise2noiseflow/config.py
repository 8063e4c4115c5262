"""Options of `python -m train.noise2noiseflow`.

The default takes two minutes on two cores and ends 0.0004 nats per dimension above the truth of
`camera_sim/exact`, with a denoiser of 37 dB; `--preset paper` has the paper's sizes and loss.
"""

from dataclasses import dataclass
from typing import Any

from train.engine.options import Command, option
from train.steps.option_groups import DenoiserOptions, NoiseModelOptions


@dataclass(frozen=True, kw_only=True)
class Config(NoiseModelOptions, DenoiserOptions):
    """Trains a noise model and a denoiser together, from pairs of noisy shots alone."""

    objective: str = option(
        "cross",
        "what the noise model explains: each shot by the estimate from the other (cross), by its "
        "own (self), single recorrupted shots (r2r), or the difference of both (difference)",
        choices=("cross", "self", "r2r", "difference"),
    )
    weight: float = option(2.0**18, "lambda, of the Noise2Noise loss", minimum=0)
    pretraining_steps: int = option(
        0, "steps of the denoiser alone, by the Noise2Noise loss, before the joint ones", minimum=0
    )
    pretraining_learning_rate: float | None = option(
        None, "highest one of these steps (default: --denoiser-learning-rate)", above=0
    )
    start: str = option(
        "moments",
        "of the noise model: the moments of the shots' difference, or the published fresh values",
        choices=("moments", "fresh"),
    )
    train_denoiser: bool = option(True, "the joint steps train the denoiser too (off: N2N+NF)")
    recorruption_scale: float = option(4.0, "alpha of the objective r2r", above=0)
    recorruption_std: float = option(1 / 256, "standard deviation of its z", above=0)


PRESETS: dict[str, dict[str, Any]] = {
    "cpu": {
        "steps": 1000,
        "batch_size": 16,
        "features": 24,
        "depth": 7,
        "denoiser_learning_rate": 4e-3,
        "objective": "difference",
        "evaluate_every": 100,
        "validation_patches": 512,
        "test_patches": 1500,
    },
    "paper": {
        "steps": 100_000,
        "pretraining_steps": 100_000,
        "pretraining_learning_rate": 1e-3,
        "batch_size": 138,
        "objective": "cross",
        "weight": 2.0**18,
        "arch": "S-Ax4-G-Ax4-CAM",
        "parameterisation": "reference",
        "normalisation": "batch_affine",
        "denoiser_learning_rate": 1e-4,
        "learning_rate": 1e-4,
        "moments_learning_rate": 1e-4,
        "evaluate_every": 1000,
        "save_every": 1000,
        "report_every": 100,
    },
}


COMMANDS = {"": Command(options=Config, presets=PRESETS)}
