"""Options of `python -m train.rcl`.

`pretrain` takes minutes on two cores by default; `--preset paper` has the paper's sizes, for
accelerators.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxnoise.tasks import TASKS
from train.engine.options import Command, Options, option

LEVELS = ("uniform", "normalised", "paper", "brooks", "none")
"""How the noise of an image is drawn; none: the images are noisy already."""
METHODS = ("rcl", "noise2noise", "noise2self", "mosaic2mosaic")
INPUTS = ("rgb", "raw")
DISTANCES = ("emd", "bhattacharyya", "mmd")


@dataclass(frozen=True, kw_only=True)
class NoiseOptions(Options):
    """Options of the images and of the noise that is put on them, of every subcommand."""

    dataset: str = option("images", "name of the data set")
    levels: str = option(
        "uniform",
        "how the noise of each image is drawn; none: the images are noisy already",
        choices=LEVELS,
    )
    highest_sigma: float = option(
        20.0, "of that noise, of 255 (uniform and normalised)", above=0, maximum=255
    )
    tile: int | None = option(
        None,
        "side of squares that photographs are cut into first, each with noise of its own; 0 keeps "
        "them whole (default: twice a crop's where fewer than 64 are trained on)",
        minimum=0,
    )
    warm_up: float = option(0.05, "part of the steps spent rising", minimum=0, maximum=1)
    validation_patches: int = option(1024, "patches of a validation at most", minimum=1)
    test_patches: int = option(2048, "patches of the final test at most", minimum=1)
    images: bool = option(True, "show patches in the report, beside statistics", places=True)


@dataclass(frozen=True, kw_only=True)
class PretrainConfig(NoiseOptions):
    """Trains a network on noisy images alone."""

    method: str = option(
        "rcl",
        "by residuals (rcl), against another noisy draw, from the pixels around, or against "
        "another mosaic",
        choices=METHODS,
    )
    input: str = option(
        "rgb", "noisy photographs, or their noisy RGGB mosaics as packed raw", choices=INPUTS
    )
    distance: str = option("emd", "between the residuals of two crops", choices=DISTANCES)
    alpha: float = option(0.1, "weight of the contrastive term beside consistency", minimum=0)
    reduction: str = option(
        "mean",
        "of the contrastive term over the rows; the paper's sum is N times as much",
        choices=("mean", "sum"),
    )
    temperature: float | None = option(
        None,
        "of the contrastive term, unit of the distance (default: 1 of 255 for emd, else 0.07)",
        above=0,
    )
    residual_scale: float = option(
        255.0, "full scale of the residuals whose distance is taken", above=0
    )
    encoder: str = option(
        "pyramid", "of the consistency: pyramid, or a safetensors file of VGG16 or ResNet50"
    )
    consistency: str = option(
        "squared",
        "of features: their mean square, or the norm (the paper)",
        choices=("squared", "norm"),
    )
    denoiser: str = option("unet", "network", choices=("dncnn", "unet"))
    features: int | None = option(
        None, "its hidden channels (default: the published 64 of dncnn, 48 of unet)", minimum=1
    )
    depth: int = option(9, "convolutions of a dncnn", minimum=2)
    share: bool = option(True, "a unet's levels share their weights")
    denoiser_normalisation: str = option(
        "none", "in a dncnn's hidden layers; none has biases instead", choices=("batch", "none")
    )
    learning_rate: float = option(1e-3, "of Adam; the highest one where it falls", above=0)
    decay: bool = option(True, "the learning rate falls to zero along a cosine")


PRETRAIN_PRESETS: dict[str, dict[str, Any]] = {
    "cpu": {
        "steps": 300,
        "batch_size": 16,
        "patch_size": 64,
        "features": 24,
        "learning_rate": 4e-3,
        "evaluate_every": 50,
        "save_every": 50,
        "validation_patches": 64,
        "test_patches": 128,
    },
    "paper": {
        "steps": 100_000,
        "batch_size": 64,
        "patch_size": 128,
        "alpha": 1e-3,
        "temperature": 0.07,
        "reduction": "sum",
        "consistency": "norm",
        "decay": False,
        "evaluate_every": 1000,
        "save_every": 1000,
        "report_every": 100,
    },
}


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig(NoiseOptions):
    """Trains a network for a task on few labels, from one that was trained before or from none."""

    task: str = option(
        "denoise", "what the network is to do; see docs/rcl.md", choices=tuple(TASKS)
    )
    start_from: Path | None = option(
        None,
        "folder of a denoiser, noise2noiseflow or rcl model to begin from (default: fresh weights)",
        places=True,
    )
    frozen: bool = option(False, "train a fresh last layer alone; all others stay as they are")
    labels: str = option(
        "clean",
        "what labels hold: the clean image, or another noisy shot (denoise alone)",
        choices=("clean", "other-shot"),
    )
    label_count: int | None = option(
        None,
        "labels, each a crop, of as many images as possible (default: all there are)",
        minimum=1,
    )
    label_images: int | None = option(
        None, "images that labels are taken of (default: all)", minimum=1
    )
    turns: bool = option(
        True, "turn and mirror the labels of a batch at random, of inputs in colour alone"
    )
    denoiser: str | None = option(
        None,
        "network (default: that of --start-from, else unet)",
        choices=("dncnn", "unet"),
    )
    features: int | None = option(
        None,
        "its hidden channels (default: those of --start-from, else as for pretrain)",
        minimum=1,
    )
    depth: int | None = option(
        None, "convolutions of a dncnn (default: those of --start-from, else 9)", minimum=2
    )
    share: bool | None = option(
        None, "a unet's levels share their weights (default: as --start-from, else they do)"
    )
    denoiser_normalisation: str | None = option(
        None,
        "in a dncnn's hidden layers (default: that of --start-from, else none)",
        choices=("batch", "none"),
    )
    learning_rate: float = option(1e-3, "of Adam; the highest one where it falls", above=0)
    decay: bool = option(True, "the learning rate falls to zero along a cosine")
    keep: str = option(
        "best",
        "the state that is kept: best by validation, whose labels come on top, or last",
        choices=("best", "last"),
    )


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig(NoiseOptions):
    """Measures a model on held-out images, and trains nothing."""

    task: str | None = option(
        None, "what it is measured at (default: what the model is for)", choices=tuple(TASKS)
    )
    start_from: Path | None = option(
        None, "folder of the model, a denoiser, noise2noiseflow or rcl", places=True
    )


LABEL_PRESETS: dict[str, dict[str, Any]] = {
    "cpu": {
        "steps": 400,
        "batch_size": 8,
        "patch_size": 64,
        "evaluate_every": 50,
        "save_every": 50,
        "validation_patches": 64,
        "test_patches": 128,
    },
    "paper": {
        "steps": 100_000,
        "batch_size": 64,
        "patch_size": 128,
        "decay": False,
        "turns": False,
        "evaluate_every": 1000,
        "save_every": 1000,
        "report_every": 100,
    },
}
"""The rate and its fall are those of pre-training; the paper states no number of steps."""
EVALUATE_PRESETS: dict[str, dict[str, Any]] = {
    "cpu": {"batch_size": 16, "patch_size": 64, "test_patches": 128},
    "paper": {"batch_size": 64, "patch_size": 128},
}

COMMANDS = {
    "pretrain": Command(options=PretrainConfig, presets=PRETRAIN_PRESETS),
    "finetune": Command(options=FinetuneConfig, presets=LABEL_PRESETS),
    "evaluate": Command(options=EvaluateConfig, presets=EVALUATE_PRESETS),
}
