"""TFDS builder of the simulated cameras: clean patches, two noisy draws, exact likelihood."""

import dataclasses
import hashlib
from collections.abc import Iterator
from functools import partial
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds
from tqdm import tqdm

from datasets.ahead import ahead
from datasets.camera_sim import photographs
from datasets.camera_sim.patches import SETTINGS, make_patches, photograph_of
from datasets.plain_files import PlainWriter
from jaxnoise.errors import UsageError
from jaxnoise.noise.camera import (
    CAMERAS,
    ISOS,
    MIXING,
    SIMULATIONS,
    get_simulation,
)

VERSION = "1.1.0"
BLOCK = len(SETTINGS)
"""Patches of a record: one by one they take longer to write and to read than to make."""
PATCH_SIZE = 32
PATCH_SIZES = (8, 128)
# Patches of 32x32 per camera and ISO; larger patches are fewer.
PATCHES_PER_SETTING = {"train": 160, "validation": 30, "test": 60}
FEWEST_PATCHES_PER_SETTING = 4


@dataclasses.dataclass
class Config(tfds.core.BuilderConfig):
    """A simulation, drawn with `seed` on patches of `patch_size` packed pixels."""

    simulation: str = "exact"
    seed: int = 0
    patch_size: int = PATCH_SIZE


def make_config(simulation: str, *, seed: int = 0, patch_size: int | None = None) -> Config:
    """Configuration of a simulated camera.

    Args:
        simulation: exact, exact-white, exact-wide or full.
        seed: seed of the draws.
        patch_size: side of the patches in packed pixels, 8 to 128; None for 32.

    Raises:
        UsageError: if the simulation is unknown or the patch size out of range.
    """
    get_simulation(simulation)
    patch_size = PATCH_SIZE if patch_size is None else patch_size
    if not PATCH_SIZES[0] <= patch_size <= PATCH_SIZES[1]:
        raise UsageError(
            f"patches of camera_sim have {PATCH_SIZES[0]} to {PATCH_SIZES[1]} pixels a side, not "
            f"{patch_size}."
        )
    own = "" if (seed, patch_size) == (0, PATCH_SIZE) else f"-patch{patch_size}-seed{seed}"
    return Config(
        name=simulation + own,
        version=VERSION,
        simulation=simulation,
        seed=seed,
        patch_size=patch_size,
    )


def patches_per_setting(split: str, patch_size: int) -> int:
    """Number of patches of a split per camera and ISO: fewer of them where they are larger."""
    fewest = FEWEST_PATCHES_PER_SETTING
    return max(fewest, round(PATCHES_PER_SETTING[split] * min(1.0, (PATCH_SIZE / patch_size) ** 2)))


def fingerprint(config: Config) -> str:
    """Hexadecimal sha256 of constants, version, configuration and photographs."""
    simulation = SIMULATIONS[config.simulation]
    facts = (
        VERSION,
        config.simulation,
        config.seed,
        config.patch_size,
        sorted(simulation.taps.items()),
        simulation.sensor_effects,
        MIXING.tolist(),
        ISOS,
        [dataclasses.astuple(camera) for camera in CAMERAS],
        [(split, patches_per_setting(split, config.patch_size)) for split in PATCHES_PER_SETTING],
        photographs.fingerprint(),
    )
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def builder(config: Config, data_dir: str) -> "Builder":
    """Builder of a configuration whose records lie under a folder."""
    known = {c.name for c in Builder.BUILDER_CONFIGS}
    return Builder(config=config.name if config.name in known else config, data_dir=data_dir)


def facts(config: Config) -> dict[str, Any]:
    """What a reader of the records must know beside them, as JSON."""
    simulation = SIMULATIONS[config.simulation]
    notes = ["Values are fractions of full scale of packed linear raw; no dequantisation."]
    if simulation.has_truth:
        notes.append(
            "Noise is simulated, float32 and unclipped; the true likelihood of every patch is "
            "known."
        )
    else:
        notes.append(
            "Noise is simulated with row noise, fixed pattern, stuck pixels, clipping and "
            "quantisation."
        )
    return {
        "cameras": [camera.name for camera in CAMERAS],
        "isos": list(ISOS),
        "channels": 4,
        "patch_size": config.patch_size,
        "notes": notes,
        "scenes": list(photographs.SCENES),
        "block": BLOCK,
    }


class Builder(tfds.core.GeneratorBasedBuilder):
    """Simulated cameras over scikit-image's photographs."""

    VERSION = tfds.core.Version(VERSION)
    BUILDER_CONFIGS: ClassVar[list[Config]] = [make_config(name) for name in SIMULATIONS]

    def _info(self) -> tfds.core.DatasetInfo:
        config: Any = self.builder_config
        side = config.patch_size
        patch = tfds.features.Tensor(
            shape=(BLOCK, side, side, 4),
            dtype=np.float32,
            encoding=tfds.features.Encoding.BYTES,
        )
        number = tfds.features.Tensor(shape=(BLOCK,), dtype=np.int32)
        features = {"clean": patch, "noisy": patch, "noisy2": patch}
        features |= dict.fromkeys(("camera", "iso", "image", "scene"), number)
        if SIMULATIONS[config.simulation].has_truth:
            features["truth"] = tfds.features.Tensor(shape=(BLOCK,), dtype=np.float32)
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(features),
            description="Packed raw patches with simulated camera noise of known likelihood.",
            # The blocks are in an order of their own.
            disable_shuffling=True,
        )

    def _example_writer(self) -> PlainWriter:
        return PlainWriter()

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[int, dict]]]:
        del dl_manager
        return {split: self._generate_examples(split) for split in photographs.SPLITS}

    def _generate_examples(self, split: str) -> Iterator[tuple[int, dict[str, Any]]]:
        config: Any = self.builder_config
        images = photographs.ALL
        numbers = _order(split, BLOCK * patches_per_setting(split, config.patch_size))
        make = partial(
            make_patches,
            config.simulation,
            config.seed,
            split,
            patch_size=config.patch_size,
            read=photographs.reader(),
        )
        bar = tqdm(
            desc=f"camera_sim/{config.simulation} {split}",
            unit="patch",
            total=len(numbers),
            disable=None,
        )
        blocks = [numbers[start : start + BLOCK] for start in range(0, len(numbers), BLOCK)]
        with bar:
            for key, (block, patches) in enumerate(ahead(make, blocks)):
                places = [images.index(photograph_of(split, number)) for number in block]
                bar.update(BLOCK)
                yield (
                    key,
                    patches
                    | {
                        "image": np.array(places, np.int32),
                        "scene": np.array(
                            [photographs.SCENES.index(images[p].scene) for p in places], np.int32
                        ),
                    },
                )


def _order(split: str, count: int) -> list[int]:
    """Numbers of the patches in the order of their records: that of a hash, so that any part of a
    split is a fair sample of it.
    """
    return sorted(range(count), key=lambda number: _hash(f"{split}{number}"))


def _hash(text: str) -> bytes:
    return hashlib.md5(text.encode(), usedforsecurity=False).digest()
