"""Crops of clean images as packed raw: of photographs the mosaic, or what a sensor would have seen.

Two crops of each image, at places that keep the colours of the mosaic; a batch is a pure function
of (seed, step).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from datasets.crops import ImageData, Views, negatives
from datasets.places import Overlap
from datasets.views import Batch
from jaxnoise.errors import DataError
from jaxnoise.noise.camera import generator
from jaxnoise.raw import pack
from jaxnoise.raw.isp import unprocess

KINDS = ("mosaic", "unprocess")
"""What is made of photographs: their values under a mosaic, or what came before the colours."""
RED_GAINS, BLUE_GAINS = (1.9, 2.4), (1.5, 1.9)
"""White balance that is undone, one draw for each image; Brooks et al. 2019, Section 3.2."""


@dataclass(frozen=True)
class RawCrops:
    """Two crops of each of many images, as packed raw.

    Attributes:
        images: clean images of 1 channel (a mosaic, or a grey photograph, which is one), 3 (sRGB
            photographs) or 4 (packed raw).
        patch_size: side P of the crops in packed pixels, which are 2 x 2 of the mosaic.
        overlap: smallest and largest part of a crop that the other one shares.
        kind: one of `KINDS`; matters for photographs in colour alone.
    """

    images: ImageData
    patch_size: int
    overlap: Overlap | None
    kind: str = "mosaic"
    channels: int = field(default=4, init=False)

    def __post_init__(self):
        """Refuses images of other numbers of channels.

        Raises:
            DataError: says which they have.
        """
        if self.images.channels not in (1, 3, 4):
            raise DataError(
                f"{self.images.name} has images of {self.images.channels} channels: give sRGB "
                "photographs, mosaics of one channel, or packed raw of four."
            )

    @property
    def name(self) -> str:
        """Name that the images were opened by."""
        return self.images.name

    @property
    def fingerprint(self) -> str:
        """sha256 of all that the records depend on."""
        return self.images.fingerprint

    @property
    def sizes(self) -> dict[str, int]:
        """Number of images of each split."""
        return self.images.sizes

    @property
    def is_linear(self) -> bool:
        """Whether values are taken to be linear in light, which those of a photograph are not."""
        return self.images.channels == 4 or self.kind == "unprocess"

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for a report."""
        made = {
            1: "Images of one channel are taken as RGGB mosaics.",
            3: "Photographs become raw by leaving out what an RGGB mosaic does not see of them."
            if self.kind == "mosaic"
            else "Photographs become raw by undoing tone curve, gamma, colour matrix and white "
            "balance, and then leaving out what an RGGB mosaic does not see.",
            4: "The images are packed raw.",
        }
        return (*self.images.notes, made[self.images.channels])

    def views(self, split: str) -> Views:
        """The crops of a split as they are taken of its images.

        Raises:
            UsageError: there is no such split, or no image that is large enough.
        """
        return self._views[split] if split in self._views else self._open(split)

    def batch(self, split: str, *, seed: int, step: int, batch_size: int) -> Batch:
        """Shuffled training batch that depends on (seed, step) alone.

        Args:
            split: train, validation or test.
            seed: seed of order and places.
            step: number of the batch, from 0.
            batch_size: N, at least 1.

        Returns:
            first, second: (N, P, P, 4) float32 in R, Gr, Gb, B order, fraction of full scale;
            negatives: (N, N) bool, True where the second crop of one row shows nothing of the first
            of another; offsets and image as `datasets.crops` has them.
        """
        views = self.views(split)
        return self._raw(views, views.batch(seed=seed, step=step, batch_size=batch_size))

    def batches(self, split: str, *, batch_size: int, limit: int) -> Iterator[Batch]:
        """Full batches at places that are always the same.

        Args:
            split: train, validation or test.
            batch_size: N, at least 1.
            limit: number of pairs of crops at most, of which as many as fill batches are taken, and
                one batch at least.

        Yields:
            The fields of `batch`.
        """
        views = self.views(split)
        count = batch_size * max(limit // batch_size, 1)
        per_image = -(-count // len(views))
        for made in views.batches(batch_size=batch_size, limit=count, per_image=per_image):
            yield self._raw(views, made)

    @cached_property
    def _views(self) -> dict[str, Views]:
        return {}

    def _open(self, split: str) -> Views:
        packed = self.images.channels == 4
        size, step = (self.patch_size, 1) if packed else (2 * self.patch_size, 2)
        self._views[split] = self.images.views(
            split, size=size, step=step, overlap=self.overlap, kind="clean"
        )
        return self._views[split]

    def _raw(self, views: Views, made: Batch) -> Batch:
        apart = negatives(made, size=views.size)
        kept = {name: made[name] for name in ("offsets", "image")}
        crops = {name: self._packed(made[name], made["image"]) for name in ("first", "second")}
        return {**crops, **kept, "negatives": apart}

    def _packed(self, crops: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        channels = crops.shape[-1]
        if channels == 4:
            return crops
        if channels == 1:
            return pack(crops[..., 0])
        if self.kind == "unprocess":
            crops = np.stack([_unprocessed(*pair) for pair in zip(crops, numbers, strict=True)])
        rows = [pack(crops[..., colour])[..., place] for place, colour in enumerate((0, 1, 1, 2))]
        return np.stack(rows, axis=-1)


def _unprocessed(crop: np.ndarray, number: int) -> np.ndarray:
    """Linear camera colour of a crop, by the white balance of its image."""
    random = generator("white balance", int(number))
    red, blue = random.uniform(*RED_GAINS), random.uniform(*BLUE_GAINS)
    return unprocess(crop, red_gain=red, blue_gain=blue).astype(crop.dtype)
