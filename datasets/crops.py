"""Whole images by name, of which crops are taken."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from datasets import registry
from datasets.opening import open_records_of
from datasets.pipeline import NoiseData, open_dataset, whole_images
from datasets.places import Overlap, check_overlap
from datasets.registry import SPLITS
from datasets.source_files import AS_USUAL, Reading
from datasets.views import Views, negatives, with_large_enough
from datasets.whole_images import Images, PatchImages
from jaxnoise.errors import UsageError

__all__ = ["ImageData", "Views", "negatives", "open_images", "patches_as_images"]

OVERLAP = (0.25, 1.0)


@dataclass(frozen=True)
class ImageData:
    """Whole images of one data set.

    Attributes:
        name: name the data were opened by.
        fingerprint: sha256 of all that the records depend on, in hexadecimal.
        folder: folder of the records.
        channels: channels of an image.
        notes: sentences for a report.
        sizes: number of images of each split.
        fields: names of what there is of each image of a split: clean, noisy, image, scene.
        scenes: names of the scenes; `scene` of a batch indexes them; () where they are not known.
    """

    name: str
    fingerprint: str
    folder: Path
    channels: int
    notes: tuple[str, ...]
    sizes: dict[str, int]
    fields: dict[str, tuple[str, ...]]
    scenes: tuple[str, ...]
    _images: Mapping[str, Images] = field(repr=False, compare=False)

    def has_room(self, side: int) -> bool:
        """Whether every split has an image with both sides as long as this, in pixels."""
        found = self._images.values()
        return all(bool((images.sizes.min(axis=1) >= side).any()) for images in found)

    def views(
        self,
        split: str,
        *,
        size: int,
        overlap: Overlap | None = OVERLAP,
        step: int = 1,
        kind: str | None = None,
        paired: tuple[str, ...] = (),
    ) -> Views:
        """Two crops of each image of a split.

        Args:
            split: train, validation or test.
            size: side of the crops in pixels.
            overlap: smallest and largest part of a crop that the other one shares; (0, 0) for
                crops that share nothing, None for any places.
            step: offsets are multiples of it; 2 for Bayer mosaics.
            kind: which images to crop; None for the clean ones where there are any.
            paired: other kinds to crop alike.

        Raises:
            UsageError: if there is no such split or kind, or no image is large enough.
        """
        check_overlap(overlap)
        if size < 1 or step < 1:
            raise UsageError(f"crops of {size} pixels at steps of {step} are none: give 1 or more.")
        if split not in self._images:
            choice = ", ".join(name for name in SPLITS if name in self._images)
            raise UsageError(f"{self.name} has no split '{split}': choose one of {choice}.")
        images = self._images[split]
        kind = images.kinds[0] if kind is None else kind
        for wanted in (kind, *paired):
            if wanted not in images.kinds:
                raise UsageError(
                    f"{self.name} has no {wanted} images in {split}: choose one of "
                    f"{', '.join(images.kinds)}."
                )
        views = Views(
            images=images,
            split=split,
            size=size,
            step=step,
            overlap=overlap,
            kind=kind,
            paired=tuple(paired),
            places=np.array([], np.int64),
            notes=(),
        )
        return with_large_enough(self.name, views)


def open_images(
    name: str = "images",
    *,
    source: Path | None = None,
    data_dir: Path | None = None,
    patch_size: int | None = None,
    seed: int = 0,
    reading: Reading = AS_USUAL,
) -> ImageData:
    """Images of a data set: whole ones, or the patches of a data set that is cut into patches.

    Args:
        name: images, images/noisy, or any other data set, whose patches are then the images.
        source: folder of the user's files; see `datasets.pipeline.open_dataset`.
        data_dir: folder of prepared records; None for a folder in the user's cache.
        patch_size: side of the patches where the images are patches; None for the default.
        seed: seed of simulated draws.
        reading: how files of `source` are read, for pairs and images.

    Raises:
        UsageError: if the name, the options or the folder of records are wrong.
        DataError: if the images are missing or damaged.
    """
    if not registry.get(name).whole_images:
        data = open_dataset(
            name,
            source=source,
            data_dir=data_dir,
            patch_size=patch_size,
            seed=seed,
            reading=reading,
        )
        return patches_as_images(data)
    opened = open_records_of(
        name, source=source, data_dir=data_dir, patch_size=None, seed=seed, reading=reading
    )
    images = whole_images(opened)
    return ImageData(
        name=name,
        fingerprint=opened.fingerprint,
        folder=opened.folder,
        channels=opened.facts["channels"],
        notes=tuple(opened.facts["notes"]),
        sizes={split: len(images[split]) if split in images else 0 for split in SPLITS},
        fields={split: (*found.kinds, *found.numbers) for split, found in images.items()},
        scenes=tuple(opened.facts["scenes"]),
        _images=images,
    )


def patches_as_images(data: NoiseData) -> ImageData:
    """Patches of a data set as images, of which crops are taken; `image` stays the number of the
    image that a patch is of.

    Args:
        data: patches of `datasets.pipeline`.
    """
    images = {
        split: PatchImages(records, data.patch_size) for split, records in data._records.items()
    }
    return ImageData(
        name=data.name,
        fingerprint=data.fingerprint,
        folder=data.folder,
        channels=data.channels,
        notes=data.notes,
        sizes=data.sizes,
        fields=data.fields,
        scenes=data.scenes,
        _images=images,
    )
