"""NPZ files: one array of known size, and what its neighbours say of its numbers."""

import io
import math
import struct
import zipfile
from typing import Any

import numpy as np

from jaxnoise.errors import DataError
from jaxnoise.io.stored_image import Decoded, Levels, Limits, check_dtype

MAX_DIRECTORY_BYTES = 2**20
"""Of the list of members, which Python reads whole: several thousand of them."""
# What numpy writes. Others are inflated whole, however little is asked for.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_END = b"PK\5\6"
LEVELS = ("cfa", "black_level", "white_level")
_PHASES = ("RGGB", "GRBG", "GBRG", "BGGR")
_FEW = 4


def decode_npz(file: io.BufferedIOBase, name: str, limits: Limits) -> Decoded:
    """Image of an NPZ file: the array called image or raw, or the only one.

    Args:
        file: its content, searchable.
        name: what to call it in errors.
        limits: that it must keep.

    Returns:
        The array in native byte order, and the levels of arrays called cfa, black_level and
        white_level.

    Raises:
        DataError: if it is too large or no such image.
        Exception: of any kind, if it is damaged.
    """
    check_directory(file, name)
    with zipfile.ZipFile(file) as archive:
        members = {info.filename: info for info in archive.infolist() if not info.is_dir()}
        beside = {f"{key}.npy" for key in LEVELS}
        chosen = [key for key in ("image.npy", "raw.npy") if key in members]
        chosen = chosen or [key for key in members if key not in beside]
        if not chosen or len(chosen) != 1 and chosen[0] != "image.npy":
            raise DataError(
                f"{name} holds {len(members)} arrays and none is called image or raw: save one "
                "array."
            )
        image = _array(archive, members[chosen[0]], name, limits)
        said = {key: _few(archive, members.get(f"{key}.npy"), name) for key in LEVELS}
    white = _numbers(said["white_level"], "white_level", name)
    if white and len(set(white)) > 1:
        raise DataError(f"{name} has several white levels: save one.")
    black = _numbers(said["black_level"], "black_level", name)
    levels = Levels(_phase(said["cfa"], name), black, white[0] if white else None)
    # A name from a stranger's archive may lead out of the folder where the next one is unpacked.
    array_name = chosen[0].removesuffix(".npy")
    array_name = array_name if array_name.isidentifier() else "image"
    return Decoded(image, array_name, levels=levels)


def check_directory(file: io.BufferedIOBase, name: str) -> None:
    """Refuses a ZIP archive of so many members that listing them alone would fill the memory.

    Args:
        file: the archive, searchable; it stands at its start afterwards.
        name: what to call it in errors.

    Raises:
        DataError: if the list of members is too long.
        Exception: of any kind, if it is damaged.

    Source: PKWARE, APPNOTE.TXT, sections 4.3.14 to 4.3.16.
    """
    file.seek(0, 2)
    start = max(0, file.tell() - 22 - 65535)
    file.seek(start)
    tail = file.read()
    # A library may take either for the end of the archive.
    ends = {len(tail) - 22, tail.rfind(_END)} - {-1}
    lengths = [_list_length(file, tail, start, end) for end in ends if tail[end : end + 4] == _END]
    if not lengths:
        raise ValueError("no end of the list of members")
    if max(lengths) > MAX_DIRECTORY_BYTES:
        raise DataError(
            f"{name} is an archive whose list of members has {max(lengths):,} bytes, more than "
            f"{MAX_DIRECTORY_BYTES:,}: save one array per file."
        )
    file.seek(0)


def _list_length(file: io.BufferedIOBase, tail: bytes, start: int, end: int) -> int:
    """Bytes that an archive's end, or the longer form of it for large archives, states."""
    lengths = [struct.unpack_from("<I", tail, end + 12)[0]]
    locator = start + end - 20
    if locator >= 0:
        file.seek(locator)
        sign, _, stated, _ = struct.unpack("<4sIQI", file.read(20))
        if sign == b"PK\6\7":
            for place in (locator - 56, stated):
                if 0 <= place < start + end:
                    file.seek(place)
                    record = file.read(56)
                    if record[:4] == b"PK\6\6" and len(record) == 56:
                        lengths.append(struct.unpack_from("<Q", record, 40)[0])
    return max(length for length in lengths if length != 0xFFFFFFFF or len(lengths) == 1)


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, limits: Limits) -> Any:
    """An array, in native byte order and new memory."""
    if member.compress_type not in _METHODS:
        raise DataError(
            f"{name} is compressed in an unusual way: save it with numpy.savez_compressed."
        )
    with archive.open(member) as file:
        shape, fortran_order, dtype = _header(file, name)
        check_dtype(dtype, name)
        limits.check(shape, dtype, name)
        content = _content(file, member, math.prod(shape) * dtype.itemsize)
    image = np.frombuffer(content, dtype).reshape(shape, order="F" if fortran_order else "C")
    return image.astype(dtype.newbyteorder("="), copy=False)


def _few(archive: zipfile.ZipFile, member: zipfile.ZipInfo | None, name: str) -> Any:
    """An array of a few numbers or letters; None where there is none or it is a long one."""
    if member is None or member.compress_type not in _METHODS:
        return None
    with archive.open(member) as file:
        shape, _, dtype = _header(file, name)
        if math.prod(shape) > _FEW or dtype.kind not in "iufUS" or dtype.itemsize > 64:
            raise DataError(
                f"{name} holds {member.filename} of shape {shape} and type {dtype}: save one to "
                f"{_FEW} numbers, or leave it out."
            )
        content = _content(file, member, math.prod(shape) * dtype.itemsize)
    return np.frombuffer(content, dtype).reshape(-1)


def _header(file: Any, name: str) -> tuple[tuple[int, ...], bool, np.dtype]:
    # Version 2 is for structured types, and its header may declare gigabytes.
    if np.lib.format.read_magic(file) != (1, 0):
        raise DataError(
            f"{name} holds no plain array: save it with numpy.savez(file, image=array)."
        )
    return np.lib.format.read_array_header_1_0(file)


def _content(file: Any, member: zipfile.ZipInfo, size: int) -> bytearray:
    if member.file_size != file.tell() + size:
        raise ValueError("the declared size is not that of the array")
    content, filled = bytearray(size), 0
    with memoryview(content) as view:
        while filled < size and (got := file.readinto(view[filled:])):
            filled += got
    if filled != size or file.read(1):
        raise ValueError("the array is not of its declared size")
    return content


def _phase(values: np.ndarray | None, name: str) -> str | None:
    """A Bayer pattern, as four letters or as the four numbers of a DNG: 0 red, 1 green, 2 blue."""
    if values is None:
        return None
    if values.dtype.kind in "iu" and values.size == _FEW and set(values.tolist()) <= {0, 1, 2}:
        text = "".join("RGB"[number] for number in values.tolist())
    else:
        text = "".join(
            value.decode("latin-1") if isinstance(value, bytes) else str(value)
            for value in values.tolist()
        ).upper()
    if text not in _PHASES:
        raise DataError(f"{name} has the cfa {text!r}: use one of {', '.join(_PHASES)}.")
    return text


def _numbers(values: np.ndarray | None, what: str, name: str) -> tuple[float, ...] | None:
    if values is None:
        return None
    if values.dtype.kind not in "iuf" or not values.size or not np.isfinite(values).all():
        raise DataError(f"{name} has a {what} that is no number: correct it or leave it out.")
    return tuple(float(value) for value in values)
