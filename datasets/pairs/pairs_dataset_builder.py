"""TFDS builder of a user's folder of clean and noisy images or pairs of shots, cut into patches."""

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds
from tqdm import tqdm

from datasets.pairs.findings import Findings
from datasets.pairs.index import Index, read_index
from datasets.pairs.splits import SPLITS, Pair
from datasets.quantisation import STEPS, dequantisation_step
from datasets.source_files import AS_USUAL, Reading
from jaxnoise.errors import DataError, UsageError
from jaxnoise.io.images import decode_image

VERSION = "1.2.0"
PATCH_SIZE = 64


@dataclasses.dataclass
class Config(tfds.core.BuilderConfig):
    """Builder configuration: the pairs of an index, cut into patches, of one type and number of
    channels.
    """

    index: Index | None = None
    patch_size: int = PATCH_SIZE
    dtype: str = "uint8"
    channels: int = 3
    found: Findings = dataclasses.field(default_factory=Findings, compare=False)


def make_config(
    source: Path, *, patch_size: int | None = None, reading: Reading = AS_USUAL
) -> Config:
    """Configuration of a folder; the index and the first pair are read.

    Args:
        source: folder with index.csv (see `datasets.pairs.index`).
        patch_size: side of the patches in pixels; None for 64.
        reading: how its files are read.

    Raises:
        UsageError: if the patch size is not positive.
        DataError: if the folder or what it holds is wrong.
    """
    patch_size = PATCH_SIZE if patch_size is None else patch_size
    if patch_size < 1:
        raise UsageError(
            f"patches have at least 1 pixel a side, not {patch_size}: give a larger patch size."
        )
    index = read_index(source, reading)
    noisy = read_pair(index.folder, index.pairs[0], reading)["noisy"]
    return Config(
        name="images",
        version=VERSION,
        index=index,
        patch_size=patch_size,
        dtype=noisy.dtype.name,
        channels=noisy.shape[-1],
    )


def fingerprint(config: Config) -> str:
    """sha256, in hexadecimal, of the index, the bytes of all files, the patch size and the
    builder's version.
    """
    assert config.index is not None
    facts = f"{VERSION} {config.patch_size} {config.index.digest}"
    return hashlib.sha256(facts.encode()).hexdigest()


def facts(config: Config) -> dict[str, Any]:
    """What a reader of the records must know beside them, as JSON.

    Raises:
        DataError: if the folder is no longer what the configuration was made from.
    """
    assert config.index is not None
    folder = config.index.folder
    if read_index(folder, config.index.reading).digest != config.index.digest:
        raise DataError(
            f"the files of {folder} changed while they were read: run the command again."
        )
    unit = {
        "uint8": "Values are stored as 8-bit integers, full scale 255",
        "uint16": "Values are stored as 16-bit integers, full scale 65535",
        "float32": "Values are stored as floats in [0, 1]",
    }[config.dtype]
    notes = [f"{unit}; {config.found.dequantisation()}", *config.index.notes]
    if absent := [split for split in SPLITS if split not in config.index.clean_splits]:
        notes.append(
            f"There are no clean images in {', '.join(absent)}: pairs of noisy shots only."
        )
    return {
        "cameras": camera_names(config.index),
        "isos": sorted({pair.iso for pair in config.index.pairs}),
        "channels": config.channels,
        "patch_size": config.patch_size,
        "notes": notes,
        "doubts": config.found.doubts(),
        "clean_splits": config.index.clean_splits,
        "scenes": scene_names(config.index),
    }


def camera_names(index: Index) -> list[str]:
    """Names of the cameras in the order that records number them."""
    return sorted({pair.camera for pair in index.pairs})


def scene_names(index: Index) -> list[str]:
    """Names of the scenes in the order that records number them."""
    return sorted({pair.scene for pair in index.pairs})


def builder(config: Config, data_dir: str) -> "Builder":
    """Builder of a configuration whose records lie under a folder."""
    return Builder(config=config, data_dir=data_dir)


def read_pair(
    folder: Path,
    pair: Pair,
    reading: Reading = AS_USUAL,
    known: Mapping[str, np.ndarray] = MappingProxyType({}),
) -> dict[str, np.ndarray]:
    """Images of a pair by what they are (noisy, clean, noisy2), (H, W, C) of one size and type.

    Args:
        folder: of the index, resolved.
        pair: a row of the index.
        reading: how its files are read.
        known: images by name that need not be read.

    Raises:
        DataError: if an image cannot be decoded, or they do not belong together.
    """
    images = {
        kind: known[name]
        if name in known
        else decode_image(reading.read(folder, name), name, max_pixels=reading.max_pixels)
        for kind, name in pair.files.items()
    }
    noisy = images["noisy"]
    for kind, image in images.items():
        name = pair.files[kind]
        if image.dtype.kind == "f" and not (image.min() >= 0 and image.max() <= 1):
            raise DataError(
                f"{name} has values from {image.min():.4g} to {image.max():.4g}: scale floats to "
                "lie in [0, 1]."
            )
        if noisy.dtype != image.dtype:
            raise DataError(
                f"{pair.noisy} is {noisy.dtype} and {name} is {image.dtype}: store both in one "
                "type."
            )
        if noisy.shape != image.shape:
            raise DataError(
                f"{pair.noisy} is {_size(noisy)} and {name} is {_size(image)}: a pair has one size."
            )
    for kind, wanted in (("noisy2", "two shots of the scene"), ("clean", "one without noise")):
        for shot in ("noisy", "noisy2"):
            if {kind, shot} <= set(images) and kind != shot:
                if np.array_equal(images[kind], images[shot]):
                    raise DataError(
                        f"{pair.files[shot]} and {pair.files[kind]} are the same image: give "
                        f"{wanted}."
                    )
    return images


class Builder(tfds.core.GeneratorBasedBuilder):
    """Pairs of clean and noisy images, or of noisy shots, from a folder of the user."""

    VERSION = tfds.core.Version(VERSION)
    BUILDER_CONFIGS: ClassVar[list[Config]] = []

    def _info(self) -> tfds.core.DatasetInfo:
        config: Any = self.builder_config
        patch = tfds.features.Tensor(
            shape=(config.patch_size, config.patch_size, config.channels),
            dtype=np.dtype(config.dtype),
            encoding=tfds.features.Encoding.BYTES,
        )
        features: dict[str, Any] = {
            "noisy": patch,
            "camera": np.int32,
            "iso": np.int32,
            "image": np.int32,
            "scene": np.int32,
        }
        if config.index.clean_splits:
            features["clean"] = patch
        if config.index.has_second_shots:
            features["noisy2"] = patch
        shots = [shot for shot in STEPS if shot in features]
        features |= {STEPS[shot]: np.float32 for shot in shots}
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(features),
            description="Patches of clean and noisy images.",
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[str, dict]]]:
        del dl_manager
        config: Any = self.builder_config
        config.found = Findings()
        return {split: self._generate_examples(split) for split in SPLITS}

    def _generate_examples(self, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
        config: Any = self.builder_config
        cameras = {name: number for number, name in enumerate(camera_names(config.index))}
        scenes = {name: number for number, name in enumerate(scene_names(config.index))}
        pairs = [(n, pair) for n, pair in enumerate(config.index.pairs) if pair.split == split]
        side = config.patch_size
        # All splits have the same features: where one has no clean images, black stands in for
        # them and is never read.
        black = np.zeros((side, side, config.channels), config.dtype)
        absent = {"clean": black} if config.index.clean_splits else {}
        known: dict[str, np.ndarray] = {}
        for number, pair in tqdm(pairs, desc=f"pairs {split}", unit="image", disable=None):
            known = {name: known[name] for name in pair.files.values() if name in known}
            images = read_pair(config.index.folder, pair, config.index.reading, known)
            # Neighbours in a burst share a shot and the clean image.
            known = {name: images[kind] for kind, name in pair.files.items()}
            height, width, _ = self._check_kind(images["noisy"], pair.noisy)
            steps = {
                STEPS[kind]: np.float32(dequantisation_step(image))
                for kind, image in images.items()
                if kind in STEPS
            }
            config.found.add(images, list(steps.values()))
            for row in range(0, height - side + 1, side):
                for column in range(0, width - side + 1, side):
                    window = (slice(row, row + side), slice(column, column + side))
                    yield (
                        f"{number}_{row}_{column}",
                        {
                            **absent,
                            **{kind: image[window] for kind, image in images.items()},
                            "camera": cameras[pair.camera],
                            "iso": pair.iso,
                            "image": number,
                            "scene": scenes[pair.scene],
                            **steps,
                        },
                    )

    def _check_kind(self, image: np.ndarray, name: str) -> tuple[int, ...]:
        """Shape of an image of the folder's type, large enough for a patch."""
        config: Any = self.builder_config
        if (image.dtype.name, image.shape[-1]) != (config.dtype, config.channels):
            raise DataError(
                f"{name} is {image.dtype.name} with {image.shape[-1]} channel(s), the first image "
                f"{config.dtype} with {config.channels}: store all images in one type."
            )
        if min(image.shape[:2]) < config.patch_size:
            raise DataError(
                f"{name} is {_size(image)}, smaller than a patch of {config.patch_size}: "
                "give a smaller patch size or leave the image out."
            )
        return image.shape


def _size(image: np.ndarray) -> str:
    return "x".join(map(str, image.shape))
