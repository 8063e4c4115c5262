"""The scene instances of a folder of SIDD, and the images of SIDD-Medium Raw in it."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from datasets.pairs.splits import Pair, assign_splits
from datasets.sidd_raw.layout import CAMERAS, PHASES
from datasets.sidd_raw.metadata import read_metadata
from jaxnoise.errors import DataError
from jaxnoise.io.mat import MatReader

ISOS = (100, 400, 800, 1600, 3200)
FRAMES = ("010", "011")
KINDS = ("NOISY", "GT", "METADATA")
TRAIN = frozenset(
    map(
        int,
        "4 11 13 17 18 20 22 23 25 27 28 29 30 34 35 39 40 42 43 44 45 47 81 86 88 90 101 102 104 "
        "105 110 111 115 116 125 126 127 129 132 135 138 140 175 177 178 179 180 181 185 186 189 "
        "192 193 194 196 197".split(),
    )
)
TEST = frozenset(
    map(
        int,
        "54 55 57 59 60 62 63 66 150 151 152 154 155 159 160 161 163 164 165 166 198 199".split(),
    )
)
"""Scene instances of Noise Flow's training and test images, by the number that opens their name."""

# Instance, scene, camera, ISO, shutter speed, colour temperature, brightness.
_NAME = re.compile(r"(\d{4})_(\d{3})_([A-Z0-9]{2})_(\d{5})_(\d{5})_(\d{4})_([LNH])")


@dataclass(frozen=True)
class Image:
    """One clean and noisy image.

    Attributes:
        folder: folder of its scene instance.
        frame: number of the image in it.
        camera: one of `CAMERAS`.
        iso: the ISO number.
        split: train, validation or test.
        phase: Bayer phase in the orientation of the sensor.
        noise_profile: (shot, read) as the camera states them; see `Metadata`.
    """

    folder: Path
    frame: str
    camera: str
    iso: int
    split: str
    phase: str
    noise_profile: tuple[float, float]

    @property
    def scene(self) -> str:
        """Number of the scene instance, as it opens the folder's name."""
        return self.folder.name[:4]

    def path(self, kind: str) -> Path:
        """File of a kind: NOISY, GT or METADATA."""
        return _path(self.folder, kind, self.frame)


def find_images(source: Path, *, hold_out: bool) -> tuple[tuple[Image, ...], tuple[str, ...]]:
    """Images of the folder that belong to a split, and sentences on how they were chosen.

    Args:
        source: the folder of SIDD-Medium Raw, its folder Data, or a folder of scene folders.
        hold_out: whether part of the training instances becomes the validation split.

    Raises:
        DataError: if the folder or a file of it is missing or damaged.
    """
    instances, notes = find_instances(source, hold_out=hold_out, edition="SIDD-Medium Raw")
    images, phases = _read_images(instances)
    return images, (*notes, *phases)


def find_instances(
    source: Path, *, hold_out: bool, edition: str
) -> tuple[dict[Path, Pair], tuple[str, ...]]:
    """Scene instances that belong to a split, by their folders, and sentences on the choice.

    Args:
        source: as for `find_images`.
        hold_out: whether part of the training instances becomes the validation split.
        edition: name of what the folder holds, for errors.

    Raises:
        DataError: if the folder or a name in it is wrong, or too few instances are there.
    """
    folders = _scene_folders(source, edition)
    notes = []
    chosen: dict[Path, Pair] = {}
    left_out: Counter[str] = Counter()
    for folder, match in folders:
        number, camera, iso = int(match[1]), match[3], int(match[4])
        split = "train" if number in TRAIN else "test" if number in TEST else ""
        if iso not in ISOS:
            left_out["have another ISO than " + ", ".join(map(str, ISOS))] += 1
        elif not split:
            left_out["are in neither split of the paper"] += 1
        elif camera not in CAMERAS:
            raise DataError(
                f"{folder} names the camera '{camera}', and SIDD's are {', '.join(CAMERAS)}: "
                "correct the folder's name."
            )
        else:
            name = folder.name
            chosen[folder] = Pair(name, f"{name} clean", camera, iso, match[1], split)
    notes += [f"{count} scene instances left out: they {why}." for why, count in left_out.items()]
    found = {int(pair.scene) for pair in chosen.values()}
    for split, wanted, fewest in (("train", TRAIN, 2 if hold_out else 1), ("test", TEST, 1)):
        if len(wanted & found) < fewest:
            raise DataError(
                f"{source} holds {len(wanted & found)} of the {len(wanted)} scene instances of "
                f"Noise Flow's {split} split, too few: copy the rest of {edition} there."
            )
        if absent := sorted(wanted - found):
            notes.append(
                f"{len(absent)} of the paper's {len(wanted)} {split} instances are not in the "
                "folder: " + ", ".join(f"{number:04}" for number in absent) + "."
            )
    pairs = list(chosen.values())
    if hold_out:
        pairs, chosen_splits = assign_splits(pairs)
        notes += chosen_splits
    return dict(zip(chosen, pairs, strict=True)), tuple(notes)


def _scene_folders(source: Path, edition: str) -> list[tuple[Path, re.Match[str]]]:
    if not source.is_dir():
        raise DataError(f"there is no folder {source}: give the folder of {edition} with --source.")
    for folder in (source, source / "Data", source / "SIDD_Medium_Raw" / "Data"):
        if not folder.is_dir():
            continue
        entries = sorted(entry for entry in folder.resolve().iterdir() if entry.is_dir())
        matches = [(entry, match) for entry in entries if (match := _NAME.fullmatch(entry.name))]
        if not matches:
            continue
        names = defaultdict(list)
        for entry, match in matches:
            names[match[1]].append(entry.name)
        for same in names.values():
            if len(same) > 1:
                raise DataError(
                    f"{folder} holds {' and '.join(same)}, which are one scene instance: remove "
                    "one of them."
                )
        return matches
    raise DataError(
        f"{source} holds no folders such as 0001_001_S6_00100_00060_3200_L: give the folder of "
        f"{edition} with --source."
    )


def _read_images(folders: dict[Path, Pair]) -> tuple[tuple[Image, ...], list[str]]:
    # SIDD-Small has the first frame only.
    frames = [
        frame
        for frame in FRAMES
        if any(_path(folder, kind, frame).exists() for folder in folders for kind in KINDS)
    ]
    images, contradictions, without_profile = [], Counter(), 0
    with MatReader() as reader:
        for folder, pair in folders.items():
            for frame in frames or FRAMES[:1]:
                for kind in KINDS:
                    if not (path := _path(folder, kind, frame)).is_file():
                        raise DataError(f"{path} is missing: copy it again from SIDD.")
                stated = read_metadata(reader, _path(folder, "METADATA", frame))
                usual = PHASES[pair.camera]
                if stated.phase not in (None, usual):
                    contradictions[pair.camera, stated.phase] += 1
                without_profile += stated.noise_profile[0] != stated.noise_profile[0]
                images.append(
                    Image(
                        folder,
                        frame,
                        pair.camera,
                        pair.iso,
                        pair.split,
                        stated.phase or usual,
                        stated.noise_profile,
                    )
                )
    return tuple(images), metadata_notes(contradictions, without_profile, unit="images")


def metadata_notes(
    contradictions: Mapping[tuple[str, str], int], without_profile: int, *, unit: str
) -> list[str]:
    """Sentences on metadata that are unusual.

    Args:
        contradictions: how many of a camera state another Bayer phase than the usual one.
        without_profile: how many state no noise profile.
        unit: what is counted.
    """
    notes = [
        f"The metadata of {count} {unit} of {camera} state the Bayer phase {phase} and not the "
        f"usual {PHASES[camera]}: they were followed."
        for (camera, phase), count in contradictions.items()
    ]
    if without_profile:
        notes.append(f"The metadata of {without_profile} {unit} state no noise profile.")
    return notes


def _path(folder: Path, kind: str, frame: str) -> Path:
    return folder / f"{folder.name[:4]}_{kind}_RAW_{frame}.MAT"
