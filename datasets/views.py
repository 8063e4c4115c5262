"""Two crops of each of many images, for what learns by comparing them.

A training batch is a pure function of (seed, step), whatever the number of processes or devices.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from datasets.order import shuffled
from datasets.places import Overlap, can_overlap, overlap_of, two_places
from datasets.whole_images import Images, full_scale
from jaxnoise.errors import UsageError
from jaxnoise.noise.camera import generator

Batch = dict[str, np.ndarray]


@dataclass(frozen=True)
class Views:
    """Two crops of each image of one split.

    Attributes:
        images: the images.
        split: train, validation or test.
        size: side P of the crops in pixels.
        step: offsets are multiples of it: 2 keeps the colours of a Bayer mosaic in their places.
        overlap: smallest and largest part of a crop that the other one shares, (0, 0) for none;
            None for any.
        kind: which images `first` and `second` are of: clean, noisy or noisy2.
        paired: other kinds that are cropped alike, as `first_noisy` and `second_noisy` for noisy.
        places: which of the images are large enough.
        notes: sentences on images that are left out.
    """

    images: Images
    split: str
    size: int
    step: int
    overlap: Overlap | None
    kind: str
    paired: tuple[str, ...]
    places: np.ndarray = field(repr=False, compare=False)
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.places)

    def batch(self, *, seed: int, step: int, batch_size: int) -> Batch:
        """Shuffled training batch that depends on (seed, step) alone.

        Args:
            seed: seed of order and places, 0 to 2^32 - 1.
            step: number of the batch, from 0.
            batch_size: N, at least 1. The N images are different ones where there are as many;
                else each is taken equally often, give or take one.

        Returns:
            first, second: (N, P, P, C) float32, full scale 1, without dequantisation, and the
            `paired` kinds likewise; offsets (N, 2, 2) int32: of the first and the second crop, row
            and column in the image; image (N,) int32 and, where it is known, scene (N,) int32.
        """
        if batch_size < 1 or step < 0 or not 0 <= seed < 2**32:
            raise UsageError(
                f"a batch of {batch_size} at step {step} with the seed {seed} is none: give at "
                "least one image, a step from 0 and a seed from 0 to 2^32 - 1."
            )
        chosen = self._chosen(seed, step, batch_size)
        streams = [generator("views", self.split, seed, step, row) for row in range(batch_size)]
        return self._crops(chosen, streams)

    def batches(
        self, *, batch_size: int, limit: int | None = None, per_image: int = 1
    ) -> Iterator[Batch]:
        """One pass over the split in fixed order, at places that are always the same.

        Args:
            batch_size: N, at least 1.
            limit: number of pairs of crops to stop after; None for all.
            per_image: pairs of crops of each image, which follow one another.

        Yields:
            The fields of `batch` and `mask`, (N,) bool: False on the rows that fill up the last
            batch.
        """
        if batch_size < 1 or per_image < 1:
            raise UsageError("a batch has at least one image, and an image one pair of crops.")
        count = per_image * len(self)
        count = count if limit is None else min(limit, count)
        for start in range(0, count, batch_size):
            rows = np.arange(start, start + batch_size)
            # Padding repeats the last pair, so that padded rows are finite.
            numbers = np.minimum(rows, count - 1)
            streams = [generator("views", self.split, "fixed", int(number)) for number in numbers]
            chosen = self.places[numbers // per_image]
            yield self._crops(chosen, streams) | {"mask": rows < count}

    def _chosen(self, seed: int, step: int, batch_size: int) -> np.ndarray:
        """Places of the images of a batch."""
        names = ("images", self.split, seed)
        return self.places[shuffled(*names, count=len(self), step=step, batch_size=batch_size)]

    def _crops(self, chosen: np.ndarray, streams: list[np.random.Generator]) -> Batch:
        rows: list[dict[str, np.ndarray]] = []
        for place, random in zip(chosen.tolist(), streams, strict=True):
            height, width = (int(side) for side in self.images.sizes[place])
            offsets = two_places(
                height,
                width,
                size=self.size,
                step=self.step,
                overlap=self.overlap,
                random=random,
            )
            image = self.images.read(place)
            row = {"offsets": offsets}
            row |= {name: np.asarray(image[name], np.int32) for name in self.images.numbers}
            for kind in (self.kind, *self.paired):
                suffix = "" if kind == self.kind else f"_{kind}"
                for view, (top, left) in zip(("first", "second"), offsets, strict=True):
                    crop = image[kind][top : top + self.size, left : left + self.size]
                    row[view + suffix] = full_scale(crop)
            rows.append(row)
        return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def with_large_enough(name: str, views: Views) -> Views:
    """Views of the images that have two places at the overlap, and a sentence on the others.

    Args:
        name: name of the data set, for errors.
        views: views of no images yet.

    Raises:
        UsageError: if no image is large enough.
    """
    sizes, of_each = np.unique(views.images.sizes, axis=0, return_inverse=True)
    good = [
        can_overlap(int(h), int(w), size=views.size, step=views.step, overlap=views.overlap)
        for h, w in sizes
    ]
    places = np.flatnonzero(np.array(good)[of_each.reshape(-1)])
    what = f"two crops of {views.size}x{views.size} pixels"
    if views.overlap is not None:
        what += " that share {:.0%} to {:.0%} of their area".format(*views.overlap)
    if not len(places):
        raise UsageError(
            f"no image of {name} in {views.split} has room for {what}: give a smaller crop or "
            "another overlap."
        )
    notes = ()
    if left_out := len(of_each) - len(places):
        notes = (f"{left_out} images of {views.split} left out: they have no room for {what}.",)
    return replace(views, places=places, notes=notes)


def negatives(batch: Mapping[str, np.ndarray], *, size: int) -> np.ndarray:
    """Which second crops show nothing of which first crops.

    Args:
        batch: image and offsets of N pairs of crops.
        size: side of the crops.

    Crops of patches have offsets within their patch: patches of one image count as one place.

    Returns:
        Shape (N, N) bool: True where row i's first crop and row j's second one are of different
        images or do not overlap; False on the diagonal, the positives.
    """
    first, second = batch["offsets"][:, None, 0], batch["offsets"][None, :, 1]
    same = batch["image"][:, None] == batch["image"][None, :]
    apart = ~same | (overlap_of(second - first, size) == 0)
    return apart & ~np.eye(len(apart), dtype=bool)
