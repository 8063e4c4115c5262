"""Small files of a run's folder: written in one step, read with a sentence."""

import errno
import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jaxnoise.errors import DataError

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Error numbers of a full disk, a used-up quota and a file at its largest permitted size."""

MAX_JSON_BYTES = 64 * 2**20
"""What a file that describes a run may hold at most."""


def replace_file(path: Path, text: str) -> None:
    """Writes a file in one step: after a crash or on a full disk there is the old one or the new.

    Args:
        path: the file.
        text: all that it will hold.

    Raises:
        OSError: it cannot be written; what was there is as it was.
    """
    temporary = path.with_suffix(".tmp")
    with naming(path):
        try:
            # What lies there is what a kill has left, or a link to a file that is none of ours.
            temporary.unlink(missing_ok=True)
            with temporary.open("x", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise


def read_regular(path: Path, *, limit: int) -> bytes:
    """All that a regular file holds.

    A pipe would be waited for, and a device read without end, so neither is opened for reading;
    links are followed.

    Args:
        path: the file.
        limit: bytes that it may hold.

    Raises:
        OSError: it cannot be read, is no regular file, or is larger; FileNotFoundError where there
            is none.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        if found.st_size > limit:
            reason = f"it holds {found.st_size:,} bytes, and at most {limit:,} are read"
            raise OSError(errno.EINVAL, reason, str(path))
        return file.read(limit)


@contextmanager
def naming(path: Path | None) -> Iterator[None]:
    """Names the file in errors of writing, which the system leaves out."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Replaces a file of JSON."""
    replace_file(path, json.dumps(content, indent=1) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """The object that a file of a run's folder holds.

    Args:
        path: the file.

    Raises:
        DataError: it cannot be read, or holds something else.
    """
    try:
        content = json.loads(read_regular(path, limit=MAX_JSON_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise DataError(f"{path} cannot be read ({reason}): choose another --workdir.") from error
    if not isinstance(content, dict):
        raise DataError(f"{path} is not the description of a run: choose another --workdir.")
    return content
