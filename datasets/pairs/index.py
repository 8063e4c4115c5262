"""The index.csv of a folder of image pairs: what it must say, and the split of each image."""

import csv
import dataclasses
import hashlib
import io
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from jaxnoise.errors import DataError
from jaxnoise.io.images import MAX_FILE_BYTES

SPLITS = ("train", "validation", "test")
COLUMNS = ("noisy", "clean", "camera", "iso", "scene")
UNKNOWN_CAMERA = "unknown"
UNKNOWN_ISO = 0
VALIDATION_SHARE = 0.15
TEST_SHARE = 0.2
MAX_INDEX_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Pair:
    """One row of the index: two files relative to the folder, and what is known of them."""

    noisy: str
    clean: str
    camera: str
    iso: int
    scene: str
    split: str

    @property
    def setting(self) -> tuple[str, int]:
        """Camera and ISO."""
        return self.camera, self.iso


@dataclass(frozen=True)
class Index:
    """All pairs of a folder with their splits.

    Attributes:
        folder: the folder, resolved.
        pairs: in the order of the index.
        notes: sentences on how splits were made.
        digest: sha256 of the index's text and of the bytes of all files, in hexadecimal.
    """

    folder: Path
    pairs: tuple[Pair, ...]
    notes: tuple[str, ...]
    digest: str


def read_index(folder: Path) -> Index:
    """Index of a folder, checked as far as it can be without decoding an image.

    Args:
        folder: holds index.csv with the columns noisy, clean, camera, iso, scene and, at choice,
            split.

    Raises:
        DataError: if the folder, the index or a file is missing or contradicts itself.
    """
    if not folder.is_dir():
        raise DataError(
            f"there is no folder {folder}: give the folder of your images with --source."
        )
    folder = folder.resolve()
    if not any(folder.iterdir()):
        raise DataError(f"the folder {folder} is empty: put your images and an index.csv into it.")
    text = _read_text(folder)
    pairs = _parse(text)
    digest = hashlib.sha256(text.encode())
    for file in dict.fromkeys(name for pair in pairs for name in (pair.noisy, pair.clean)):
        content = read_file(folder, file)
        digest.update(f"{file}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    pairs, notes = assign_splits(pairs)
    return Index(folder, tuple(pairs), tuple(notes), digest.hexdigest())


def read_file(folder: Path, name: str) -> bytes:
    """Bytes of a file that the index names; never of one outside the folder."""
    path = folder / name
    parts = (*PurePosixPath(name).parts, *PureWindowsPath(name).parts)
    absolute = (
        PurePosixPath(name).is_absolute() or PureWindowsPath(name).drive or name.startswith("\\")
    )
    if absolute or ".." in parts or "\0" in name:
        raise DataError(
            f"index.csv names {name!r}, which may lie outside its folder: use paths below it."
        )
    try:
        if not path.resolve(strict=True).is_relative_to(folder):
            raise DataError(
                f"index.csv names {name}, a link that leaves its folder: copy the file into it."
            )
        if path.stat().st_size > MAX_FILE_BYTES:
            raise DataError(
                f"{name} is larger than {MAX_FILE_BYTES // 2**30} GiB: cut the image into parts."
            )
        return path.read_bytes()
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"index.csv names {name}, which cannot be read from {folder}: correct the index."
        ) from error


def _read_text(folder: Path) -> str:
    path = folder / "index.csv"
    try:
        if path.stat().st_size > MAX_INDEX_BYTES:
            raise DataError(
                f"{path} is larger than {MAX_INDEX_BYTES // 2**20} MiB: split the data into "
                "folders."
            )
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DataError(
            f"there is no readable index.csv in {folder}: add one with the columns "
            f"{', '.join(COLUMNS)}."
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text: save it as CSV in UTF-8.") from error


def _parse(text: str) -> list[Pair]:
    reader = csv.DictReader(io.StringIO(text, newline=""), skipinitialspace=True, strict=True)
    try:
        header = [name.strip() for name in reader.fieldnames or ()]
        missing = [name for name in COLUMNS if name not in header]
        if missing:
            raise DataError(
                f"index.csv lacks the column {missing[0]}: it needs {', '.join(COLUMNS)}."
            )
        reader.fieldnames = header
        pairs = [_parse_row(row, reader.line_num, "split" in header) for row in reader]
    except csv.Error as error:
        raise DataError(
            f"index.csv is not valid CSV near line {reader.line_num}: {error}."
        ) from error
    if not pairs:
        raise DataError("index.csv has no rows: add one line for each pair of images.")
    return pairs


def _parse_row(row: dict, line: int, has_split: bool) -> Pair:
    if None in row or None in row.values():
        raise DataError(
            f"line {line} of index.csv has not as many fields as the header: correct that line."
        )
    values = {name: value.strip() for name, value in row.items()}
    for name in ("noisy", "clean", "scene"):
        if not values[name]:
            raise DataError(f"line {line} of index.csv leaves {name} blank: fill it in.")
    if has_split and values["split"] not in SPLITS:
        raise DataError(
            f"line {line} of index.csv has the split '{values['split']}': use {', '.join(SPLITS)}."
        )
    return Pair(
        noisy=_normalise(values["noisy"]),
        clean=_normalise(values["clean"]),
        camera=values["camera"] or UNKNOWN_CAMERA,
        iso=_parse_iso(values["iso"], line),
        scene=values["scene"],
        split=values["split"] if has_split else "",
    )


def _normalise(name: str) -> str:
    """One spelling of a path: ./a.png and .//a.png are a.png; ".." stays, to be refused."""
    return str(PurePosixPath(name))


def _parse_iso(text: str, line: int) -> int:
    if not text:
        return UNKNOWN_ISO
    if not (text.isascii() and text.isdigit() and len(text) <= 8 and int(text) > 0):
        raise DataError(
            f"line {line} of index.csv has the ISO '{text}': write a whole number or leave it "
            "blank."
        )
    return int(text)


def assign_splits(pairs: list[Pair]) -> tuple[list[Pair], list[str]]:
    """Pairs with a split each, and sentences on how it was chosen.

    Args:
        pairs: pairs that all have a split, or none of which has one ("").

    Raises:
        DataError: if a scene or a file is in two splits, or too few scenes are left for training
            or test.
    """
    notes = []
    if pairs[0].split == "":
        pairs = [dataclasses.replace(pair, split="train") for pair in pairs]
        scenes = len({pair.scene for pair in pairs})
        if scenes < 3:
            raise DataError(
                f"index.csv has {scenes} scene(s), too few to split: name at least 3, or add a "
                "split column."
            )
        pairs = _hold_out(pairs, "test", lambda pair: pair.scene, TEST_SHARE, strict=False)
        notes.append("The index has no split column: about 20 % of the scenes are the test split.")
    _check_scenes(pairs)
    if not any(pair.split == "validation" for pair in pairs):
        pairs, note = _hold_out_validation(pairs)
        notes.append(note)
    _check_files(pairs)
    for split in SPLITS:
        if not any(pair.split == split for pair in pairs):
            raise DataError(
                f"index.csv leaves no images for the split {split}: mark some in the split column."
            )
    trained = {pair.setting for pair in pairs if pair.split == "train"}
    unseen = sorted({pair.setting for pair in pairs if pair.split == "test"} - trained)
    if unseen:
        notes.append(
            "Not in the training split but in the test split: "
            + ", ".join(f"{camera} at ISO {iso}" for camera, iso in unseen)
            + "."
        )
    return pairs, notes


def _check_scenes(pairs: list[Pair]) -> None:
    splits = defaultdict(set)
    for pair in pairs:
        splits[pair.scene].add(pair.split)
    for scene, found in splits.items():
        if len(found) > 1:
            raise DataError(
                f"index.csv has the scene '{scene}' in {' and '.join(sorted(found))}: give each "
                "scene one split."
            )
    for split in ("train", "test"):
        if not any(pair.split == split for pair in pairs):
            raise DataError(
                f"index.csv leaves no images for the split {split}: mark some in the split column."
            )


def _check_files(pairs: list[Pair]) -> None:
    """Refuse a file, noisy or clean, of two splits; within one, a burst may share a clean image."""
    splits = defaultdict(set)
    for pair in pairs:
        for file in (pair.noisy, pair.clean):
            splits[file].add(pair.split)
    for file, found in splits.items():
        if len(found) > 1:
            raise DataError(
                f"index.csv has the file {file} in {' and '.join(sorted(found))}: give all rows "
                "with it one scene and one split."
            )


def _hold_out_validation(pairs: list[Pair]) -> tuple[list[Pair], str]:
    """Whole scenes, or whole images where training would lose a camera and ISO with every scene."""
    for unit, of in (("scenes", lambda pair: pair.scene), ("images", lambda pair: pair.clean)):
        held = _hold_out(pairs, "validation", of, VALIDATION_SHARE, strict=True)
        count = len({of(pair) for pair in held if pair.split == "validation"})
        if count:
            return (
                held,
                f"Validation: {count} of the training {unit}, held out by a hash of their names.",
            )
    held = _hold_out(pairs, "validation", lambda pair: pair.scene, VALIDATION_SHARE, strict=False)
    if not any(pair.split == "train" for pair in held):
        raise DataError(
            "index.csv has one scene for training, too few to validate on another: add scenes."
        )
    return (
        held,
        "Validation: training scenes, held out although training has no other of their camera "
        "and ISO.",
    )


def _hold_out(
    pairs: list[Pair], split: str, of: Callable[[Pair], str], share: float, *, strict: bool
) -> list[Pair]:
    """Pairs with about a share of the training groups, in order of a hash, moved to another split.

    Groups whose cameras and ISOs training keeps go first; the others follow unless `strict`.
    """
    groups: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        if pair.split == "train":
            groups[of(pair)].append(pair)
    order = sorted(groups, key=lambda name: hashlib.sha256(f"{split}\0{name}".encode()).digest())
    wanted = max(1, round(share * len(groups)))
    kept = dict.fromkeys(order)
    moved: list[str] = []
    for covered in (True,) if strict else (True, False):
        for name in order:
            if len(moved) == wanted or name not in kept:
                continue
            others = {pair.setting for other in kept if other != name for pair in groups[other]}
            if not covered or {pair.setting for pair in groups[name]} <= others:
                moved.append(name)
                del kept[name]
    return [
        dataclasses.replace(pair, split=split)
        if pair.split == "train" and of(pair) in moved
        else pair
        for pair in pairs
    ]
