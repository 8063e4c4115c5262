"""How a label is made of a crop: its image made worse as a task has it, or two shots."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from datasets.label_places import Place
from datasets.noisy_images import SHOTS, Levels, add_noise
from datasets.whole_images import full_scale
from jaxnoise.noise.camera import generator
from jaxnoise.raw import mosaic_rgb, pack
from jaxnoise.tasks import Task

Label = tuple[np.ndarray, np.ndarray]
"""Input and target."""


class Maker(Protocol):
    """Makes labels of crops of one image."""

    def labels(self, image: Mapping[str, np.ndarray], places: Iterable[Place]) -> Iterator[Label]:
        """Input and target of each place, float32 fractions of full scale.

        Args:
            image: an image by kind as stored, and its number as `image`.
            places: of crops in it.
        """
        ...


@dataclass(frozen=True)
class Simulated:
    """Labels of clean photographs in colour.

    Attributes:
        task: what inputs are made for.
        split: that the images are of.
        size: side of a target.
        levels: shot and read noise of images.
        other_shot: whether targets have a second draw of noise.
        tile: side of squares that have levels of their own; None where each image has one.
    """

    task: Task
    split: str
    size: int
    levels: Levels
    other_shot: bool = False
    tile: int | None = None

    def labels(self, image: Mapping[str, np.ndarray], places: Iterable[Place]) -> Iterator[Label]:
        """Input and target of each place."""
        clean, number = full_scale(image["clean"]), int(image["image"])
        for place in places:
            shot, read = self._levels(clean, number, place) if self.task.noisy else (0.0, 0.0)
            names = ("label", self.levels.seed, self.split, number, place.top, place.left)
            first, second = (generator(*names, kind) for kind in SHOTS)
            target = cropped(clean, place, self.size)
            seen = degraded(target, self.task)
            if self.task.noisy:
                seen = add_noise(seen, shot, read, first)
            if self.other_shot:
                target = add_noise(target, shot, read, second)
            yield seen, target

    def _levels(self, clean: np.ndarray, number: int, place: Place) -> tuple[float, float]:
        """Shot and read noise of the image, or of the tile that a place begins in."""
        if self.tile is None:
            return self.levels.of(self.split, number, clean)
        row, column = place.top // self.tile, place.left // self.tile
        inside = cropped(clean, Place(0, row * self.tile, column * self.tile), self.tile)
        return self.levels.of(self.split, number, inside, part=(row, column))


@dataclass(frozen=True)
class Stored:
    """Labels of noisy images as they are.

    Attributes:
        target: kind that targets are of: clean or noisy2.
        size: side of a crop.
    """

    target: str
    size: int

    def labels(self, image: Mapping[str, np.ndarray], places: Iterable[Place]) -> Iterator[Label]:
        """Input and target of each place."""
        for place in places:
            noisy, target = (
                full_scale(cropped(image[kind], place, self.size))
                for kind in ("noisy", self.target)
            )
            yield noisy, target


def cropped(image: np.ndarray, place: Place, size: int) -> np.ndarray:
    """The part of an image at a place, (size, size, C)."""
    return image[place.top : place.top + size, place.left : place.left + size]


def degraded(clean: np.ndarray, task: Task) -> np.ndarray:
    """What a network for a task would see of a clean image if it had no noise.

    Args:
        clean: shape (H, W, 3), sides that are multiples of the task's factor.
        task: averages over 2x2 pixels if it is one of small images, and then keeps what an RGGB
            mosaic sees if it is one of raw.

    Returns:
        Shape (H, W, C) / factor, packed in R, Gr, Gb, B order for raw.
    """
    if task.small:
        height, width, channels = clean.shape
        squares = clean.reshape(height // 2, 2, width // 2, 2, channels)
        clean = squares.mean(axis=(1, 3), dtype=clean.dtype)
    return pack(mosaic_rgb(clean)) if task.raw else clean
