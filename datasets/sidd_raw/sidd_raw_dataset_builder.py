"""TFDS builder of SIDD-Medium Raw: packed patches in a grid, as Noise Flow was trained on."""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds
from tqdm import tqdm

from datasets.sidd_raw.layout import CAMERAS, PUBLISHED, Layout
from datasets.sidd_raw.patches import PatchConfig, cut, read_packed, short_name, sizes
from datasets.sidd_raw.scenes import Image, find_images
from datasets.source_files import combined_digest, quick_digest
from jaxnoise.errors import DataError, UsageError
from jaxnoise.io.mat import MatReader

VERSION = "1.1.0"
VARIANTS = {"default": Layout(), "published": PUBLISHED}


@dataclasses.dataclass
class Config(PatchConfig):
    """Images of a folder, cut into patches.

    Attributes:
        images: all images that are read.
    """

    images: tuple[Image, ...] = ()


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
    patch_size, patches_per_image = sizes(patch_size, patches_per_image)
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
        config.unit,
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
        "scenes": _scenes(config),
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
        features = {
            "clean": config.patch,
            "noisy": config.patch,
            "camera": np.int32,
            "iso": np.int32,
            "noise_profile": tfds.features.Tensor(shape=(2,), dtype=np.float32),
            "image": np.int32,
            "scene": np.int32,
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
        scenes = _scenes(config)
        images = [(n, image) for n, image in enumerate(config.images) if image.split == split]
        with MatReader() as reader:
            for number, image in tqdm(images, desc=f"sidd_raw {split}", unit="image", disable=None):
                files = {"noisy": image.path("NOISY"), "clean": image.path("GT")}
                for place, patches in cut(read_packed(reader, files, image.phase, config), config):
                    yield (
                        f"{image.scene}_{image.frame}_{place}",
                        {
                            **patches,
                            "camera": cameras.index(image.camera),
                            "iso": image.iso,
                            "noise_profile": np.array(image.noise_profile, np.float32),
                            "image": number,
                            "scene": scenes.index(image.scene),
                            "frame": image.frame,
                        },
                    )


def _scenes(config: Config) -> list[str]:
    return sorted({image.scene for image in config.images})


def _decisions(config: Config) -> tuple[object, ...]:
    images = [dataclasses.replace(image, folder=Path(image.folder.name)) for image in config.images]
    return VERSION, config.layout, config.patch_size, config.patches_per_image, images


def _files(images: tuple[Image, ...]) -> Mapping[str, Path]:
    paths = (image.path(kind) for image in images for kind in ("NOISY", "GT"))
    return {short_name(path): path for path in paths}
