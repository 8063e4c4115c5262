"""Fingerprints of large files of the user: quick ones to notice edits, exact ones to state."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from jaxnoise.errors import DataError


def quick_digest(files: Mapping[str, Path]) -> str:
    """sha256, in hexadecimal, of names, sizes and times of change; no file is opened.

    Args:
        files: paths by the names that count.

    Raises:
        DataError: if a file is missing.
    """
    digest = hashlib.sha256()
    for name, path in sorted(files.items()):
        try:
            found = path.stat()
        except OSError as error:
            raise missing(path, error) from error
        digest.update(f"{name}\0{found.st_size}\0{found.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def content_digest(path: Path) -> str:
    """sha256, in hexadecimal, of a file's bytes.

    Args:
        path: the file.

    Raises:
        DataError: if it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise missing(path, error) from error


def combined_digest(facts: Iterable[object], contents: Mapping[str, str]) -> str:
    """sha256, in hexadecimal, of facts and of the content of files.

    Args:
        facts: whatever else decides the records; their `repr` counts.
        contents: digests by name.
    """
    return hashlib.sha256(repr((tuple(facts), sorted(contents.items()))).encode()).hexdigest()


def missing(path: Path, error: OSError) -> DataError:
    """The error for a file that cannot be read."""
    return DataError(
        f"{path} cannot be read ({error.strerror or error}): copy it again from its source."
    )
