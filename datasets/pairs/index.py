"""The index.csv of a folder of image pairs: what it must say."""

import csv
import hashlib
import io
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from datasets.pairs.splits import SPLITS, Pair, assign_splits
from jaxnoise.errors import DataError
from jaxnoise.io.images import MAX_FILE_BYTES

COLUMNS = ("noisy", "clean", "camera", "iso", "scene")
UNKNOWN_CAMERA = "unknown"
UNKNOWN_ISO = 0
MAX_INDEX_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Index:
    """All pairs of a folder with their splits.

    Attributes:
        folder: the folder, resolved.
        pairs: in the order of the index.
        notes: sentences on how splits were made.
        clean_splits: the splits whose pairs have clean images.
        digest: sha256 of the index's text and of the bytes of all files, in hexadecimal.
    """

    folder: Path
    pairs: tuple[Pair, ...]
    notes: tuple[str, ...]
    clean_splits: tuple[str, ...]
    digest: str

    @property
    def has_second_shots(self) -> bool:
        """Whether pairs have a second noisy shot: all of them, or none."""
        return any(pair.noisy2 for pair in self.pairs)


def read_index(folder: Path) -> Index:
    """Index of a folder, checked as far as it can be without decoding an image.

    Args:
        folder: holds index.csv with the columns noisy, clean, camera, iso, scene and, at choice,
            split and noisy2, a second shot. With noisy2 clean may be left out, for all rows of a
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
    _check_clean(pairs)
    digest = hashlib.sha256(text.encode())
    for file in dict.fromkeys(name for pair in pairs for name in pair.files.values()):
        content = hashlib.sha256(read_file(folder, file)).hexdigest()
        digest.update(f"{file}\0{content}\n".encode())
    pairs, notes = assign_splits(pairs)
    has_clean = {pair.split for pair in pairs if pair.clean}
    clean_splits = tuple(split for split in SPLITS if split in has_clean)
    return Index(folder, tuple(pairs), tuple(notes), clean_splits, digest.hexdigest())


def _check_clean(pairs: list[Pair]) -> None:
    """Refuse a split, as the index states it, where some rows have a clean image and some none."""
    rows = defaultdict(list)
    for pair in pairs:
        rows[pair.split].append(bool(pair.clean))
    for split, found in rows.items():
        if not all(found) and any(found):
            where = f"rows of the split {split}" if split else "rows"
            raise DataError(
                f"index.csv names a clean image in {sum(found)} of the {len(found)} {where}: fill "
                "in the column clean for all of them or for none."
            )


def check_inside(name: str) -> None:
    """Refuse a name that an index gives to a file outside its folder.

    Raises:
        DataError: if it may be one, on any system.
    """
    parts = (*PurePosixPath(name).parts, *PureWindowsPath(name).parts)
    absolute = (
        PurePosixPath(name).is_absolute() or PureWindowsPath(name).drive or name.startswith("\\")
    )
    if absolute or ".." in parts or "\0" in name:
        raise DataError(
            f"index.csv names {name!r}, which may lie outside its folder: use paths below it."
        )


def read_file(folder: Path, name: str) -> bytes:
    """Bytes of a file that the index names; never of one outside the folder."""
    check_inside(name)
    path = folder / name
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
        needed = [name for name in COLUMNS if name != "clean" or "noisy2" not in header]
        missing = [name for name in needed if name not in header]
        if missing:
            raise DataError(
                f"index.csv lacks the column {missing[0]}: it needs {', '.join(COLUMNS)}."
            )
        reader.fieldnames = header
        pairs = [_parse_row(row, reader.line_num) for row in reader]
    except csv.Error as error:
        raise DataError(
            f"index.csv is not valid CSV near line {reader.line_num}: {error}."
        ) from error
    if not pairs:
        raise DataError("index.csv has no rows: add one line for each pair of images.")
    return pairs


def _parse_row(row: dict, line: int) -> Pair:
    if None in row or None in row.values():
        raise DataError(
            f"line {line} of index.csv has not as many fields as the header: correct that line."
        )
    values = {name: value.strip() for name, value in row.items()}
    for name in ("noisy", "noisy2" if "noisy2" in values else "clean", "scene"):
        if not values[name]:
            raise DataError(f"line {line} of index.csv leaves {name} blank: fill it in.")
    if "split" in values and values["split"] not in SPLITS:
        raise DataError(
            f"line {line} of index.csv has the split '{values['split']}': use {', '.join(SPLITS)}."
        )
    noisy, clean, noisy2 = (_normalise(values.get(n, "")) for n in ("noisy", "clean", "noisy2"))
    if noisy == noisy2:
        raise DataError(
            f"line {line} of index.csv names {noisy} as noisy and as noisy2: give two shots of the "
            "scene."
        )
    return Pair(
        noisy=noisy,
        clean=clean,
        camera=values["camera"] or UNKNOWN_CAMERA,
        iso=_parse_iso(values["iso"], line),
        scene=values["scene"],
        split=values.get("split", ""),
        noisy2=noisy2,
    )


def _normalise(name: str) -> str:
    """One spelling of a path: ./a.png and .//a.png are a.png; ".." stays, to be refused."""
    return str(PurePosixPath(name)) if name else ""


def _parse_iso(text: str, line: int) -> int:
    if not text:
        return UNKNOWN_ISO
    if not (text.isascii() and text.isdigit() and len(text) <= 8 and int(text) > 0):
        raise DataError(
            f"line {line} of index.csv has the ISO '{text}': write a whole number or leave it "
            "blank."
        )
    return int(text)
