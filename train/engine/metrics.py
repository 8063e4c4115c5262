"""The rows of metrics.jsonl: what a run tells programs."""

import hashlib
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxnoise.errors import DataError
from train.engine.files import naming, read_regular, replace_file
from train.engine.output import say

MAX_BYTES = 2**30
"""What a metrics.jsonl may hold at most: ten million rows."""


class Metrics:
    """The rows of metrics.jsonl, one JSON object a line.

    A row holds "step", its values, and an object "time" that alone may differ between two runs of
    the same configuration. Rows after the restored step are cut, since they are computed again.

    Args:
        path: the file; None keeps nothing (all processes but the first).
        step: the step from which the run goes on.
        digest: of the rows up to that step, from a checkpoint; "" where it is not known.

    Raises:
        DataError: the file cannot be read.
    """

    def __init__(self, path: Path | None, *, step: int = 0, digest: str = ""):
        self._path, self._file, self._digest = path, None, hashlib.sha256()
        if path is None:
            return
        rows, damaged = _read_rows(path)
        rows = [row for row in rows if row["step"] <= step]
        for row in rows:
            self._add(row)
        if damaged:
            lines = "1 line was" if damaged == 1 else f"{damaged} lines were"
            say(f"{path} is damaged: {lines} left out.")
        elif digest not in ("", self.digest):
            say(
                f"{path} is not as it was when step {step} was saved: rows of it were changed or "
                "are missing, and so are points of the report's curves; the training is as it was."
            )
        replace_file(path, "".join(json.dumps(row) + "\n" for row in rows))
        # Without a buffer, whose rest would be tried again when a full disk has ended the run.
        self._file = path.open("ab", buffering=0)

    def write(self, step: int, values: Mapping[str, Any], times: Mapping[str, float]) -> None:
        """Appends a row; a value that is not finite becomes null.

        Args:
            step: the number of steps taken.
            values: numbers, or nested dictionaries of numbers.
            times: seconds and rates.

        Raises:
            OSError: the row cannot be written; what was written of it is cut by the next start.
        """
        if self._file is not None:
            row = {"step": step, **_plain(values), "time": _plain(times)}
            rest = memoryview((json.dumps(row, allow_nan=False) + "\n").encode())
            with naming(self._path):
                while rest:  # a disk that is nearly full takes a part of a row
                    rest = rest[self._file.write(rest) :]
            self._add(row)

    @property
    def digest(self) -> str:
        """sha256 of all rows so far without their times; "" where nothing is kept."""
        return "" if self._path is None else self._digest.hexdigest()

    def _add(self, row: Mapping[str, Any]) -> None:
        lasting = {name: value for name, value in row.items() if name != "time"}
        self._digest.update((json.dumps(lasting, sort_keys=True) + "\n").encode())

    def flush(self) -> None:
        """Puts the rows on disk: called before a checkpoint, which must not be ahead of them."""
        if self._file is not None:
            with naming(self._path):
                os.fsync(self._file.fileno())

    def close(self) -> None:
        """Puts the rows on disk and closes the file."""
        if self._file is not None:
            try:
                self.flush()
            finally:
                self._file.close()
                self._file = None


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Rows of a metrics.jsonl; a last line that a crash left incomplete does not count.

    Args:
        path: the file; no rows when it is missing.

    Returns:
        The rows, oldest first, without damaged ones.

    Raises:
        DataError: the file cannot be read.
    """
    return _read_rows(path)[0]


def _read_rows(path: Path) -> tuple[list[dict[str, Any]], int]:
    """The rows, and how many lines between them are damaged."""
    rows, damaged, in_between = [], 0, 0
    try:
        content = read_regular(path, limit=MAX_BYTES)
    except FileNotFoundError:
        return [], 0
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror}): remove it; the run goes on without its "
            "rows."
        ) from error
    for line in content.decode(errors="replace").splitlines():
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if isinstance(row, dict) and type(row.get("step")) is int:
            rows.append(row)
            in_between = damaged
        else:
            damaged += 1
    return rows, in_between


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (str, bool, int)) or value is None:
        return value
    number = float(value)
    return number if math.isfinite(number) else None
