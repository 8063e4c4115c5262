"""Two crops of each of many noisy images, for what learns from the noise that they share.

A batch is a pure function of (seed, step).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from datasets.crops import ImageData, Views
from datasets.places import Overlap
from datasets.views import Batch
from jaxnoise.errors import DataError, UsageError
from jaxnoise.raw import pack

VIEWS = ("first", "second")


@dataclass(frozen=True)
class NoisyCrops:
    """Two noisy crops of each of many images.

    Attributes:
        images: noisy images of 1 channel (an RGGB mosaic), 3 (colour) or 4 (packed raw).
        patch_size: side P of the crops in pixels of the image or of its mosaic; even for raw.
        overlap: smallest and largest part of a crop that the other one shares; None for any places.
        others: kinds to crop alike, those that a split has.
    """

    images: ImageData
    patch_size: int
    overlap: Overlap | None = None
    others: tuple[str, ...] = ("noisy2", "clean")

    def __post_init__(self):
        """Refuses images of other numbers of channels, and raw of odd sides.

        Raises:
            DataError: says which channels they have.
            UsageError: the side is odd.
        """
        if self.images.channels not in (1, 3, 4):
            raise DataError(
                f"{self.images.name} has images of {self.images.channels} channels: give images "
                "in colour, mosaics of one channel, or packed raw of four."
            )
        if self.is_raw and self.patch_size % 2:
            raise UsageError(
                f"a crop of {self.patch_size} pixels of a mosaic cannot be packed: give an even "
                "size."
            )

    @property
    def name(self) -> str:
        """Name that the images were opened by."""
        return self.images.name

    @property
    def fingerprint(self) -> str:
        """sha256 of all that the images depend on."""
        return self.images.fingerprint

    @property
    def sizes(self) -> dict[str, int]:
        """Number of images of each split."""
        return self.images.sizes

    @property
    def is_raw(self) -> bool:
        """Whether noisy crops are packed raw."""
        return self.images.channels != 3

    @property
    def channels(self) -> int:
        """Channels of a noisy crop: 4 for raw, else 3."""
        return 4 if self.is_raw else 3

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for a report."""
        made = {
            1: ("Noisy images of one channel are taken as RGGB mosaics.",),
            3: (),
            4: ("The images are packed raw.",),
        }
        return (*self.images.notes, *made[self.images.channels])

    def kinds(self, split: str) -> tuple[str, ...]:
        """Which of `others` there are in a split."""
        return tuple(kind for kind in self.others if kind in self.images.fields.get(split, ()))

    def views(self, split: str) -> Views:
        """The crops of a split as they are taken of its images.

        Raises:
            UsageError: there is no such split, no noisy image or none that is large enough.
        """
        return self._views[split] if split in self._views else self._open(split)

    def has_several_images(self, split: str) -> bool:
        """Whether crops of a split are of two images or more; patches of one are one.

        Raises:
            UsageError: as for `views`.
        """
        views = self.views(split)
        # The last patch is most often of another image than the first, so that few are read.
        first, *others = views.places.tolist()
        number = views.images.read(first)["image"]
        return any(views.images.read(place)["image"] != number for place in reversed(others))

    def batch(self, split: str, *, seed: int, step: int, batch_size: int) -> Batch:
        """Shuffled training batch that depends on (seed, step) alone.

        Args:
            split: train, validation or test.
            seed: seed of order and places, 0 to 2^32 - 1.
            step: number of the batch, from 0.
            batch_size: N, at least 1.

        Returns:
            first, second: noisy crops, float32, fraction of full scale, (N, P, P, 3), or for raw
            (N, P/2, P/2, 4) in R, Gr, Gb, B order; first_noisy2 and second_noisy2 alike, and
            first_clean and second_clean, those of simulated raw (N, P, P, 3), where the split has
            such; negatives (N, N) bool, True where two rows are of different images; offsets
            (N, 2, 2) and image (N,) as `datasets.views` has them.
        """
        made = self.views(split).batch(seed=seed, step=step, batch_size=batch_size)
        return self._made(split, made)

    def batches(self, split: str, *, batch_size: int, limit: int) -> Iterator[Batch]:
        """Full batches at places that are always the same.

        Args:
            split: train, validation or test.
            batch_size: N, at least 1.
            limit: number of pairs of crops at most, of which as many as fill batches are taken, and
                one batch at least; the images take turns.

        Yields:
            The fields of `batch`.
        """
        if batch_size < 1:
            raise UsageError("a batch has at least one image: give a larger batch size.")
        views = self.views(split)
        count = batch_size * max(limit // batch_size, 1)
        per_image = -(-count // len(views))
        limits = {"batch_size": batch_size, "limit": count, "per_image": per_image}
        for made in views.batches(**limits, in_turn=True):
            yield self._made(split, made)

    @cached_property
    def _views(self) -> dict[str, Views]:
        return {}

    def _open(self, split: str) -> Views:
        packed = self.images.channels == 4
        views = self.images.views(
            split,
            size=self.patch_size // 2 if packed else self.patch_size,
            step=2 if self.images.channels == 1 else 1,
            overlap=self.overlap,
            kind="noisy",
            paired=self.kinds(split),
        )
        if self.overlap is None and not _has_places(views):
            raise UsageError(
                f"the images of {self.name} in {split} have one place for a crop of "
                f"{self.patch_size} pixels, and two crops at it are the same: give a smaller crop, "
                "or larger patches."
            )
        self._views[split] = views
        return views

    def _made(self, split: str, made: Batch) -> Batch:
        suffixes = ("", *(f"_{kind}" for kind in self.kinds(split)))
        names = [view + suffix for suffix in suffixes for view in VIEWS]
        kept = {name: made[name] for name in ("offsets", "image")}
        # Two crops of one image have its noise alike, wherever they lie: they are no contrast.
        apart = made["image"][:, None] != made["image"][None, :]
        return {**{name: _packed(made[name]) for name in names}, **kept, "negatives": apart}


def _packed(crops: np.ndarray) -> np.ndarray:
    """Crops of mosaics as packed raw; others as they are."""
    return pack(crops[..., 0]) if crops.shape[-1] == 1 else crops


def _has_places(views: Views) -> bool:
    """Whether some image has more than one place for a crop."""
    return bool((views.images.sizes[views.places] >= views.size + views.step).any())
