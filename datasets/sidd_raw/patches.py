"""How images of SIDD are read and cut into patches, and what is remembered of their files."""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

from datasets.sidd_raw.layout import Layout, read_mosaic, to_packed
from datasets.source_files import content_digest
from jaxnoise.errors import DataError, UsageError
from jaxnoise.io.mat import MatReader

PATCH_SIZE = 32
PATCHES_PER_IMAGE = 2898
"""Of 32x32 packed pixels, as the published code takes them; the bottom of an image is left."""


@dataclasses.dataclass
class PatchConfig(tfds.core.BuilderConfig):
    """What the data sets of SIDD's full images have in common.

    Attributes:
        source: the folder.
        choice: sentences on how images were chosen.
        layout: how mosaics become packed raw.
        patch_size: side of a patch in packed pixels.
        patches_per_image: at most so many patches of an image, row by row from its first.
        stamp: quick fingerprint of the image files, to notice changes while they are read.
        contents: filled by the builder: digest of each file it read.
        absent: filled by the builder: number of NaN values in each file.
    """

    source: Path = Path()
    choice: tuple[str, ...] = ()
    layout: Layout = Layout()
    patch_size: int = PATCH_SIZE
    patches_per_image: int = PATCHES_PER_IMAGE
    stamp: str = ""
    contents: dict[str, str] = dataclasses.field(default_factory=dict, compare=False)
    absent: dict[str, int] = dataclasses.field(default_factory=dict, compare=False)

    @property
    def unit(self) -> str:
        """Sentence on the values of the records, once the builder has made them."""
        return (
            "Values are fractions of full scale of linear raw, normalised by black and white level "
            f"and clipped to [0, 1]; NaN, {sum(self.absent.values()):,} values in "
            f"{sum(map(bool, self.absent.values()))} files, counts as 0; no dequantisation."
        )

    @property
    def patch(self) -> tfds.features.Tensor:
        """Feature of a patch."""
        return tfds.features.Tensor(
            shape=(self.patch_size, self.patch_size, 4),
            dtype=np.float32,
            encoding=tfds.features.Encoding.BYTES,
        )


def sizes(patch_size: int | None, patches_per_image: int | None) -> tuple[int, int]:
    """Side of a patch and largest number of patches of an image, with their defaults.

    Args:
        patch_size: in packed pixels; None for 32.
        patches_per_image: None for as many as cover the area of the paper's 2898.

    Raises:
        UsageError: if one is not positive.
    """
    patch_size = PATCH_SIZE if patch_size is None else patch_size
    if patch_size < 1:
        raise UsageError(
            f"patches have at least 1 pixel a side, not {patch_size}: give a larger patch size."
        )
    if patches_per_image is None:
        patches_per_image = max(1, PATCHES_PER_IMAGE * PATCH_SIZE**2 // patch_size**2)
    if patches_per_image < 1:
        raise UsageError(f"an image gives at least one patch, not {patches_per_image}.")
    return patch_size, patches_per_image


def read_packed(
    reader: MatReader, files: Mapping[str, Path], phase: str, config: PatchConfig
) -> dict[str, np.ndarray]:
    """Packed raw of files that show the same, (H, W, 4) in [0, 1].

    Args:
        reader: of MAT files.
        files: paths by what they are.
        phase: Bayer phase of all of them.
        config: states layout and patch size; remembers digests and NaN values.

    Raises:
        DataError: if a file is damaged, they do not belong together or are too small.
    """
    images: dict[str, np.ndarray] = {}
    for kind, path in files.items():
        config.contents[short_name(path)] = content_digest(path)
        mosaic, config.absent[short_name(path)] = read_mosaic(reader, path)
        images[kind] = to_packed(mosaic, phase, config.layout)
    first = next(iter(files))
    size = images[first].shape[:2]
    for kind, image in images.items():
        if image.shape[:2] != size:
            raise DataError(
                f"{files[first]} and {files[kind].name} have {_text(size)} and "
                f"{_text(image.shape[:2])} packed pixels: copy both again from SIDD."
            )
    if min(size) < config.patch_size:
        raise DataError(
            f"{files[first]} has {_text(size)} packed pixels, less than a patch of "
            f"{config.patch_size}: give a smaller patch size."
        )
    return images


def cut(
    images: Mapping[str, np.ndarray], config: PatchConfig
) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Patches of images of one size by what they are, each with its place as "row_column"."""
    size = next(iter(images.values())).shape[:2]
    side = config.patch_size
    for row, column in grid(size, config):
        window = (slice(row, row + side), slice(column, column + side))
        yield f"{row}_{column}", {kind: image[window] for kind, image in images.items()}


def grid(size: tuple[int, ...], config: PatchConfig) -> Iterator[tuple[int, int]]:
    """First rows and columns of an image's patches, row by row, without overlap.

    Args:
        size: height and width of the image in packed pixels.
        config: states patch size and number.
    """
    side = config.patch_size
    places = itertools.product(
        range(0, size[0] - side + 1, side), range(0, size[1] - side + 1, side)
    )
    return itertools.islice(places, config.patches_per_image)


def short_name(path: Path) -> str:
    """A file's name with that of its folder, by which its digest is kept."""
    return f"{path.parent.name}/{path.name}"


def _text(size: tuple[int, ...]) -> str:
    return "x".join(map(str, size))
