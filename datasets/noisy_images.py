"""Simulated noise on whole clean photographs: two draws of each, of its own shot and read noise.

Every draw is a pure function of (seed, split, number of the image).
"""

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from datasets.crops import ImageData
from datasets.records import MEMORY_LIMIT
from datasets.source_files import combined_digest
from datasets.whole_images import GridPatches, Images, PatchImages, full_scale
from jaxnoise.errors import UsageError
from jaxnoise.noise import random_levels
from jaxnoise.noise.camera import generator
from jaxnoise.raw import mosaic_rgb

SHOTS = ("noisy", "noisy2")
SHIFTS = ((0, 0), (0, 1), (1, 0), (1, 1))
"""By how many rows and columns a sensor is moved for the second mosaic of an image, by the number
of the image, and on from the first."""
VERSION = 1
"""Of the law that draws follow; part of the fingerprint."""


@dataclass(frozen=True)
class Levels:
    """Random shot and read noise by image.

    Attributes:
        preset: one of those of `jaxnoise.noise.random_levels`.
        highest: largest standard deviation, as a fraction of full scale, where the preset has one.
        seed: of all draws.
    """

    preset: str
    highest: float = random_levels.HIGHEST
    seed: int = 0

    def of(
        self, split: str, number: int, clean: np.ndarray, *, part: tuple[int, ...] = ()
    ) -> tuple[float, float]:
        """Shot and read noise of an image: variance = shot * clean + read.

        Args:
            split: that the image is of.
            number: of the image.
            clean: the whole image in full scale, any shape; its mean counts for some presets.
            part: of the image, where each part has levels of its own, and `clean` is that part.

        Returns:
            shot, as a fraction of full scale, and read, in squared fractions of it.
        """
        random = generator("noise levels", self.seed, split, number, *part)
        mean = max(float(clean.mean(dtype=np.float64)), 0.0)
        shot, read = random_levels.draw(random, self.preset, highest=self.highest, mean=mean)
        return float(shot), float(read)


def add_noise(
    clean: np.ndarray, shot: float, read: float, random: np.random.Generator
) -> np.ndarray:
    """A noisy image: `clean + sqrt(shot * clean + read) z` with z white and normal, not clipped.

    Args:
        clean: any shape, float32 fraction of full scale; values below 0 have the noise of 0.
        shot: variance per unit of intensity.
        read: variance in the dark.
        random: the source of z.

    Returns:
        float32, of the same shape.

    Source: Dong et al., Residual Contrastive Learning, Eq. 3.
    """
    variance = np.float32(shot) * np.maximum(clean, 0) + np.float32(read)
    return clean + np.sqrt(variance) * random.standard_normal(clean.shape, np.float32)


@dataclass(frozen=True)
class NoisyImages:
    """Clean photographs of one split with two draws of noise, held in memory up to a limit.

    Attributes:
        images: the photographs; of these the clean ones count.
        split: train, validation or test.
        levels: shot and read noise of each.
        raw: whether noise is put on the RGGB mosaic, so that noisy images have one channel.
        moved: whether the second mosaic is of a sensor that was moved by one of `SHIFTS`.
        renumbered: whether images are known by their place, since several are parts of one.
        memory_limit: bytes of noisy images to hold; those beyond are drawn whenever they are read.
    """

    images: Images
    split: str
    levels: Levels
    raw: bool = False
    moved: bool = False
    renumbered: bool = False
    memory_limit: int = MEMORY_LIMIT
    _held: dict[int, dict[str, np.ndarray]] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.images.sizes)

    @property
    def kinds(self) -> tuple[str, ...]:
        """What there is of each: clean and two noisy ones."""
        return ("clean", *SHOTS)

    @property
    def numbers(self) -> tuple[str, ...]:
        """Fields of each beside its images."""
        return self.images.numbers

    @property
    def sizes(self) -> np.ndarray:
        """Height and width of each image, (M, 2)."""
        return self.images.sizes

    def read(self, place: int) -> dict[str, np.ndarray]:
        """Images by kind, and the other fields.

        Returns:
            clean (H, W, 3) as stored; noisy and noisy2, (H, W, 3) or of a mosaic (H, W, 1), float32
            fractions of full scale.
        """
        image = self.images.read(place)
        if self.renumbered:
            image = image | {"image": np.asarray(place, np.int32)}
        if place in self._held:
            return image | self._held[place]
        drawn = self._draw(full_scale(image["clean"]), int(image["image"]))
        if self._fits[place]:
            self._held[place] = drawn
        return image | drawn

    @cached_property
    def _fits(self) -> np.ndarray:
        """Which images are held: the first ones, whichever are read first."""
        bytes_of_pixel = len(SHOTS) * (1 if self.raw else 3) * np.dtype(np.float32).itemsize
        return np.cumsum(self.sizes.prod(axis=1)) * bytes_of_pixel <= self.memory_limit

    def _draw(self, clean: np.ndarray, number: int) -> dict[str, np.ndarray]:
        shot, read = self.levels.of(self.split, number, clean)
        seen = dict.fromkeys(SHOTS, clean)
        if self.moved:
            down, right = SHIFTS[number % len(SHIFTS)]
            further = np.pad(clean, [(0, down), (0, right), (0, 0)], "edge")
            seen["noisy2"] = further[down:, right:]
        drawn = {}
        for kind, image in seen.items():
            random = generator(kind, self.levels.seed, self.split, number)
            image = mosaic_rgb(image)[..., None] if self.raw else image
            drawn[kind] = add_noise(image, shot, read, random)
        return drawn


def with_noise(
    data: ImageData,
    *,
    levels: str,
    highest: float = random_levels.HIGHEST,
    seed: int = 0,
    raw: bool = False,
    moved: bool = False,
    tile: int | None = None,
) -> ImageData:
    """Clean photographs with noise of random levels, one level an image.

    Args:
        data: whole photographs in colour; splits without clean ones are left out.
        levels: preset of `jaxnoise.noise.random_levels`: uniform, normalised, paper or brooks.
        highest: largest standard deviation, as a fraction of full scale, where the preset has one.
        seed: of the draws.
        raw: puts the noise on the RGGB mosaic of an image instead.
        moved: makes noisy2 that of a sensor that was moved by `SHIFTS[number % 4]` rows and
            columns: its pixel (r, c) sees what lies at (r, c) + shift in the clean image, and
            beyond the border that of the border.
        tile: side of squares that photographs are cut into first: each is then an image with a
            level of its own, numbered by its place in the split; None to keep them whole.

    Returns:
        The images, with the kinds clean (H, W, 3), noisy and noisy2, which are two independent
        draws of one shot and read noise: (H, W, 3), or with `raw` (H, W, 1) and `channels` 1.

    Raises:
        UsageError: there are no clean photographs in colour, no such preset, or no photograph as
            large as a tile.
    """
    check_photographs(data)
    if tile is not None and (tile < 1 or (raw and tile % 2)):
        raise UsageError(f"tiles of {tile} pixels are none: give 1 or more, for raw an even size.")
    law = Levels(levels, highest, seed)
    law.of("train", 0, np.full(1, 0.5))  # a preset that does not exist is refused now
    images = {
        split: NoisyImages(_tiles(found, tile), split, law, raw, moved, tile is not None)
        for split, found in data._images.items()
        if "clean" in found.kinds
    }
    return replace(
        data,
        fingerprint=combined_digest(
            ("noisy images", VERSION, levels, highest, seed, raw, moved, tile),
            {"clean": data.fingerprint},
        ),
        channels=1 if raw else data.channels,
        notes=(*data.notes, _said(law, raw, tile)),
        sizes={split: len(images[split]) if split in images else 0 for split in data.sizes},
        fields={split: (*found.kinds, *found.numbers) for split, found in images.items()},
        _images=images,
    )


def check_photographs(data: ImageData) -> None:
    """Refuses images that noise is not simulated on.

    Raises:
        UsageError: they are not in colour, not clean or not whole.
    """
    if data.channels != 3:
        raise UsageError(
            f"{data.name} has images of {data.channels} channels, and noise is put on photographs "
            "in colour: give a folder of RGB images."
        )
    if any(isinstance(found, PatchImages) for found in data._images.values()):
        raise UsageError(
            f"{data.name} has patches, and noise is put on whole images: open the clean images as "
            "the data set images, or take the noise that these have."
        )
    if not any("clean" in found.kinds for found in data._images.values()):
        raise UsageError(
            f"{data.name} has no clean images to put noise on: give clean photographs, or take "
            "the noise that these have."
        )


def _tiles(images: Images, side: int | None) -> Images:
    """Squares side by side as images, or the images themselves."""
    return images if side is None else PatchImages(GridPatches(images, side), side)


def _said(law: Levels, raw: bool, tile: int | None) -> str:
    image = "image" if tile is None else f"tile of {tile}x{tile} pixels of the photographs"
    seen = f"the RGGB mosaic of each {image}" if raw else f"each {image}"
    ends = f" up to {255 * law.highest:g} of 255" if law.preset in ("uniform", "normalised") else ""
    return (
        f"Noise is simulated: normal, white, not clipped, on {seen}, of one shot and one read "
        f"noise each (levels '{law.preset}'{ends}, seed {law.seed})."
    )
