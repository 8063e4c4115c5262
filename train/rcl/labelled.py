"""The images of a run, and the labels that are taken of each split of them."""

from collections.abc import Callable
from typing import Any

from datasets.crops import ImageData
from datasets.labels import Labels, take_labels
from jaxnoise.tasks import TASKS
from train.rcl.images import FULL_SCALE, opened_images, size_of, tile_of


class LabelledImages:
    """Labels of a task, of a number of images.

    Args:
        images: whole images, or patches as images.
        task: one of `jaxnoise.tasks.TASKS`.
        config: the run's options.
    """

    def __init__(self, images: ImageData, task: str, config: Any):
        self.images, self.task, self.config = images, task, config
        self._taken: dict[str, Labels] = {}

    @property
    def name(self) -> str:
        """Name that the images were opened by."""
        return self.images.name

    @property
    def fingerprint(self) -> str:
        """sha256 of all that the images depend on."""
        return self.images.fingerprint

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for a report."""
        return (*self.images.notes, *self._of_noise())

    def _of_noise(self) -> list[str]:
        config = self.config
        if not TASKS[self.task].noisy:
            return ["Inputs are made of the clean images, without noise."]
        if config.levels == "none":
            return ["The noise is that of the images."]
        known = config.levels in ("uniform", "normalised")
        most = f" up to {config.highest_sigma:g} of 255" if known else ""
        side = tile_of(config, self.images)
        what = "image" if side is None else f"tile of {side} x {side} pixels"
        return [
            "Noise is simulated on what the network sees: normal, white, not clipped, of one shot "
            f"and one read noise for each {what} (levels '{config.levels}'{most}, seed "
            f"{config.data_seed})."
        ]

    def other_shot(self, split: str) -> bool:
        """Whether targets of a split are other noisy shots: where `--labels other-shot` has them,
        but for a test that has clean images.

        Args:
            split: train, validation or test.
        """
        if getattr(self.config, "labels", "clean") != "other-shot":
            return False
        return split != "test" or "clean" not in self.images.fields.get(split, ())

    def labels(self, split: str) -> Labels:
        """The labels of a split, which are taken once.

        Args:
            split: train, validation or test.

        Raises:
            UsageError: there are fewer than were asked for.
        """
        if split not in self._taken:
            self._taken[split] = self._take(split)
        return self._taken[split]

    def _take(self, split: str) -> Labels:
        config = self.config
        wanted: dict[str, Any] = {}
        if split == "train":
            wanted |= {"count": config.label_count, "images": config.label_images}
        else:
            most = config.validation_patches if split == "validation" else config.test_patches
            wanted["most"] = most
        return take_labels(
            self.images,
            split,
            task=self.task,
            size=size_of(config),
            levels=config.levels,
            highest=config.highest_sigma / FULL_SCALE,
            seed=config.data_seed,
            other_shot=self.other_shot(split),
            tile=tile_of(config, self.images),
            **wanted,
        )


def opened(config: Any, task: str) -> dict[str, Callable[[], LabelledImages]]:
    """What opens the images of a run.

    Args:
        config: its options.
        task: one of `jaxnoise.tasks.TASKS`.
    """

    def images() -> LabelledImages:
        found = opened_images(config, patch_size=size_of(config))
        return LabelledImages(found, task, config)

    return {"data": images}
