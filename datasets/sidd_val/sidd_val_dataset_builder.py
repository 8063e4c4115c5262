"""TFDS builder of SIDD's raw validation blocks, for evaluation: all are the test split."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds
from tqdm import tqdm

from datasets.pairs.index import UNKNOWN_CAMERA
from datasets.sidd_raw.layout import CAMERAS
from datasets.sidd_val.blocks import FILES, OTHER_ISOS, SHAPE, Known, read_blocks, read_index
from datasets.source_files import combined_digest, content_digest, quick_digest
from jaxnoise.errors import DataError, UsageError

VERSION = "1.0.0"
PATCH_SIZE = SHAPE[-1] // 2
VARIANTS = {
    "default": tuple(image for image in range(SHAPE[0]) if image not in OTHER_ISOS),
    "all": tuple(range(SHAPE[0])),
}


@dataclasses.dataclass
class Config(tfds.core.BuilderConfig):
    """Blocks of some images.

    Attributes:
        source: the folder.
        known: camera and ISO by number of the image.
        stamp: quick fingerprint of the files, to notice changes while they are read.
        absent: filled by the builder: number of NaN values of each image.
    """

    source: Path = Path()
    known: dict[int, Known] = dataclasses.field(default_factory=dict)
    stamp: str = ""
    absent: dict[int, int] = dataclasses.field(default_factory=dict, compare=False)


def make_config(source: Path, *, variant: str = "default", patch_size: int | None = None) -> Config:
    """Configuration of a folder with the two files of blocks.

    Args:
        source: the folder; an index.csv in it may state camera and iso of each image.
        variant: "default" for the 20 images that Noise Flow's evaluation keeps, or "all".
        patch_size: None or 128: blocks are not cut.

    Raises:
        UsageError: if the variant or the patch size is another.
        DataError: if a file is missing or the index is wrong.
    """
    if variant not in VARIANTS:
        raise UsageError(
            f"there is no variant '{variant}' of sidd_val: choose one of {', '.join(VARIANTS)}."
        )
    if patch_size not in (None, PATCH_SIZE):
        raise UsageError(
            f"blocks of sidd_val have {PATCH_SIZE} packed pixels a side, not {patch_size}: leave "
            "the patch size out."
        )
    source = Path(source)
    if not source.is_dir():
        raise DataError(
            f"there is no folder {source}: give the folder of {' and '.join(FILES.values())} with "
            "--source."
        )
    return Config(
        name=variant,
        version=VERSION,
        source=source,
        known=read_index(source, VARIANTS[variant]),
        stamp=_stamp(source),
    )


def fingerprint(config: Config) -> str:
    """sha256, in hexadecimal, of what decides the records; of the two large files, their sizes and
    times of change.
    """
    return combined_digest((VERSION, sorted(config.known.items())), {"files": config.stamp})


def facts(config: Config) -> dict[str, Any]:
    """What a reader of the records must know beside them, as JSON.

    Raises:
        DataError: if a file changed while the records were made.
    """
    contents = {name: content_digest(config.source / name) for name in FILES.values()}
    if _stamp(config.source) != config.stamp:
        raise DataError(
            f"the files of {config.source} changed while they were read: run the command again."
        )
    cameras = _cameras(config)
    notes = [
        "Values are fractions of full scale of linear raw, normalised by black and white level and "
        f"clipped to [0, 1]; NaN, {sum(config.absent.values()):,} values, counts as 0; no "
        "dequantisation.",
        "Camera and ISO are not stated: the files do not say, and no index.csv does. Channels are "
        "the four pixels of a 2x2 cell in reading order, whatever their colours."
        if cameras == [UNKNOWN_CAMERA]
        else "Channels are R, Gr, Gb, B; blocks are mirrored where that makes the first pixel red.",
    ]
    if config.name == "default":
        notes.append(
            f"{len(config.known)} of the {SHAPE[0]} images: those that Noise Flow's evaluation "
            "keeps for their ISO."
        )
    return {
        "cameras": cameras,
        "isos": sorted({known.iso for known in config.known.values()}),
        "channels": 4,
        "patch_size": PATCH_SIZE,
        "notes": notes,
        "fingerprint": combined_digest((VERSION, sorted(config.known.items())), contents),
    }


def builder(config: Config, data_dir: str) -> "Builder":
    """Builder of a configuration whose records lie under a folder."""
    return Builder(config=config, data_dir=data_dir)


class Builder(tfds.core.GeneratorBasedBuilder):
    """SIDD's raw validation blocks."""

    VERSION = tfds.core.Version(VERSION)
    BUILDER_CONFIGS: ClassVar[list[Config]] = []

    def _info(self) -> tfds.core.DatasetInfo:
        block = tfds.features.Tensor(
            shape=(PATCH_SIZE, PATCH_SIZE, 4),
            dtype=np.float32,
            encoding=tfds.features.Encoding.BYTES,
        )
        features = {
            "clean": block,
            "noisy": block,
            "camera": np.int32,
            "iso": np.int32,
            "image": np.int32,
            "block": np.int32,
        }
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(features),
            description="Blocks of SIDD's validation images, noisy and clean, in raw.",
            # Blocks keep the order of the files.
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[int, dict]]]:
        del dl_manager
        return {"test": self._generate_examples()}

    def _generate_examples(self) -> Iterator[tuple[int, dict[str, Any]]]:
        config: Any = self.builder_config
        cameras = _cameras(config)
        images = read_blocks(config.source, config.known)
        bar = tqdm(images, desc="sidd_val", unit="image", total=len(config.known), disable=None)
        for image, clean, noisy, absent in bar:
            config.absent[image] = absent
            known = config.known[image]
            for block in range(SHAPE[1]):
                yield (
                    image * SHAPE[1] + block,
                    {
                        "clean": clean[block],
                        "noisy": noisy[block],
                        "camera": cameras.index(known.camera),
                        "iso": known.iso,
                        "image": image,
                        "block": block,
                    },
                )


def _cameras(config: Config) -> list[str]:
    present = {known.camera for known in config.known.values()}
    return [camera for camera in (*CAMERAS, UNKNOWN_CAMERA) if camera in present]


def _stamp(source: Path) -> str:
    return quick_digest({name: source / name for name in FILES.values()})
