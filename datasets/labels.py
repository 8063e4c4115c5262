"""Labels: what a network sees, beside what it should make of it, for training on few of them.

A label is one crop of an image, with a draw of noise of its own.
"""

from collections.abc import Sequence, Sized
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from datasets.crops import ImageData
from datasets.label_makers import Maker, Simulated, Stored
from datasets.label_places import Place, places_by_image, round_robin
from datasets.noisy_images import Levels, check_photographs
from datasets.order import shuffled
from datasets.views import Batch
from datasets.whole_images import Images
from jaxnoise.errors import UsageError
from jaxnoise.noise import random_levels
from jaxnoise.noise.camera import generator
from jaxnoise.tasks import Task
from jaxnoise.tasks import task as task_of

SIZE = 64
AS_THEY_ARE = "none"
"""Levels of the noise that images have already."""
MOST_BYTES = 8 * 2**30
"""Of labels, all of which are held in memory."""


@dataclass(frozen=True)
class Labels:
    """Labels of one task.

    Attributes:
        inputs: what a network sees, (n, h, w, c) float32, fraction of full scale: 3 channels of
            colour or 4 of packed raw.
        targets: what it should make of it, (n, H, W, 3) float32.
        image: number of the image that each is of, (n,) int32.
    """

    inputs: np.ndarray
    targets: np.ndarray
    image: np.ndarray

    def __len__(self) -> int:
        return len(self.inputs)

    def batch(self, *, seed: int, step: int, batch_size: int, turns: bool = False) -> Batch:
        """Shuffled training batch that depends on (seed, step) alone.

        Args:
            seed: seed of the order, 0 to 2^32 - 1.
            step: number of the batch, from 0.
            batch_size: N, at least 1. The N labels are different ones where there are as many; else
                each is taken equally often, give or take one.
            turns: turns and mirrors each at random, inputs in colour alone: on a mosaic the colours
                would change places.

        Returns:
            inputs, targets and image of N labels.

        Raises:
            UsageError: the numbers are out of range, or raw inputs are to be turned.
        """
        if batch_size < 1 or step < 0 or not 0 <= seed < 2**32:
            raise UsageError(
                f"a batch of {batch_size} labels at step {step} with the seed {seed} is none: give "
                "at least one label, a step from 0 and a seed from 0 to 2^32 - 1."
            )
        if turns and self.inputs.shape[-1] != 3:
            raise UsageError("packed raw cannot be turned without its colours changing places.")
        rows = shuffled("labels", seed, count=len(self), step=step, batch_size=batch_size)
        inputs, targets = self.inputs[rows], self.targets[rows]
        if turns:
            which = generator("turns", seed, step).integers(8, size=batch_size).tolist()
            inputs, targets = (_turned(images, which) for images in (inputs, targets))
        return {"inputs": inputs, "targets": targets, "image": self.image[rows]}


def take_labels(
    data: ImageData,
    split: str,
    *,
    task: str,
    size: int = SIZE,
    count: int | None = None,
    most: int | None = None,
    images: int | None = None,
    levels: str = "uniform",
    highest: float = random_levels.HIGHEST,
    seed: int = 0,
    other_shot: bool = False,
    tile: int | None = None,
) -> Labels:
    """Labels of the images of a split, of as many images as possible.

    Crops lie side by side and share nothing. The first labels are one of each image in a seeded
    order, the next ones a second of each, and so on, so that fewer labels are the first of more.
    Noise has the shot and read noise that `datasets.noisy_images` draws for the image with the same
    seed, and is drawn for each label anew; tiles have levels of their own, which are not those of
    its tiles.

    Args:
        data: whole photographs in colour; for `levels` "none" any images in colour, or patches,
            that are noisy.
        split: train, validation or test.
        task: one of `jaxnoise.tasks.TASKS`.
        size: side of a target in pixels, a multiple of the task's factor.
        count: number of labels; None for all.
        most: number of labels to stop after, where there are as many.
        images: number of images to take labels of; None for all.
        levels: preset of `jaxnoise.noise.random_levels`, or "none" for the noise that images have;
            no matter for tasks without noise.
        highest: largest standard deviation, as a fraction of full scale, where the preset has one.
        seed: of the order and of the noise.
        other_shot: targets are a second draw of the noise, or the second shot, instead of clean.
        tile: side of squares of an image that have noise levels of their own, which a label takes
            from where it begins; None for one level an image.

    Raises:
        UsageError: the images do not have what is asked for, or have less of it.
    """
    entry = task_of(task)
    _check_numbers(entry, size, images=images, count=count, most=most, tile=tile)
    if other_shot and task != "denoise":
        raise UsageError(f"a second shot is no target for the task {task}: take clean ones.")
    options: Any = {"levels": Levels(levels, highest, seed), "other_shot": other_shot, "tile": tile}
    maker = _maker(data, split, entry, size, **options)
    source, crop = data._images[split], f"{size}x{size} pixels"
    by_image = places_by_image(source, split, size=size, seed=seed)
    if images is not None:
        _check_enough(data, f"images of {split} with room for {crop}", images, by_image)
        by_image = by_image[:images]
    places = round_robin(by_image)
    what = f"labels of {crop} in {'' if images is None else f'{images} images of '}{split}"
    _check_enough(data, what, 1 if count is None else count, places)
    return _made(source, places[:count][:most], maker, entry, size)


def _maker(
    data: ImageData,
    split: str,
    task: Task,
    size: int,
    *,
    levels: Levels,
    other_shot: bool,
    tile: int | None,
) -> Maker:
    """What makes labels of images, which must have what it needs."""
    if split not in data._images:
        choice = ", ".join(data._images)
        raise UsageError(f"{data.name} has no split '{split}': choose one of {choice}.")
    if levels.preset != AS_THEY_ARE or not task.noisy:
        check_photographs(data)
        _require(data, split, "clean")
        return Simulated(task, split, size, levels, other_shot, tile)
    if task.raw or task.factor > 1:
        raise UsageError(
            f"inputs of the task {task.name} are made of clean images: give other levels than "
            f"'{AS_THEY_ARE}'."
        )
    if data.channels != 3:
        raise UsageError(
            f"{data.name} has images of {data.channels} channels, and labels are in colour: give "
            "RGB images."
        )
    target = "noisy2" if other_shot else "clean"
    for kind in ("noisy", target):
        _require(data, split, kind)
    return Stored(target, size)


def _made(source: Images, places: Sequence[Place], maker: Maker, task: Task, size: int) -> Labels:
    """Labels of some places."""
    count, small = len(places), size // task.factor
    shapes = ((count, small, small, task.channels), (count, size, size, 3))
    wanted = 4 * sum(int(np.prod(shape)) for shape in shapes)
    if wanted > MOST_BYTES:
        raise UsageError(
            f"{count} labels take {wanted / 2**30:.0f} GiB of memory: ask for "
            f"{count * MOST_BYTES // wanted} of them or fewer."
        )
    inputs, targets = (np.empty(shape, np.float32) for shape in shapes)
    numbers = np.empty(count, np.int32)
    rows = sorted(range(count), key=places.__getitem__)
    # Each image is read once, whatever the order of the labels.
    for place, of_image in groupby(rows, key=lambda row: places[row].image):
        image, here = source.read(place), list(of_image)
        labels = maker.labels(image, [places[row] for row in here])
        for row, (seen, target) in zip(here, labels, strict=True):
            inputs[row], targets[row], numbers[row] = seen, target, image["image"]
    return Labels(inputs, targets, numbers)


def _check_numbers(task: Task, size: int, **numbers: int | None) -> None:
    if size < 1 or size % task.factor:
        raise UsageError(
            f"a target of {size} pixels is no multiple of the {task.factor} of the task "
            f"{task.name}: give another size."
        )
    for name, number in numbers.items():
        if number is not None and number < 1:
            raise UsageError(f"{name} is {number}, and labels are of 1 or more: give a larger one.")


def _check_enough(data: ImageData, what: str, wanted: int, found: Sized) -> None:
    if len(found) < wanted:
        raise UsageError(
            f"{data.name} has {len(found)} {what}, and {wanted} are asked for: ask for fewer, or "
            "give a smaller size or more images."
        )


def _require(data: ImageData, split: str, kind: str) -> None:
    if kind not in data._images[split].kinds:
        raise UsageError(
            f"{data.name} has no {kind} images in {split}, which labels need here: give images "
            "that have them, or other levels or targets."
        )


def _turned(images: np.ndarray, which: Sequence[int]) -> np.ndarray:
    """Square images, each turned and mirrored in one of eight ways."""
    rows = [
        np.rot90(image if way < 4 else image.swapaxes(0, 1), way % 4)
        for image, way in zip(images, which, strict=True)
    ]
    return np.stack(rows)
