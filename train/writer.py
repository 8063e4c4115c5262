"""What a run tells: metrics.jsonl for programs, a progress line for people."""

import errno
import json
import math
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SECONDS_BETWEEN_LINES = 20.0
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
"""Error numbers of a full disk."""


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
            with _named(self._path):
                while rest:  # a disk that is nearly full takes a part of a row
                    rest = rest[self._file.write(rest) :]

    def flush(self) -> None:
        """Puts the rows on disk: called before a checkpoint, which must not be ahead of them."""
        if self._file is not None:
            with _named(self._path):
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


def replace_file(path: Path, text: str) -> None:
    """Writes a file in one step: after a crash or on a full disk there is the old one or the new.

    Args:
        path: the file.
        text: all that it will hold.

    Raises:
        OSError: it cannot be written; what was there is as it was.
    """
    temporary = path.with_suffix(".tmp")
    with _named(path):
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
def _named(path: Path | None) -> Iterator[None]:
    """Names the file in errors of writing, which the system leaves out."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


class Progress:
    """One line that says how far the training is: a bar on a terminal, else a line now and then.

    Sentences may be said before `start`, which opens the bar.

    Args:
        title: what is being trained.
        steps: the last step.
        shown: False keeps silent (all processes but the first).
    """

    def __init__(self, title: str, *, steps: int, shown: bool = True):
        self._title, self._steps, self._first = title, steps, 0
        self._start = self._last_line = time.monotonic()
        self._bar = None
        self._shown = shown

    def start(self, step: int) -> None:
        """Opens the bar and lets the time run from here.

        Args:
            step: the step from which the run goes on.
        """
        self._first = step
        self._start = self._last_line = time.monotonic()
        if self._shown and sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(
                total=self._steps,
                initial=step,
                desc=self._title,
                unit="step",
                dynamic_ncols=True,
                smoothing=0.1,
            )

    def update(self, step: int, values: Mapping[str, float]) -> None:
        """Shows a step.

        Args:
            step: the number of steps taken.
            values: what to show beside it, by name.
        """
        if self._bar is not None:
            self._bar.set_postfix({key: f"{value:.5g}" for key, value in values.items()}, False)
            self._bar.update(step - self._bar.n)
            return
        now = time.monotonic()
        if not self._shown or (
            now - self._last_line < SECONDS_BETWEEN_LINES and step < self._steps
        ):
            return
        self._last_line = now
        speed = (step - self._first) / max(now - self._start, 1e-9)
        left = (self._steps - step) / max(speed, 1e-9)
        shown = ", ".join(f"{key} {value:.5g}" for key, value in values.items())
        pace = f"{speed:.1f} steps/s, {left:.0f} s left"
        self.say(f"{self._title}: step {step}/{self._steps}, {shown}, {pace}")

    def say(self, sentence: str) -> None:
        """Shows a sentence without breaking the bar.

        Args:
            sentence: one line.
        """
        if not self._shown:
            return
        if self._bar is not None:
            self._bar.write(sentence, file=sys.stderr)
        else:
            print(sentence, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Leaves the line as it is."""
        if self._bar is not None:
            self._bar.close()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (str, bool, int)) or value is None:
        return value
    number = float(value)
    return number if math.isfinite(number) else None
