"""Small files of a run's folder: written in one step, read with a sentence."""

import errno
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jaxnoise.errors import DataError

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
"""Error numbers of a full disk."""


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
            with temporary.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise


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
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}): choose another --workdir.") from error
    if not isinstance(content, dict):
        raise DataError(f"{path} is not the description of a run: choose another --workdir.")
    return content
