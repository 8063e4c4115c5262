"""TFDS builder of SIDD-Full Raw: packed patches of two consecutive shots, in a grid."""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds
from tqdm import tqdm

from datasets.sidd_full.shots import ShotPair, clean_splits, find_pairs
from datasets.sidd_raw.layout import CAMERAS
from datasets.sidd_raw.patches import PatchConfig, cut, read_packed, short_name, sizes
from datasets.source_files import combined_digest, quick_digest
from jaxnoise.errors import DataError
from jaxnoise.io.mat import MatReader

VERSION = "1.1.0"


@dataclasses.dataclass
class Config(PatchConfig):
    """Pairs of shots of a folder, cut into patches.

    Attributes:
        pairs: all pairs that are read.
    """

    pairs: tuple[ShotPair, ...] = ()


def make_config(
    source: Path, *, patch_size: int | None = None, patches_per_image: int | None = None
) -> Config:
    """Configuration of a folder; metadata files are read where they are there.

    Args:
        source: the folder of SIDD-Full Raw, its folder Data, or a folder of scene folders.
        patch_size: side of a patch in packed pixels; None for 32.
        patches_per_image: at most so many patches of a pair; None for as many as cover the area of
            the paper's 2898.

    Raises:
        UsageError: if a size is not positive.
        DataError: if the folder, a shot or a metadata file is missing or damaged.
    """
    patch_size, patches_per_image = sizes(patch_size, patches_per_image)
    pairs, notes = find_pairs(Path(source))
    return Config(
        name="bursts",
        version=VERSION,
        source=Path(source),
        pairs=pairs,
        choice=notes,
        patch_size=patch_size,
        patches_per_image=patches_per_image,
        stamp=quick_digest(_files(pairs)),
    )


def fingerprint(config: Config) -> str:
    """sha256, in hexadecimal, of what decides the records; of the image files their names, sizes
    and times of change.
    """
    return combined_digest(_decisions(config), {"files": config.stamp})


def facts(config: Config) -> dict[str, Any]:
    """What a reader of the records must know beside them, as JSON.

    Raises:
        DataError: if a file changed while the records were made.
    """
    pairs, _ = find_pairs(config.source)
    if pairs != config.pairs or quick_digest(_files(pairs)) != config.stamp:
        raise DataError(
            f"the files of {config.source} changed while they were read: run the command again."
        )
    return {
        "cameras": _cameras(config),
        "isos": sorted({pair.iso for pair in config.pairs}),
        "channels": 4,
        "patch_size": config.patch_size,
        "notes": [
            config.unit,
            "Channels are R, Gr, Gb, B; images are mirrored where that makes the first pixel red.",
            "Pairs are consecutive shots, some of each burst, as records of all would be too "
            "large; splits are those of the paper, by scene instance.",
            *config.choice,
        ],
        "fingerprint": combined_digest(_decisions(config), config.contents),
        "clean_splits": clean_splits(config.pairs),
        "scenes": _scenes(config),
    }


def builder(config: Config, data_dir: str) -> "Builder":
    """Builder of a configuration whose records lie under a folder."""
    return Builder(config=config, data_dir=data_dir)


class Builder(tfds.core.GeneratorBasedBuilder):
    """Patches of two consecutive shots of SIDD-Full Raw."""

    VERSION = tfds.core.Version(VERSION)
    BUILDER_CONFIGS: ClassVar[list[Config]] = []

    def _info(self) -> tfds.core.DatasetInfo:
        config: Any = self.builder_config
        features = {
            "noisy": config.patch,
            "noisy2": config.patch,
            "camera": np.int32,
            "iso": np.int32,
            "noise_profile": tfds.features.Tensor(shape=(2,), dtype=np.float32),
            "image": np.int32,
            "scene": np.int32,
            "shot": np.int32,
        }
        if clean_splits(config.pairs):
            features["clean"] = config.patch
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(features),
            description="Patches of two consecutive shots of SIDD-Full Raw.",
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[str, dict]]]:
        del dl_manager
        config: Any = self.builder_config
        splits = dict.fromkeys(pair.split for pair in config.pairs)
        return {split: self._generate_examples(split) for split in sorted(splits)}

    def _generate_examples(self, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
        config: Any = self.builder_config
        cameras, scenes = _cameras(config), _scenes(config)
        pairs = [(n, pair) for n, pair in enumerate(config.pairs) if pair.split == split]
        # All splits have the same features: where one has no clean images, black stands in for
        # them and is never read.
        black = np.zeros((config.patch_size, config.patch_size, 4), np.float32)
        absent = {"clean": black} if clean_splits(config.pairs) else {}
        with MatReader() as reader:
            for number, pair in tqdm(pairs, desc=f"sidd_full {split}", unit="pair", disable=None):
                images = read_packed(reader, pair.files, pair.phase, config)
                for place, patches in cut(images, config):
                    yield (
                        f"{pair.instance}_{pair.shot}_{place}",
                        {
                            **absent,
                            **patches,
                            "camera": cameras.index(pair.camera),
                            "iso": pair.iso,
                            "noise_profile": np.array(pair.noise_profile, np.float32),
                            "image": number,
                            "scene": scenes.index(pair.instance),
                            "shot": pair.shot,
                        },
                    )


def _cameras(config: Config) -> list[str]:
    present = {pair.camera for pair in config.pairs}
    return [camera for camera in CAMERAS if camera in present]


def _scenes(config: Config) -> list[str]:
    return sorted({pair.instance for pair in config.pairs})


def _decisions(config: Config) -> tuple[object, ...]:
    pairs = [
        dataclasses.replace(
            pair, files={kind: Path(short_name(path)) for kind, path in pair.files.items()}
        )
        for pair in config.pairs
    ]
    return VERSION, config.layout, config.patch_size, config.patches_per_image, pairs


def _files(pairs: tuple[ShotPair, ...]) -> Mapping[str, Path]:
    return {short_name(path): path for pair in pairs for path in pair.files.values()}
