"""Options of `python -m train.cono`.

The default takes minutes on two cores; `--preset paper` has the paper's sizes and units.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from train.engine.options import Command, Options, option


@dataclass(frozen=True, kw_only=True)
class Config(Options):
    """Trains a generator of noise on clean images alone."""

    dataset: str = option("images", "name of the data set; its clean images are what is used")
    raw: str = option(
        "mosaic",
        "what photographs become: their RGGB mosaic, or linear raw first (unprocess)",
        choices=("mosaic", "unprocess"),
    )
    overlap: float = option(
        0.25, "smallest part that two crops of one image share", minimum=0, maximum=1
    )
    sigma: float | None = option(
        None, "standard deviation of the noise, of 255 (default: drawn for each batch)", above=0
    )
    lowest_sigma: float = option(1.0, "of those that are drawn", above=0)
    highest_sigma: float = option(30.0, "of those that are drawn", above=0)
    profile: Path | None = option(
        None, "camera.json of a camera whose noise is to be met, instead of a sigma", places=True
    )
    shot: float | None = option(
        None, "or its shot noise: variance = shot * clean + read, at full scale 1", minimum=0
    )
    read: float | None = option(None, "and its read noise", minimum=0)
    units: str = option(
        "level",
        "of what the layers see: of the image (the paper) or of the level",
        choices=("image", "level"),
    )
    blocks: int = option(
        8, "blocks of actnorm, 1x1 convolution and coupling", minimum=1, maximum=64
    )
    kernels: str = option("313", "sides of the couplings' kernels", choices=("313", "131"))
    contrastive_weight: float = option(1.0, "of the contrastive term", minimum=0)
    perceptual_weight: float = option(1.0, "of the perceptual term", minimum=0)
    alignment_weight: float | None = option(
        None,
        "of the alignment of the moments (default: 100; 30 to the noise of a camera)",
        minimum=0,
    )
    temperature: float = option(0.07, "of the contrastive term", above=0)
    bandwidth: float | None = option(
        None, "of its kernel, of 255 (default: the level times the root of 2)", above=0
    )
    alignment: str = option(
        "relative",
        "form of the alignment",
        choices=("absolute", "squared", "relative"),
    )
    alignment_scope: str | None = option(
        None,
        "whose variance is aligned (default: the batch's; by intensity to the noise of a camera)",
        choices=("patch", "batch", "intensity"),
    )
    alignment_by_channel: bool = option(True, "each channel has moments of its own")
    encoder: str = option(
        "pyramid", "of the perceptual term: pyramid, or a safetensors file of VGG16 or ResNet50"
    )
    learning_rate: float = option(3e-2, "of Adam; the highest one where it falls", above=0)
    decay: bool = option(True, "the learning rate falls to zero along a cosine")
    warm_up: float = option(0.05, "part of the steps it rises before that", minimum=0, maximum=1)
    clip: float = option(1.0, "largest norm of a gradient", above=0)
    validation_patches: int = option(256, "pairs of crops of a validation at most", minimum=1)
    test_patches: int = option(256, "pairs of crops of the final test at most", minimum=1)
    images: bool = option(True, "show crops in the report, beside statistics", places=True)


PRESETS: dict[str, dict[str, Any]] = {
    "cpu": {
        "steps": 300,
        "batch_size": 16,
        "patch_size": 32,
        "learning_rate": 3e-3,
        "evaluate_every": 50,
        "save_every": 50,
    },
    "paper": {
        "steps": 5000,
        "batch_size": 64,
        "patch_size": 64,
        "units": "image",
        "alignment": "absolute",
        "alignment_scope": "patch",
        "alignment_weight": 1.0,
        "alignment_by_channel": False,
        "decay": False,
        "evaluate_every": 100,
        "report_every": 10,
    },
}

COMMANDS = {"": Command(options=Config, presets=PRESETS)}
