"""The pairs of consecutive shots that are taken from the bursts of a SIDD-Full Raw folder.

Real SIDD-Full was not at hand when this was written. Shots are looked for as its files are named,
in the folder of the scene instance, as SIDD-Medium has them, or in folders such as
0001_NOISY_RAW inside it or next to it, as archives of one kind unpack.
"""

import dataclasses
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datasets.pairs.splits import SPLITS
from datasets.sidd_raw.layout import PHASES
from datasets.sidd_raw.metadata import Metadata, read_metadata
from datasets.sidd_raw.scenes import find_instances, metadata_notes
from jaxnoise.errors import DataError
from jaxnoise.io.mat import MatReader

EDITION = "SIDD-Full Raw"
PAIRS_PER_INSTANCE = {"train": 8, "validation": 2, "test": 2}
"""Of the 149 that 150 shots have. 2,898 patches of 32x32 from two shots take 95 MB, with a clean
image 142 MB; those of all the paper's instances 44 GB where the test split alone has clean images
and 63 GB where every split has, before the records are compressed."""
TEST_SHOTS = (10, 11)
"""First shots of the test pairs where they are there: SIDD-Medium's images of the instance."""


@dataclass(frozen=True)
class ShotPair:
    """Two consecutive shots of a scene instance.

    Attributes:
        instance: number of the scene instance, as it opens the folder's name.
        shot: number of the first shot.
        camera: one of SIDD's.
        iso: the ISO number.
        split: train, validation or test.
        phase: Bayer phase in the orientation of the sensor.
        noise_profile: (shot, read) as the camera states them, NaN where nothing does; see
            `Metadata`.
        files: paths of the noisy shot, of the second, noisy2, and of the clean image where every
            instance of the split has one.
    """

    instance: str
    shot: int
    camera: str
    iso: int
    split: str
    phase: str
    noise_profile: tuple[float, float]
    files: dict[str, Path]


def find_pairs(source: Path) -> tuple[tuple[ShotPair, ...], tuple[str, ...]]:
    """Pairs of shots of the folder's scene instances, and sentences on how they were chosen.

    Args:
        source: the folder of SIDD-Full Raw, its folder Data, or a folder of scene folders.

    Raises:
        DataError: if the folder is missing or damaged, or an instance has no two consecutive shots.
    """
    instances, choice = find_instances(source, hold_out=True, edition=EDITION)
    pairs: list[ShotPair] = []
    contradictions: Counter[tuple[str, str]] = Counter()
    gaps = undescribed = without_profile = 0
    with MatReader() as reader:
        for folder, instance in instances.items():
            noisy, clean, described = (
                _numbered(folder, kind) for kind in ("NOISY", "GT", "METADATA")
            )
            firsts = [number for number in noisy if number + 1 in noisy]
            if not firsts:
                raise DataError(
                    f"{folder} holds no two consecutive shots, such as "
                    f"{_name(folder, 'NOISY')}_001.MAT and _002.MAT: copy them again from SIDD."
                )
            gaps += max(noisy) - min(noisy) >= len(noisy)
            usual = PHASES[instance.camera]
            stated = Metadata((np.nan, np.nan), None)
            if described:
                # Camera and settings are those of the whole burst.
                stated = read_metadata(reader, next(iter(described.values())))
                without_profile += stated.noise_profile[0] != stated.noise_profile[0]
                if stated.phase not in (None, usual):
                    contradictions[instance.camera, stated.phase] += 1
            else:
                undescribed += 1
            for shot in _spread(firsts, instance.split):
                files = {"noisy": noisy[shot], "noisy2": noisy[shot + 1]}
                truth = next(iter(clean.values())) if len(clean) == 1 else clean.get(shot)
                pairs.append(
                    ShotPair(
                        instance.scene,
                        shot,
                        instance.camera,
                        instance.iso,
                        instance.split,
                        stated.phase or usual,
                        stated.noise_profile,
                        files if truth is None else {**files, "clean": truth},
                    )
                )
    notes = [*choice, *metadata_notes(contradictions, without_profile, unit="scene instances")]
    if undescribed:
        notes.append(
            f"{undescribed} scene instances have no metadata: their cameras' usual Bayer phases "
            "were taken."
        )
    if gaps:
        notes.append(f"{gaps} scene instances lack shots between their first and their last.")
    pairs, absent = _clean_by_split(pairs)
    return tuple(pairs), (*notes, *absent)


def clean_splits(pairs: Sequence[ShotPair]) -> tuple[str, ...]:
    """The splits whose pairs have clean images."""
    found = {pair.split for pair in pairs if "clean" in pair.files}
    return tuple(split for split in SPLITS if split in found)


def _numbered(folder: Path, kind: str) -> dict[int, Path]:
    """Files of a kind of a scene instance by the number of the shot, in its order."""
    name = _name(folder, kind)
    pattern = re.compile(rf"{name}_(\d{{3}})\.MAT")
    found: dict[int, Path] = {}
    for place in (folder.parent / name, folder / name, folder):
        for path in place.iterdir() if place.is_dir() else ():
            if match := pattern.fullmatch(path.name):
                found[int(match[1])] = path
    return dict(sorted(found.items()))


def _name(folder: Path, kind: str) -> str:
    return f"{folder.name[:4]}_{kind}_RAW"


def _spread(firsts: list[int], split: str) -> Sequence[int]:
    """Some of the first shots of pairs, spread evenly."""
    if split == "test" and set(TEST_SHOTS) <= set(firsts):
        return TEST_SHOTS
    count = min(PAIRS_PER_INSTANCE[split], len(firsts))
    return [firsts[(2 * place + 1) * len(firsts) // (2 * count)] for place in range(count)]


def _clean_by_split(pairs: list[ShotPair]) -> tuple[list[ShotPair], list[str]]:
    """Pairs without the clean images of splits that lack some of them, and sentences on these."""
    lacking: dict[str, set[str]] = {split: set() for split in SPLITS}
    for pair in pairs:
        if "clean" not in pair.files:
            lacking[pair.split].add(pair.instance)
    notes = [
        f"The split {split} has no clean images: {len(instances)} of its scene instances lack them."
        for split, instances in lacking.items()
        if instances
    ]
    kept = []
    for pair in pairs:
        files = dict(pair.files)
        if lacking[pair.split]:
            files.pop("clean", None)
        kept.append(dataclasses.replace(pair, files=files))
    return kept, notes
