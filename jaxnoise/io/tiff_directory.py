"""The first directory of a TIFF file or of EXIF data, read before any library sees the file.

A library reads all numbers of a directory at once, however many are declared.
"""

import io
import struct
from typing import NamedTuple

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 6: 1, 7: 1, 8: 2, 9: 4, 13: 4, 16: 8, 17: 8, 18: 8}
_CODES = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
MAX_ENTRIES = 4096
MAX_NUMBERS = 64
"""Of a tag, that are read; all that matter here have few."""
ORIENTATION = 274


class Directory(NamedTuple):
    """Tags of a directory.

    Attributes:
        counts: how many numbers each tag has.
        numbers: the first whole numbers of tags that have such.
        following: where the next directory lies; 0 where there is none.
    """

    counts: dict[int, int]
    numbers: dict[int, tuple[int, ...]]
    following: int

    @property
    def orientation(self) -> int:
        """How the image is to be shown, 1 to 8; 1 where nothing or nonsense is said of it."""
        said = self.numbers.get(ORIENTATION, (1,))[:1]
        return said[0] if said and 1 <= said[0] <= 8 else 1


def read_directory(file: io.BufferedIOBase, place: int | None = None) -> Directory:
    """The first directory of a TIFF file, or one at a place.

    Args:
        file: can be searched; its first bytes are those of TIFF or BigTIFF.
        place: of the directory; None for the first.

    Raises:
        ValueError: if the file is damaged.
    """
    try:
        return _read(file, place)
    except struct.error as error:
        raise ValueError("the directory is not complete") from error


def _read(file: io.BufferedIOBase, place: int | None) -> Directory:
    file.seek(0)
    start = file.read(16)
    order = "<" if start[:2] == b"II" else ">"
    big = struct.unpack_from(f"{order}H", start, 2)[0] == 43
    head, entry, pointer = ("Q", "HHQ8s", "Q") if big else ("H", "HHI4s", "I")
    if place is None:
        (place,) = struct.unpack_from(order + pointer, start, 8 if big else 4)
    file.seek(place or 0)
    (length,) = _unpack(file, order + head)
    if length > MAX_ENTRIES:
        raise ValueError("too many tags")
    counts, numbers = {}, {}
    for tag, kind, count, value in [_unpack(file, order + entry) for _ in range(length)]:
        counts.setdefault(tag, count)
        numbers.setdefault(tag, (kind, count, value))
    (following,) = _unpack(file, order + pointer)
    read = {
        tag: _numbers(file, order, pointer, *described)
        for tag, described in numbers.items()
        if described[0] in _CODES
    }
    return Directory(counts, read, following)


def _numbers(
    file: io.BufferedIOBase, order: str, pointer: str, kind: int, count: int, value: bytes
) -> tuple[int, ...]:
    """The first numbers of a tag; none where they lie beyond the file."""
    size, few = _SIZES[kind] * count, min(count, MAX_NUMBERS)
    if size > len(value):
        file.seek(struct.unpack(order + pointer, value)[0])
        value = file.read(_SIZES[kind] * few)
    if len(value) < _SIZES[kind] * few:
        return ()
    return struct.unpack_from(f"{order}{few}{_CODES[kind]}", value)


def _unpack(file: io.BufferedIOBase, layout: str) -> tuple:
    return struct.unpack(layout, file.read(struct.calcsize(layout)))


def exif_orientation(exif: bytes) -> int:
    """How an image is to be shown, from its EXIF data; 1 where they do not say it.

    Args:
        exif: with or without the marker of EXIF in JPEG files before them.
    """
    exif = exif.removeprefix(b"Exif\0\0")
    if exif[:4] not in (b"II*\0", b"MM\0*"):
        return 1
    try:
        return read_directory(io.BytesIO(exif)).orientation
    except (ValueError, OverflowError):
        return 1
