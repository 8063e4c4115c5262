"""The rows of metrics.jsonl: what a run tells programs."""

import json
import math
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from train.engine.files import naming, replace_file


class Metrics:
    """The rows of metrics.jsonl, one JSON object a line.

    A row holds "step", its values, and an object "time" that alone may differ between two runs of
    the same configuration. Rows after the restored step are cut, since they are computed again.

    Args:
        path: the file; None keeps nothing (all processes but the first).
        step: the step from which the run goes on.
    """

    def __init__(self, path: Path | None, *, step: int = 0):
        self._path, self._file = path, None
        if path is None:
            return
        rows, damaged = _read_rows(path)
        if damaged:
            lines = "1 line was" if damaged == 1 else f"{damaged} lines were"
            print(f"{path} is damaged: {lines} left out.", file=sys.stderr, flush=True)
        replace_file(path, "".join(json.dumps(row) + "\n" for row in rows if row["step"] <= step))
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
    """
    return _read_rows(path)[0]


def _read_rows(path: Path) -> tuple[list[dict[str, Any]], int]:
    """The rows, and how many lines between them are damaged."""
    rows, damaged, in_between = [], 0, 0
    if path.exists():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
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
