"""TFDS builder of whole images of any size: each is one record, as its file stores it."""

import dataclasses
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds
from tqdm import tqdm

from datasets.buckets import key_in_order
from datasets.images.collection import (
    Collection,
    Item,
    assign_splits,
    built_in_images,
    find_images,
)
from datasets.images.decode import with_channels
from datasets.registry import SPLITS
from datasets.source_files import AS_USUAL, Reading, combined_digest, quick_digest
from jaxnoise.errors import DataError, UsageError

VERSION = "1.0.0"
PATCH_SIZE = 64


@dataclasses.dataclass
class Config(tfds.core.BuilderConfig):
    """Images of a folder.

    Attributes:
        collection: the images.
        kind: clean or noisy, what they are where no index says it.
        patch_size: side of the patches that they are cut into when they are read.
        stamp: quick fingerprint of the files, to notice changes while they are read.
        channels: channels of every image: those of the first; 0 until it is read.
        items: filled by the builder: images with a split each, in the order of their numbers.
        digests: filled by the builder: digest of each file.
        sizes: filled by the builder: height and width of the images of each split.
        said: filled by the builder: sentences on what it did.
    """

    collection: Collection | None = None
    kind: str = "clean"
    patch_size: int = PATCH_SIZE
    stamp: str = ""
    channels: int = 0
    items: tuple[Item, ...] = dataclasses.field(default=(), compare=False)
    digests: dict[str, str] = dataclasses.field(default_factory=dict, compare=False)
    sizes: dict[str, list[tuple[int, int]]] = dataclasses.field(default_factory=dict, compare=False)
    said: list[str] = dataclasses.field(default_factory=list, compare=False)

    @property
    def found(self) -> Collection:
        """The images."""
        assert self.collection is not None
        return self.collection


def make_config(
    source: Path | None,
    *,
    variant: str = "clean",
    patch_size: int | None = None,
    reading: Reading = AS_USUAL,
) -> Config:
    """Configuration of a folder; of its files the first alone is read.

    Args:
        source: folder of images; None for the photographs that scikit-image carries.
        variant: clean or noisy: what the images are where no index.csv says it.
        patch_size: side of the patches in pixels; None for 64. The records do not depend on it.
        reading: how the files are read.

    Raises:
        UsageError: if the variant is unknown or the patch size not positive, or there is no folder
            of noisy images.
        DataError: if the folder or what it holds is wrong.
    """
    if variant not in ("clean", "noisy"):
        raise UsageError(f"images are clean or noisy, not '{variant}': choose one.")
    patch_size = PATCH_SIZE if patch_size is None else patch_size
    if patch_size < 1:
        raise UsageError(
            f"patches have at least 1 pixel a side, not {patch_size}: give a larger patch size."
        )
    if source is None and variant == "noisy":
        raise UsageError("images/noisy needs a folder of noisy images: give it with --source.")
    collection = (
        built_in_images() if source is None else find_images(source, kind=variant, reading=reading)
    )
    return Config(
        name=variant,
        version=VERSION,
        collection=collection,
        kind=variant,
        patch_size=patch_size,
        stamp="" if collection.built_in else quick_digest(collection.paths),
        channels=collection.read(collection.items[0].name).shape[-1],
    )


def fingerprint(config: Config) -> str:
    """sha256, in hexadecimal, of what decides the records; of the files their names, sizes and
    times of change.
    """
    return combined_digest(_decisions(config), {"files": config.stamp})


def facts(config: Config) -> dict[str, Any]:
    """What a reader of the records must know beside them, as JSON.

    Raises:
        DataError: if a file changed while the records were made.
    """
    found = config.found
    if not found.built_in and quick_digest(found.paths) != config.stamp:
        raise DataError(
            f"the files of {found.folder} changed while they were read: run the command again."
        )
    return {
        "cameras": [],
        "isos": [],
        "channels": config.channels,
        "notes": [
            "Images are whole and stored as their files have them; values are fractions of full "
            "scale.",
            *(
                [
                    "Patches of noisy images of few levels, such as 8 bits, are dequantised with "
                    "uniform noise of the step between their numbers, image by image."
                ]
                if "noisy" in found.kinds
                else []
            ),
            *found.notes,
            *config.said,
        ],
        "fingerprint": combined_digest(_decisions(config), config.digests),
        "clean_splits": list(config.sizes) if "clean" in found.kinds else [],
        "scenes": _scenes(config),
        "image_sizes": config.sizes,
    }


def builder(config: Config, data_dir: str) -> "Builder":
    """Builder of a configuration whose records lie under a folder."""
    return Builder(config=config, data_dir=data_dir)


class Builder(tfds.core.GeneratorBasedBuilder):
    """Whole images, clean, noisy or both."""

    VERSION = tfds.core.Version(VERSION)
    BUILDER_CONFIGS: ClassVar[list[Config]] = []

    def _info(self) -> tfds.core.DatasetInfo:
        config: Any = self.builder_config
        # Bytes of any type of number: files of one folder may differ in it.
        image = tfds.features.Tensor(
            shape=(None, None, None), dtype=np.uint8, encoding=tfds.features.Encoding.BYTES
        )
        features: dict[str, Any] = dict.fromkeys(config.found.kinds, image)
        features |= {"dtype": tfds.features.Text(), "image": np.int32}
        if _scenes(config):
            features["scene"] = np.int32
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(features),
            description="Whole images, clean, noisy or both.",
            # Images keep the order of their numbers.
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[int, dict]]]:
        del dl_manager
        config: Any = self.builder_config
        config.items, config.digests, said = assign_splits(config.found)
        config.said[:] = said
        config.sizes.clear()
        present = {item.split for item in config.items}
        return {split: self._generate_examples(split) for split in SPLITS if split in present}

    def _generate_examples(self, split: str) -> Iterator[tuple[int, dict[str, Any]]]:
        config: Any = self.builder_config
        sizes = config.sizes.setdefault(split, [])
        scenes = _scenes(config)
        items = [(n, item) for n, item in enumerate(config.items) if item.split == split]
        for number, item in tqdm(items, desc=f"images {split}", unit="image", disable=None):
            images = _read(config, item)
            first = next(iter(images.values()))
            sizes.append(first.shape[:2])
            example = {kind: image.view(np.uint8) for kind, image in images.items()}
            example |= {"dtype": first.dtype.name, "image": number}
            yield (
                key_in_order(number, len(config.items)),
                example | ({"scene": scenes.index(item.scene)} if scenes else {}),
            )


def _read(config: Config, item: Item) -> dict[str, np.ndarray]:
    """Images of an item, of one size and type."""
    images: dict[str, np.ndarray] = {}
    for kind, name in item.files:
        image = config.found.read(name)
        images[kind] = np.ascontiguousarray(with_channels(image, config.channels, name))
    shapes = {(image.shape, image.dtype) for image in images.values()}
    if len(shapes) > 1:
        raise DataError(
            f"{' and '.join(name for _, name in item.files)} differ in size or type: a clean and a "
            "noisy image of one place have both alike."
        )
    return images


def _scenes(config: Config) -> list[str]:
    return sorted({item.scene for item in config.found.items if item.scene})


def _decisions(config: Config) -> tuple[object, ...]:
    found = config.found
    index = hashlib.sha256(repr(found.items).encode()).hexdigest()
    # What scikit-image carries is known by its version's files.
    return VERSION, config.kind, config.channels, index, found.built_in and _built_in()


def _built_in() -> str:
    from datasets.camera_sim import photographs

    return photographs.fingerprint()
