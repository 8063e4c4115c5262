"""Options that several trainers have, in groups that a trainer's Config takes up."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from train.engine.options import Options, option

SIMPLE_NOISE = ("awgn", "nlf")
"""Models of `jaxnoise.noise` that a denoiser may train on, fitted to the training patches."""


@dataclass(frozen=True, kw_only=True)
class TrainingOptions(Options):
    """Options of data, schedule and report."""

    warm_up: float = option(0.05, "part of the steps spent rising", minimum=0, maximum=1)
    start_patches: int = option(
        4096, "training patches for initialisation and baselines", minimum=1
    )
    validation_patches: int = option(1024, "patches of a validation at most", minimum=1)
    test_patches: int = option(2048, "patches of the final test at most", minimum=1)
    images: bool = option(True, "show patches in the report, beside statistics", places=True)


@dataclass(frozen=True, kw_only=True)
class NoiseModelOptions(TrainingOptions):
    """Options of a noise flow and its optimiser."""

    arch: str = option("N-W-K3", "layers from the data to the latent side, e.g. S-Ax4-G-Ax4-CAM")
    parameterisation: str = option(
        "paper", "of the signal and gain layers", choices=("paper", "reference")
    )
    width: int = option(4, "channels inside a coupling's network", minimum=1)
    normalisation: str = option(
        "none", "inside a coupling's network", choices=("none", "batch", "batch_affine")
    )
    base: str = option("normal", "latent distribution", choices=("normal", "student_t"))
    knots: int = option(17, "knots of a learned noise curve", minimum=2)
    taps: str = option("shared", "causal filters", choices=("shared", "conditional"))
    learning_rate: float = option(3e-3, "highest one of the couplings' networks", above=0)
    moments_learning_rate: float = option(
        1e-3, "highest one of the noise model's other layers", above=0
    )
    clip: float = option(1.0, "largest norm of a gradient of the noise model", above=0)
    temperature: float = option(1.0, "of the report's samples", above=0)


@dataclass(frozen=True, kw_only=True)
class DenoiserOptions(TrainingOptions):
    """Options of a denoiser and its optimiser."""

    denoiser: str = option("dncnn", "network of the denoiser", choices=("dncnn", "unet"))
    features: int | None = option(
        None, "its hidden channels (default: the published 64 of dncnn, 48 of unet)", minimum=1
    )
    depth: int = option(9, "convolutions of a dncnn", minimum=2)
    share: bool = option(True, "a unet's levels share their weights, as published")
    denoiser_normalisation: str = option(
        "batch", "in a dncnn's hidden layers; none has biases instead", choices=("batch", "none")
    )
    start_from: Path | None = option(
        None,
        "folder of a model whose denoiser training begins from (default: fresh weights)",
        places=True,
    )
    denoiser_learning_rate: float = option(1e-3, "highest one of the denoiser", above=0)


NOISE_MODEL_FIELDS = ("parameterisation", "width", "normalisation", "base", "knots", "taps")


def noise_model_fields(config: NoiseModelOptions) -> dict[str, Any]:
    """The fields of a noise flow's Config that options state, beside its architecture.

    Args:
        config: the run's options.

    Returns:
        Values by name.
    """
    return {name: getattr(config, name) for name in NOISE_MODEL_FIELDS}


def denoiser_config(config: DenoiserOptions, *, channels: int) -> Any:
    """The configuration of the denoiser that options state.

    Args:
        config: the run's options.
        channels: of the images.

    Returns:
        A `Config` of `jaxnoise.models.denoiser`.
    """
    from jaxnoise import models

    return models.get("denoiser").Config(
        net=config.denoiser,
        channels=channels,
        features=config.features,
        depth=config.depth,
        share=config.share,
        normalisation=config.denoiser_normalisation,
    )
