"""Guarded reading of MATLAB files, version 5 to 7 and 7.3, in a child process with limits."""

import importlib.util
import os
from pathlib import Path
from typing import Any

from jaxnoise.errors import UsageError
from jaxnoise.io.parser_process import ParserProcess

MAX_VALUE_BYTES = 256 * 2**20
"""Of one variable by default: a double image of 32 million pixels."""
SPARE_BYTES = 128 * 2**20

MatValue = Any
"""A numeric array (at least two-dimensional, in MATLAB's orientation), a string, a list (the cells
of a cell array or the structs of a struct array, first index fastest; a single struct is a list of
one) or a dictionary (the fields of a struct)."""


class MatReader:
    """Reader of many MAT files with one child process; a context manager.

    Attributes:
        max_bytes: variables that declare or turn out to be larger are refused.
        memory: bytes that the child may use beyond what it starts with (Linux only).
    """

    def __init__(self, *, max_bytes: int = MAX_VALUE_BYTES):
        """Starts nothing yet: the child comes with the first file.

        Args:
            max_bytes: of a variable.

        Raises:
            UsageError: h5py or scipy is not installed.
        """
        missing = [name for name in ("h5py", "scipy") if importlib.util.find_spec(name) is None]
        if missing:
            raise UsageError(
                f"reading MAT files needs {' and '.join(missing)}: run pip install "
                f"{' '.join(missing)}."
            )
        self.max_bytes = max_bytes
        # Decoding holds a value twice at most.
        self.memory = 2 * max_bytes + SPARE_BYTES
        self._child = ParserProcess("MAT", max_bytes=max_bytes, memory=self.memory)

    def __enter__(self) -> "MatReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the child."""
        self._child.close()

    def read(
        self,
        path: str | os.PathLike,
        name: str | None = None,
        *,
        at: tuple[int, ...] | None = None,
    ) -> MatValue:
        """One variable of a file.

        Args:
            path: the file; its content, not its name, tells the version.
            name: the variable; None for the only one that the file holds.
            at: for a numeric array, its leading indices: only that part is handed over. The child
                keeps the array until another variable is read, so that parts are cheap.

        Returns:
            The value as MATLAB shows it (version 7.3 stores arrays transposed; that is undone).
            Numbers are neither checked for NaN nor for their range.

        Raises:
            DataError: if the file is missing, damaged or too large, has no such variable, or the
                variable is of a kind that is not read: sparse, complex, object, function or, in
                version 7.3, anything but numbers.
        """
        at = None if at is None else tuple(int(index) for index in at)
        return self._child.parse(Path(path), {"name": name, "at": at})


def read_mat(path: str | os.PathLike, *names: str) -> dict[str, MatValue]:
    """Some variables of one MAT file, read in a child process with limits; see `MatReader`.

    Args:
        path: the file.
        names: the variables.

    Returns:
        Values by name.

    Raises:
        DataError: if the file or a variable cannot be read.
    """
    with MatReader() as reader:
        return {name: reader.read(path, name) for name in names}
