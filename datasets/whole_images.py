"""Whole images of one split by number, and the patches that they are cut into."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from datasets.quantisation import STEPS, dequantisation_step, fraction_of_scale
from datasets.records import MEMORY_LIMIT, read_examples
from jaxnoise.errors import UsageError

KINDS = ("clean", "noisy", "noisy2")


class Images(Protocol):
    """Images by their place in a split."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """What there is of each: clean, noisy."""
        ...

    @property
    def numbers(self) -> tuple[str, ...]:
        """Fields of each beside its images: image, scene."""
        ...

    @property
    def sizes(self) -> np.ndarray:
        """Height and width of each image, (M, 2)."""
        ...

    def read(self, place: int) -> dict[str, np.ndarray]:
        """Images by kind, (H, W, C) as stored, and the other fields."""
        ...


@dataclass(frozen=True)
class WholeImages:
    """Images of records, held in memory when they fit.

    Attributes:
        source: TFDS data source of `datasets.images`.
        kinds: what there is of each: clean, noisy or both.
        numbers: fields of each beside its images: image and, where it is known, scene.
        stated: height and width of each image.
        folder: named in errors.
        held: the images, or None where they are read as they are needed.
    """

    source: Any
    kinds: tuple[str, ...]
    numbers: tuple[str, ...]
    stated: tuple[tuple[int, int], ...]
    folder: Path
    held: tuple[dict[str, np.ndarray], ...] | None = None

    def __len__(self) -> int:
        return len(self.stated)

    @property
    def sizes(self) -> np.ndarray:
        """Height and width of each image, (M, 2)."""
        return np.array(self.stated, np.int64).reshape(-1, 2)

    def read(self, place: int) -> dict[str, np.ndarray]:
        """Images by kind, (H, W, C) as stored, and the other fields."""
        if self.held is not None:
            return self.held[place]
        return next(self._read([place]))

    def _read(self, places: Sequence[int]) -> Any:
        for example in read_examples(self.source, places, self.folder):
            dtype = np.dtype(example["dtype"].decode())
            images = {kind: example[kind].view(dtype) for kind in self.kinds}
            yield images | {key: np.asarray(example[key]) for key in self.numbers}


def open_images(
    source: Any,
    kinds: tuple[str, ...],
    numbers: tuple[str, ...],
    sizes: Sequence[Sequence[int]],
    folder: Path,
    *,
    memory_limit: int = MEMORY_LIMIT,
) -> WholeImages:
    """Images of a TFDS data source, read into memory if they take less than a limit in bytes."""
    stated = tuple((height, width) for height, width in sizes)
    images = WholeImages(source, kinds, numbers, stated, folder)
    if images.sizes.prod(axis=1).sum() > memory_limit:  # even in grey of 8 bits
        return images
    held, used = [], 0
    for example in images._read(range(len(images))):
        held.append(example)
        used += sum(example[kind].nbytes for kind in kinds)
        if used > memory_limit:
            return images
    return WholeImages(source, kinds, numbers, stated, folder, tuple(held))


@dataclass(frozen=True)
class GridPatches:
    """Patches of whole images side by side, row by row, with the interface of `Records`.

    Attributes:
        images: the images.
        patch_size: side of the patches; smaller images have none.
    """

    images: Images
    patch_size: int
    _known: dict[int, dict[str, Any]] = field(default_factory=dict, repr=False)

    def __post_init__(self):
        """Refuse a split without a patch."""
        if not len(self):
            raise UsageError(
                f"no image is as large as a patch of {self.patch_size} pixels a side: give a "
                "smaller patch size."
            )

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields of a patch."""
        return (*self.images.kinds, *self.images.numbers)

    @cached_property
    def _ends(self) -> np.ndarray:
        """Number of patches of the images up to each."""
        return np.cumsum((self.images.sizes // self.patch_size).prod(axis=1))

    def __len__(self) -> int:
        return int(self._ends[-1])

    def take(self, indices: np.ndarray) -> dict[str, np.ndarray]:
        """Stacked fields of the patches of some indices."""
        places = np.searchsorted(self._ends, indices, side="right")
        side = self.patch_size
        columns = self.images.sizes[places, 1] // side
        within = indices - np.concatenate([[0], self._ends])[places]
        rows: list[dict[str, np.ndarray]] = [{} for _ in indices]
        for place in np.unique(places):
            image = self.images.read(int(place))
            for n in np.flatnonzero(places == place):
                row, column = (side * int(v) for v in divmod(within[n], columns[n]))
                window = np.s_[row : row + side, column : column + side]
                rows[n] = {kind: image[kind][window] for kind in self.images.kinds}
                rows[n] |= {key: image[key] for key in self.images.numbers}
                rows[n] |= self._steps(int(place), image)
        made = {name: np.stack(same_type([row[name] for row in rows], name)) for name in rows[0]}
        for kind, step in STEPS.items():
            if kind in made and made[kind].dtype == np.float32:  # of integers of several types
                made[step] = np.array(
                    [fraction_of_scale(float(row[step]), row[kind].dtype) for row in rows],
                    np.float32,
                )
        return made

    def _steps(self, place: int, image: dict[str, np.ndarray]) -> dict[str, Any]:
        """Width of the dequantisation of an image, by what it is; found once."""
        if place not in self._known:
            self._known[place] = {
                STEPS[kind]: np.float32(dequantisation_step(image[kind]))
                for kind in self.images.kinds
                if kind in STEPS
            }
        return self._known[place]


def same_type(values: list[np.ndarray], name: str) -> list[np.ndarray]:
    """Values of one type: images of several become fractions of full scale."""
    if name not in KINDS or len({value.dtype for value in values}) == 1:
        return values
    return [full_scale(value) for value in values]


def full_scale(values: np.ndarray) -> np.ndarray:
    """Stored values as float32 fractions of full scale."""
    if values.dtype.kind == "f":
        return values.astype(np.float32, copy=False)
    return values / np.float32(np.iinfo(values.dtype).max)


@dataclass(frozen=True)
class PatchImages:
    """Patches of a split as images of one size.

    Attributes:
        records: the patches.
        patch_size: their side.
    """

    records: Any
    patch_size: int

    @property
    def kinds(self) -> tuple[str, ...]:
        """What there is of each: clean, noisy, noisy2."""
        return tuple(kind for kind in KINDS if kind in self.records.fields)

    @property
    def numbers(self) -> tuple[str, ...]:
        """Fields of each beside its images."""
        return tuple(name for name in ("image", "scene") if name in self.records.fields)

    @property
    def sizes(self) -> np.ndarray:
        """Height and width of each image, (M, 2)."""
        return np.full((len(self.records), 2), self.patch_size)

    def read(self, place: int) -> dict[str, np.ndarray]:
        """Images by kind, (P, P, C) as stored, and the other fields."""
        return {name: values[0] for name, values in self.records.take(np.array([place])).items()}
