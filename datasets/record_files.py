"""Digests of the files of prepared records, by which damage and exchanged files are noticed."""

import hashlib
import json
import os
from pathlib import Path

DIGESTS_FILE = "digests.json"
PART = 2**19
"""Bytes at each end of a large file that its digest covers. Between them are records, which have
checksums of their own that are compared where they are read.
"""


def write_digests(folder: Path) -> None:
    """Writes the digests of all files below a folder beside them.

    Args:
        folder: of records that are complete.

    Raises:
        OSError: there is no room.
    """
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    digests = {path.relative_to(folder).as_posix(): digest(path) for path in files}
    (folder / DIGESTS_FILE).write_text(json.dumps(digests, indent=1) + "\n")


def are_whole(folder: Path) -> bool:
    """Whether the files of a folder are those that were written.

    Args:
        folder: of records. One that an earlier version has made has no digests and counts as whole.
    """
    path = folder / DIGESTS_FILE
    if not path.exists():
        return True
    try:
        if not path.is_file():
            return False  # a pipe would be waited for
        digests = json.loads(path.read_bytes())
        return all(
            (folder / name).is_file() and digest(folder / name) == stated
            for name, stated in digests.items()
        )
    except (OSError, ValueError, AttributeError, RecursionError):
        return False


def digest(path: Path) -> str:
    """Size of a file and sha256 of it, or of both its ends where it is large.

    Args:
        path: a regular file.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        found = hashlib.sha256(file.read(PART))
        if size > PART:
            file.seek(max(PART, size - PART))
            found.update(file.read(PART))
    return f"{size} {found.hexdigest()}"
