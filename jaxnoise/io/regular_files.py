"""Files of strangers: opened only where they are files, of a size known before a byte is read."""

import io
import os
import stat
from pathlib import Path

from jaxnoise.errors import DataError


def open_regular(path: Path, *, at_most: int, advice: str) -> tuple[io.BufferedIOBase, int]:
    """A regular file, opened, and its size; links lead to what they name.

    A pipe or a device would let its reader wait or fill the memory for ever.

    Args:
        path: the file.
        at_most: size in bytes; larger files are refused.
        advice: what to do about a larger one, to end a sentence.

    Returns:
        The file, opened for reading, and its size in bytes.

    Raises:
        DataError: if there is no such regular file, or it is too large.
    """
    try:
        _check(path, os.stat(path))
        file = open(path, "rb", opener=_open_without_waiting)
        try:
            found = os.fstat(file.fileno())
            _check(path, found)
            if found.st_size > at_most:
                raise DataError(f"{path} is larger than {_size(at_most)}: {advice}.")
        except BaseException:
            file.close()
            raise
    except DataError:
        raise
    except (OSError, ValueError) as error:  # a path may hold what no name can
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"cannot read {path} ({reason}): check the path.") from error
    return file, found.st_size


def read_regular(path: Path, *, at_most: int, advice: str) -> bytes:
    """Bytes of a regular file; see `open_regular`.

    Args:
        path: the file.
        at_most: size in bytes; larger files are refused.
        advice: what to do about a larger one, to end a sentence.

    Returns:
        As many bytes as the file had when it was opened.

    Raises:
        DataError: if there is no such regular file, it is too large, or it cannot be read.
    """
    file, size = open_regular(path, at_most=at_most, advice=advice)
    try:
        with file:
            return file.read(size)
    except OSError as error:
        raise DataError(f"cannot read {path} ({error.strerror}): check the path.") from error


def _open_without_waiting(path: str, flags: int) -> int:
    # Since the file was looked at, a pipe may have taken its place.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _check(path: Path, found: os.stat_result) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise DataError(f"cannot read {path} (Is a directory): check the path.")
    if not stat.S_ISREG(found.st_mode):
        raise DataError(f"{path} is no file but a pipe or device: check the path.")


def _size(count: int) -> str:
    for unit, name in ((2**30, "GiB"), (2**20, "MiB")):
        if count >= unit:
            return f"{count / unit:.4g} {name}"
    return f"{count:,} bytes"
