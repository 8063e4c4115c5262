"""TFDS builder of the simulated cameras: clean patches, two noisy draws, exact likelihood."""

import dataclasses
import hashlib
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds
from tqdm import tqdm

from datasets.camera_sim import photographs
from jaxnoise.errors import UsageError
from jaxnoise.noise.camera import (
    CAMERAS,
    ISOS,
    MIXING,
    SIMULATIONS,
    draw,
    generator,
    get_simulation,
    sensor_effects,
)

VERSION = "1.0.0"
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
    }


class Builder(tfds.core.GeneratorBasedBuilder):
    """Simulated cameras over scikit-image's photographs."""

    VERSION = tfds.core.Version(VERSION)
    BUILDER_CONFIGS: ClassVar[list[Config]] = [make_config(name) for name in SIMULATIONS]

    def _info(self) -> tfds.core.DatasetInfo:
        config: Any = self.builder_config
        side = config.patch_size
        patch = tfds.features.Tensor(
            shape=(side, side, 4), dtype=np.float32, encoding=tfds.features.Encoding.BYTES
        )
        features = {
            "clean": patch,
            "noisy": patch,
            "noisy2": patch,
            "camera": np.int32,
            "iso": np.int32,
            "scene": tfds.features.Text(),
        }
        if SIMULATIONS[config.simulation].has_truth:
            features["truth"] = np.float32
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(features),
            description="Packed raw patches with simulated camera noise of known likelihood.",
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[int, dict]]]:
        del dl_manager
        return {split: self._generate_examples(split) for split in photographs.SPLITS}

    def _generate_examples(self, split: str) -> Iterator[tuple[int, dict[str, Any]]]:
        config: Any = self.builder_config
        read = photographs.reader()
        scenes = photographs.SPLITS[split]
        settings = [(camera, iso) for camera in range(len(CAMERAS)) for iso in ISOS]
        count = len(settings) * patches_per_setting(split, config.patch_size)
        for index in tqdm(
            range(count),
            desc=f"camera_sim/{config.simulation} {split}",
            unit="patch",
            disable=None,
        ):
            random = generator(config.simulation, config.seed, split, index)
            camera, iso = settings[index % len(settings)]
            # The second term lets a small split, too, see every photograph.
            photograph = scenes[(index // len(settings) + index) % len(scenes)]
            clean, corner = photographs.raw_patch(read(photograph), config.patch_size, random)
            yield (
                index,
                _example(config.simulation, clean, corner, camera, iso, random)
                | {"scene": photograph.scene},
            )


def _example(
    name: str,
    clean: np.ndarray,
    corner: tuple[int, int],
    camera: int,
    iso: int,
    random: np.random.Generator,
) -> dict[str, Any]:
    """Two noisy draws over a clean patch; the truth is that of the first."""
    simulation = SIMULATIONS[name]
    example: dict[str, Any] = {"clean": clean, "camera": camera, "iso": iso}
    for key in ("noisy", "noisy2"):
        noise, truth = draw(clean, CAMERAS[camera], iso, taps=simulation.taps, random=random)
        if simulation.sensor_effects:
            noisy = sensor_effects(clean, noise, CAMERAS[camera], iso, corner=corner, random=random)
        else:
            noisy = clean + noise
        example[key] = noisy.astype(np.float32)
        if simulation.has_truth and key == "noisy":
            example["truth"] = truth
    return example
