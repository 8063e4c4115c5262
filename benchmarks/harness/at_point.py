"""Runs a program up to a named point of its writing, and there kills it or fills its disk.

The points are events that Python itself reports (`sys.addaudithook`), so that the program needs no
hooks of its own:

    python -m benchmarks.harness.at_point kill "a step takes its name" train.noiseflow ...
"""

import errno
import os
import re
import runpy
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Point:
    """Just before something happens to a file.

    Attributes:
        event: name of the audit event.
        path: regular expression, found in the event's arguments.
        occurrence: how often it has happened then, this time included.
        removals: how many files have been removed since.
    """

    event: str
    path: str
    occurrence: int = 1
    removals: int = 0

    @property
    def needs_room(self) -> bool:
        """Whether a full disk makes it fail."""
        return self.event in ("open", "os.mkdir")


STEP = r"checkpoints/\d+\.orbax-checkpoint-tmp"
MODEL = r"\.model\.writing-[^/]+"
POINTS = {
    "the options are written": Point("open", r"/config\.tmp"),
    "the metrics are cut": Point("open", r"/metrics\.tmp"),
    # The second save, so that there is a step to go back to.
    "a step's folder is made": Point("os.mkdir", rf"{STEP} ", 2),
    "its arrays' folder is made": Point("os.mkdir", rf"{STEP}/arrays\S* ", 2),
    "its hashes are written": Point("open", rf"{STEP}/leaves[^/]*/metadata w", 2),
    "its arrays are written": Point("open", rf"{STEP}/arrays[^/]*/bytes x", 2),
    "its hashes take their name": Point("os.rename", rf"{STEP}/leaves", 2),
    "its arrays take their name": Point("os.rename", rf"{STEP}/arrays", 2),
    "it is marked as complete": Point("open", rf"{STEP}/commit_success\.txt w", 2),
    "it takes its name": Point("os.rename", rf"{STEP} ", 2),
    "an old step is deleted": Point("shutil.rmtree", r"checkpoints/\d+ "),
    "half of an old step is deleted": Point("shutil.rmtree", r"checkpoints/\d+ ", removals=4),
    "the last old step is deleted": Point("shutil.rmtree", r"checkpoints/\d+ ", 2, removals=4),
    "the model is written": Point("open", rf"{MODEL}/new/config\.json"),
    "the model takes its name": Point("os.rename", rf"{MODEL}/new"),
    "a figure is written": Point("open", r"/figures/\S+\.png"),
    "the report takes its name": Point("os.rename", r"/report\.html\.tmp"),
}
"""In the order of a run that saves five steps and keeps three."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs `kill POINT PROGRAM ...` or `full POINT PROGRAM ...`; the program decides how it ends.

    Args:
        arguments: by default those of the process; the program is a module or a .py file.
    """
    what, name, program, *rest = sys.argv[1:] if arguments is None else arguments
    sys.addaudithook(Watch(POINTS[name], what))
    sys.argv = [program, *rest]
    if program.endswith(".py"):
        sys.path[0] = str(Path(program).parent)
        runpy.run_path(program, run_name="__main__")
    else:
        runpy.run_module(program, run_name="__main__", alter_sys=True)


class Watch:
    """Counts events up to a point.

    Args:
        point: where to act.
        what: "kill" ends the process there at once; "full" makes this and every later attempt to
            write a new file beside or below it fail for want of room.
    """

    def __init__(self, point: Point, what: str):
        self._point, self._what = point, what
        self._seen = self._removed = 0
        self._full: Path | None = None

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Receives an audit event.

        Args:
            event: its name.
            arguments: what the event is about; paths and numbers for those counted here.
        """
        if self._full is not None:
            self._refuse(event, arguments)
        elif event == "os.remove" and self._seen == self._point.occurrence:
            self._removed += 1
            if self._removed > self._point.removals > 0:
                self._act(arguments)
        elif event == self._point.event:
            if re.search(self._point.path, " ".join(map(str, arguments)) + " "):
                self._seen += 1
                if self._seen == self._point.occurrence and not self._point.removals:
                    self._act(arguments)

    def _act(self, arguments: tuple[Any, ...]) -> None:
        if self._what == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        self._full = Path(str(arguments[0])).parent
        self._refuse(self._point.event, arguments)

    def _refuse(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            writes = any(letter in str(arguments[1]) for letter in "wax+")
        else:
            writes = event == "os.mkdir"
        if writes and Path(str(arguments[0])).is_relative_to(self._full or "/"):
            number = errno.ENOSPC
            raise OSError(number, os.strerror(number), str(arguments[0]))


if __name__ == "__main__":
    main()
