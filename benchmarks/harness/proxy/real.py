"""Real noisy photographs, and what a denoiser makes of them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness.proxy.clean import read_photograph
from datasets.pairs.index import read_index
from datasets.pairs.splits import Pair
from jaxnoise.metrics import psnr, ssim

SSIM = "skimage"
"""Settings of SSIM: a uniform window of 7 x 7, sample covariance; data range 1."""
NUMBERS = ("psnr", "ssim", "psnr_without_offset")

Denoise = Callable[[np.ndarray], np.ndarray]
"""From a noisy image, (H, W, C) as a fraction of full scale, to the estimate of the clean one."""


@dataclass(frozen=True)
class RealSet:
    """Pairs of real photographs.

    Attributes:
        folder: that holds them.
        pairs: in the order of its index.
        digest: of index and files.
    """

    folder: Path
    pairs: tuple[Pair, ...]
    digest: str

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.folder.name

    def only(self, split: str) -> "RealSet":
        """The pairs of a split; those for validation count as training."""
        found = tuple(pair for pair in self.pairs if (pair.split == "test") == (split == "test"))
        return RealSet(self.folder, found, self.digest)

    def images(self) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """Name, noisy and clean image of each pair."""
        for pair in self.pairs:
            noisy, clean = (
                read_photograph(self.folder / name) for name in (pair.noisy, pair.clean)
            )
            yield pair.noisy, noisy, clean


def open_sets(folders: Sequence[Path]) -> list[RealSet]:
    """The pairs of each folder.

    Args:
        folders: each with an index.csv, as the data set `pairs` reads it.
    """
    found = []
    for folder in folders:
        index = read_index(folder)
        found.append(RealSet(folder, index.pairs, index.digest))
    return found


def quality(estimate: np.ndarray, clean: np.ndarray) -> dict[str, float]:
    """How close an estimate is to the clean image.

    Args:
        estimate: shape (H, W, C), fraction of full scale; clipped here.
        clean: same shape and unit.

    Returns:
        `NUMBERS`: the last one after the mean difference of each channel is taken away, since some
        shots are a little brighter or darker than what they are compared with.
    """
    estimate, clean = np.clip(estimate, 0.0, 1.0).astype(np.float64), clean.astype(np.float64)
    offset = (estimate - clean).mean((0, 1))
    return {
        "psnr": float(psnr(estimate, clean)),
        "ssim": float(ssim(estimate, clean, preset=SSIM)),
        "psnr_without_offset": float(psnr(estimate - offset, clean)),
    }


def judge(denoise: Denoise, sets: Sequence[RealSet]) -> dict[str, dict[str, Any]]:
    """How well whole images are denoised.

    Args:
        denoise: the denoiser.
        sets: of pairs.

    Returns:
        By set, the mean of each of `NUMBERS` over its images, and "images" with them all by name.
    """
    found = {}
    for one in sets:
        images = {name: quality(denoise(noisy), clean) for name, noisy, clean in one.images()}
        means = {key: float(np.mean([row[key] for row in images.values()])) for key in NUMBERS}
        found[one.name] = {
            **means,
            "images": {
                name: [round(row[key], 4) for key in NUMBERS] for name, row in images.items()
            },
        }
    return found


def judge_model(model: Path, sets: Sequence[RealSet]) -> dict[str, dict[str, Any]]:
    """`judge` for a trained denoiser, which works on images in tiles.

    Args:
        model: its folder.
        sets: of pairs.
    """
    from jaxnoise.io import load_model
    from jaxnoise.models.denoiser import denoise_image

    _, config, variables = load_model(model)
    return judge(partial(denoise_image, variables, config), sets)
