"""Whether data will do for what is to be trained on them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxnoise.bijectors.chain import side_factor
from jaxnoise.errors import DataError, UsageError

ROUNDING = 2.0**-20
"""Noise that varies less is constant: its differences are those of float32 at full scale 1."""


def check_patch_size(data: Any, *, arch: str) -> None:
    """Raises when an architecture squeezes patches whose sides it cannot halve as often.

    Args:
        data: a data set of `datasets.pipeline`.
        arch: the architecture.

    Raises:
        UsageError: names the nearest patch sizes that work.
    """
    factor, size = side_factor(arch, channels=data.channels), data.patch_size
    if size % factor:
        below = size // factor * factor
        nearest = [str(good) for good in (below, below + factor) if good]
        raise UsageError(
            f"the architecture {arch} squeezes patches whose sides divide by {factor}, and these "
            f"have {size} pixels: use --patch-size {' or '.join(nearest)}."
        )


def require_shots(data: Any) -> None:
    """Raises when a data set has no noisy images of known cameras to train and to choose by.

    Args:
        data: a data set of `datasets.pipeline`.

    Raises:
        DataError: says what to give.
    """
    absent = [split for split in ("train", "validation", "test") if not data.sizes[split]]
    if absent:
        raise DataError(
            f"{data.name} has no patches in its {absent[0]} split, so that nothing can be trained "
            "and judged on it: give another --dataset."
        )
    missing = [name for name in ("noisy", "camera", "iso") if name not in data.fields["train"]]
    if missing:
        what = "noisy images" if "noisy" in missing else "cameras and ISO numbers"
        raise DataError(
            f"{data.name} has no {what}, which this trainer needs: give noisy images with an "
            "index.csv by --dataset pairs --source FOLDER."
        )


def check_noise(batch: Mapping[str, np.ndarray], *, name: str) -> None:
    """Raises when the training patches that the models start from have no noise to learn.

    Args:
        batch: training patches, as `first_patches` returns them.
        name: of the data set, for the sentence.

    Raises:
        DataError: their noise is constant in a channel or not finite.
    """
    noise = batch["noisy"] - batch["clean"]
    if not np.isfinite(noise).all():
        raise DataError(
            f"the noise of {name} is not finite in some training patches: look for broken "
            "images in the data."
        )
    if (np.ptp(noise, axis=(0, 1, 2)) < ROUNDING).any():
        raise DataError(
            f"the noise of {name} is constant in the training patches: give noisy and clean "
            "images that differ."
        )


def require_clean(
    data: Any,
    splits: Sequence[str],
    *,
    instead: str = "train.noise2noiseflow learns from noisy pairs",
) -> None:
    """Raises when a data set lacks the clean images that a model of the noise alone needs.

    Args:
        data: a data set of `datasets.pipeline`.
        splits: those that have to have them, where they have patches at all.
        instead: what to do where training has none.

    Raises:
        DataError: names the first split without them.
    """
    for split in splits:
        if data.sizes[split] and split not in data.clean_splits:
            name = "training" if split == "train" else split
            advice = (
                instead
                if split == "train"
                else "models are compared on them, so name them in the data"
            )
            raise DataError(f"{data.name} has no clean images in its {name} split: {advice}.")
