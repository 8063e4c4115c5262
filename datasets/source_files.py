"""Fingerprints of large files of the user: quick ones to notice edits, exact ones to state."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, NamedTuple, cast

from jaxnoise.errors import DataError
from jaxnoise.io.regular_files import open_regular, read_regular
from jaxnoise.io.stored_image import MAX_FILE_BYTES, MAX_PIXELS, RAISE, Limits

LARGEST = 2**40
"""Bytes of any file."""


class Reading(NamedTuple):
    """How files of a user's folder are read.

    Attributes:
        follow_links: whether an index may name files outside of its folder, by links or by paths.
        max_pixels: of an image; see `jaxnoise.io.read_image`.
    """

    follow_links: bool = False
    max_pixels: int = MAX_PIXELS

    def check_inside(self, name: str) -> None:
        """Refuses a name that an index gives to a file outside its folder.

        Raises:
            DataError: if it may be one, on any system, and that is not asked for.
        """
        parts = (*PurePosixPath(name).parts, *PureWindowsPath(name).parts)
        absolute = (
            PurePosixPath(name).is_absolute()
            or PureWindowsPath(name).drive
            or name.startswith("\\")
        )
        outside = absolute or ".." in parts
        if "\0" in name or outside and not self.follow_links:
            raise DataError(
                f"index.csv names {name!r}, which may lie outside its folder: use paths below it, "
                "or --follow-links for files that you trust."
            )

    def read(self, folder: Path, name: str) -> bytes:
        """Bytes of a file that an index names.

        Args:
            folder: of the index, resolved.
            name: of the file.

        Raises:
            DataError: if it is no regular file, too large, or lies outside and that is not asked
                for.
        """
        self.check_inside(name)
        path = folder / name
        try:
            inside = path.resolve(strict=True).is_relative_to(folder)
        except (OSError, RuntimeError) as error:
            raise DataError(
                f"index.csv names {name}, which cannot be read from {folder}: correct the index."
            ) from error
        if not inside and not self.follow_links:
            raise DataError(
                f"index.csv names {name}, a link that leaves its folder: copy the file into it, or "
                "give --follow-links for files that you trust."
            )
        return self.read_at(path)

    def read_at(self, path: Path) -> bytes:
        """Bytes of an image file, within the limits.

        Args:
            path: the file.

        Raises:
            DataError: if it is no regular file or too large.
        """
        most = Limits(self.max_pixels).grown(MAX_FILE_BYTES)
        return read_regular(path, at_most=most, advice=RAISE)


AS_USUAL = Reading()


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
    file, _ = open_regular(path, at_most=LARGEST, advice="cut it into parts")
    try:
        with file:
            return hashlib.file_digest(cast(Any, file), "sha256").hexdigest()
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
