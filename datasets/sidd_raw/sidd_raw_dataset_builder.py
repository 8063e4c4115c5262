"""TFDS builder of SIDD-Medium Raw: packed patches in a grid, as Noise Flow was trained on."""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds
from tqdm import tqdm

from datasets.sidd_raw.layout import CAMERAS, PUBLISHED, Layout, read_mosaic, to_packed
from datasets.sidd_raw.scenes import Image, find_images
from datasets.source_files import combined_digest, content_digest, quick_digest
from jaxnoise.errors import DataError, UsageError
from jaxnoise.io.mat import MatReader

VERSION = "1.0.0"
PATCH_SIZE = 32
PATCHES_PER_IMAGE = 2898
"""Of 32x32 packed pixels, as the published code takes them; the bottom of an image is left."""

VARIANTS = {"default": Layout(), "published": PUBLISHED}


@dataclasses.dataclass
class Config(tfds.core.BuilderConfig):
    """Images of a folder, cut into patches.

    Attributes:
        source: the folder.
        images: all images that are read.
        choice: sentences on how they were chosen.
        layout: how mosaics become packed raw.
        patch_size: side of a patch in packed pixels.
        patches_per_image: at most so many patches of an image, row by row from its first.
        stamp: quick fingerprint of the image files, to notice changes while they are read.
        contents: filled by the builder: digest of each file it read.
        absent: filled by the builder: number of NaN values in each file.
    """

    source: Path = Path()
    images: tuple[Image, ...] = ()
    choice: tuple[str, ...] = ()
    layout: Layout = Layout()
    patch_size: int = PATCH_SIZE
    patches_per_image: int = PATCHES_PER_IMAGE
    stamp: str = ""
    contents: dict[str, str] = dataclasses.field(default_factory=dict, compare=False)
    absent: dict[str, int] = dataclasses.field(default_factory=dict, compare=False)


def make_config(
    source: Path,
    *,
    variant: str = "default",
    patch_size: int | None = None,
    patches_per_image: int | None = None,
) -> Config:
    """Configuration of a folder; its metadata files are read.

    Args:
        source: the folder of SIDD-Medium Raw, its folder Data, or a folder of scene folders.
        variant: "default", or "published" for what the code published with Noise Flow reads.
        patch_size: side of a patch in packed pixels; None for 32.
        patches_per_image: at most so many patches of an image; None for as many as cover the area
            of the paper's 2898.

    Raises:
        UsageError: if the variant is unknown or a size is not positive.
        DataError: if the folder or a metadata file is missing or damaged.
    """
    if variant not in VARIANTS:
        raise UsageError(
            f"there is no variant '{variant}' of sidd_raw: choose one of {', '.join(VARIANTS)}."
        )
    patch_size = PATCH_SIZE if patch_size is None else patch_size
    if patch_size < 1:
        raise UsageError(
            f"patches have at least 1 pixel a side, not {patch_size}: give a larger patch size."
        )
    if patches_per_image is None:
        patches_per_image = max(1, PATCHES_PER_IMAGE * PATCH_SIZE**2 // patch_size**2)
    if patches_per_image < 1:
        raise UsageError(f"an image gives at least one patch, not {patches_per_image}.")
    images, notes = find_images(Path(source), hold_out=variant == "default")
    return Config(
        name=variant,
        version=VERSION,
        source=Path(source),
        images=images,
        choice=notes,
        layout=VARIANTS[variant],
        patch_size=patch_size,
        patches_per_image=patches_per_image,
        stamp=quick_digest(_files(images)),
    )


def fingerprint(config: Config) -> str:
    """sha256, in hexadecimal, of what decides the records; of the image files, some 20 GB, their
    names, sizes and times of change.
    """
    return combined_digest(_decisions(config), {"files": config.stamp})


def facts(config: Config) -> dict[str, Any]:
    """What a reader of the records must know beside them, as JSON.

    Raises:
        DataError: if a file changed while the records were made.
    """
    images, _ = find_images(config.source, hold_out=config.name == "default")
    if images != config.images or quick_digest(_files(images)) != config.stamp:
        raise DataError(
            f"the files of {config.source} changed while they were read: run the command again."
        )
    published = config.name == "published"
    notes = [
        "Values are fractions of full scale of linear raw, normalised by black and white level and "
        "clipped to [0, 1]; NaN, "
        f"{sum(config.absent.values()):,} values in {sum(map(bool, config.absent.values()))} "
        "files, counts as 0; no dequantisation.",
        "Channels are clockwise from the upper left pixel of the transposed mosaic, whatever its "
        "colour, as in the published code; validation patches are the test patches, on which the "
        "published model was chosen."
        if published
        else "Channels are R, Gr, Gb, B; images are mirrored where that makes the first pixel red.",
        "Splits are those of the paper, by scene instance: what is photographed, in another light "
        "or by another camera, may be in several.",
        *config.choice,
    ]
    present = {image.camera for image in config.images}
    return {
        "cameras": [camera for camera in CAMERAS if camera in present],
        "isos": sorted({image.iso for image in config.images}),
        "channels": 4,
        "patch_size": config.patch_size,
        "notes": notes,
        "fingerprint": combined_digest(_decisions(config), config.contents),
        "same_as": {"validation": "test"} if published else {},
    }


def builder(config: Config, data_dir: str) -> "Builder":
    """Builder of a configuration whose records lie under a folder."""
    return Builder(config=config, data_dir=data_dir)


class Builder(tfds.core.GeneratorBasedBuilder):
    """Patches of SIDD-Medium Raw."""

    VERSION = tfds.core.Version(VERSION)
    BUILDER_CONFIGS: ClassVar[list[Config]] = []

    def _info(self) -> tfds.core.DatasetInfo:
        config: Any = self.builder_config
        patch = tfds.features.Tensor(
            shape=(config.patch_size, config.patch_size, 4),
            dtype=np.float32,
            encoding=tfds.features.Encoding.BYTES,
        )
        features = {
            "clean": patch,
            "noisy": patch,
            "camera": np.int32,
            "iso": np.int32,
            "noise_profile": tfds.features.Tensor(shape=(2,), dtype=np.float32),
            "scene": tfds.features.Text(),
            "frame": tfds.features.Text(),
        }
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(features),
            description="Patches of SIDD-Medium Raw, noisy and clean.",
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[str, dict]]]:
        del dl_manager
        config: Any = self.builder_config
        splits = dict.fromkeys(image.split for image in config.images)
        return {split: self._generate_examples(split) for split in sorted(splits)}

    def _generate_examples(self, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
        config: Any = self.builder_config
        present = {image.camera for image in config.images}
        cameras = [camera for camera in CAMERAS if camera in present]
        images = [image for image in config.images if image.split == split]
        with MatReader() as reader:
            for image in tqdm(images, desc=f"sidd_raw {split}", unit="image", disable=None):
                clean, noisy = read_packed(reader, image, config)
                for row, column in grid(clean.shape[:2], config):
                    window = (
                        slice(row, row + config.patch_size),
                        slice(column, column + config.patch_size),
                    )
                    yield (
                        f"{image.scene}_{image.frame}_{row}_{column}",
                        {
                            "clean": clean[window],
                            "noisy": noisy[window],
                            "camera": cameras.index(image.camera),
                            "iso": image.iso,
                            "noise_profile": np.array(image.noise_profile, np.float32),
                            "scene": image.scene,
                            "frame": image.frame,
                        },
                    )


def read_packed(reader: MatReader, image: Image, config: Config) -> tuple[np.ndarray, np.ndarray]:
    """Clean and noisy packed raw of an image, (H, W, 4) in [0, 1].

    Raises:
        DataError: if a file is damaged, the two do not belong together or are too small.
    """
    mosaics = []
    for kind in ("GT", "NOISY"):
        path = image.path(kind)
        config.contents[_name(path)] = content_digest(path)
        mosaic, config.absent[_name(path)] = read_mosaic(reader, path)
        mosaics.append(mosaic)
    clean, noisy = (to_packed(mosaic, image.phase, config.layout) for mosaic in mosaics)
    if clean.shape != noisy.shape:
        raise DataError(
            f"{image.path('NOISY')} and its clean image have {_size(noisy)} and {_size(clean)} "
            "packed pixels: copy both again from SIDD."
        )
    if min(clean.shape[:2]) < config.patch_size:
        raise DataError(
            f"{image.path('NOISY')} has {_size(noisy)} packed pixels, less than a patch of "
            f"{config.patch_size}: give a smaller patch size."
        )
    return clean, noisy


def grid(size: tuple[int, int], config: Config) -> Iterator[tuple[int, int]]:
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


def _decisions(config: Config) -> tuple[object, ...]:
    images = [dataclasses.replace(image, folder=Path(image.folder.name)) for image in config.images]
    return VERSION, config.layout, config.patch_size, config.patches_per_image, images


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _files(images: tuple[Image, ...]) -> Mapping[str, Path]:
    paths = (image.path(kind) for image in images for kind in ("NOISY", "GT"))
    return {_name(path): path for path in paths}


def _size(image: np.ndarray) -> str:
    return "x".join(map(str, image.shape[:2]))
