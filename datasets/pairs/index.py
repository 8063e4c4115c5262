"""The index.csv of a folder of image pairs: what it must say."""

import csv
import hashlib
import io
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from datasets.pairs.splits import SPLITS, Pair, assign_splits
from datasets.source_files import AS_USUAL, Reading
from jaxnoise.errors import DataError
from jaxnoise.io.regular_files import read_regular

COLUMNS = ("noisy", "clean", "camera", "iso", "scene")
UNKNOWN_CAMERA = "unknown"
UNKNOWN_ISO = 0
MAX_INDEX_BYTES = 64 * 2**20
MAX_ROWS_OF_SHOT = 100
"""That name one shot first: rows cost time and records, however few files there are."""


@dataclass(frozen=True)
class Index:
    """All pairs of a folder with their splits.

    Attributes:
        folder: the folder, resolved.
        pairs: in the order of the index.
        notes: sentences on how splits were made.
        clean_splits: the splits whose pairs have clean images.
        digest: sha256 of the index's text and of the bytes of all files, in hexadecimal.
        reading: how its files are read.
    """

    folder: Path
    pairs: tuple[Pair, ...]
    notes: tuple[str, ...]
    clean_splits: tuple[str, ...]
    digest: str
    reading: Reading = AS_USUAL

    @property
    def has_second_shots(self) -> bool:
        """Whether pairs have a second noisy shot: all of them, or none."""
        return any(pair.noisy2 for pair in self.pairs)


def read_index(folder: Path, reading: Reading = AS_USUAL) -> Index:
    """Index of a folder, checked as far as it can be without decoding an image.

    Args:
        folder: holds index.csv with the columns noisy, clean, camera, iso, scene and, at choice,
            split and noisy2, a second shot. With noisy2 clean may be left out, for all rows of a
            split.
        reading: how its files are read.

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
    text = read_text(folder / "index.csv")
    pairs = _parse(text)
    _check_clean(pairs)
    digest = hashlib.sha256(text.encode())
    for file in dict.fromkeys(name for pair in pairs for name in pair.files.values()):
        content = hashlib.sha256(reading.read(folder, file)).hexdigest()
        digest.update(f"{file}\0{content}\n".encode())
    pairs, notes = assign_splits(pairs)
    has_clean = {pair.split for pair in pairs if pair.clean}
    clean_splits = tuple(split for split in SPLITS if split in has_clean)
    return Index(folder, tuple(pairs), tuple(notes), clean_splits, digest.hexdigest(), reading)


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


def read_text(path: Path) -> str:
    """Text of an index.

    Args:
        path: the file.

    Raises:
        DataError: if it is no regular file, too large or not UTF-8.
    """
    if not path.exists():
        raise DataError(
            f"there is no readable {path.name} in {path.parent}: add one with the columns "
            f"{', '.join(COLUMNS)}."
        )
    content = read_regular(path, at_most=MAX_INDEX_BYTES, advice="split the data into folders")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text: save it as CSV in UTF-8.") from error


def check_header(header: Sequence[str], needed: Sequence[str], where: object) -> None:
    """Refuses a header that lacks a column or names one twice.

    Args:
        header: the names, without spaces around them.
        needed: the columns that must be there.
        where: what to call the index in errors.

    Raises:
        DataError: names the column, and what the header holds instead.
    """
    for name, count in Counter(header).items():
        if count > 1 and name:
            raise DataError(
                f"{where} has {count} columns called {name}: which one counts is not clear, so "
                "leave one."
            )
    for name in needed:
        if name not in header:
            raise DataError(
                f"{where} lacks the column {name}: its first line holds {quoted(header)}, and it "
                f"needs {', '.join(COLUMNS)}, joined by commas."
            )


def quoted(header: Sequence[str]) -> str:
    """What a first line holds, by columns, for errors.

    Args:
        header: the names.
    """
    return ", ".join(repr(column) for column in header[:20]) or "nothing"


def _parse(text: str) -> list[Pair]:
    reader = csv.DictReader(io.StringIO(text, newline=""), skipinitialspace=True, strict=True)
    try:
        header = [name.strip() for name in reader.fieldnames or ()]
        needed = [name for name in COLUMNS if name != "clean" or "noisy2" not in header]
        check_header(header, needed, "index.csv")
        reader.fieldnames = header
        pairs = [_parse_row(row, reader.line_num) for row in reader]
    except csv.Error as error:
        raise DataError(
            f"index.csv is not valid CSV near line {reader.line_num}: {error}."
        ) from error
    if not pairs:
        raise DataError("index.csv has no rows: add one line for each pair of images.")
    _check_repeats(pairs)
    return pairs


def _check_repeats(pairs: list[Pair]) -> None:
    """Refuse rows that would count twice, and few files that would make many records."""
    seen: set[tuple[str, ...]] = set()
    rows: Counter[str] = Counter()
    for pair in pairs:
        files = tuple(pair.files.values())
        if files in seen:
            raise DataError(
                f"index.csv has two rows with {' and '.join(files)}: leave one, so that none "
                "counts twice."
            )
        seen.add(files)
        rows[pair.noisy] += 1
        if rows[pair.noisy] > MAX_ROWS_OF_SHOT:
            raise DataError(
                f"index.csv has more than {MAX_ROWS_OF_SHOT} rows with {pair.noisy} as noisy: pair "
                "each shot with its neighbours only."
            )


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
