"""A short run of a trainer, to be interrupted, and what must be the same at its end."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness.record import ROOT

LENGTH = ("--steps", "20", "--save-every", "4", "--evaluate-every", "6")
SIZES = ("--batch-size", "8", "--patch-size", "16", "--start-patches", "64")
TESTS = ("--validation-patches", "20", "--test-patches", "21", "--compare", "none")
OPTIONS = (*LENGTH, *SIZES, *TESTS, "--arch", "N-W-Ax1", "--accelerator", "cpu")
LAST_STEP = int(LENGTH[1])
TRAINER = (sys.executable, "-m", "train.noiseflow", *OPTIONS)


def start(
    folder: Path, workdir: Path, *, trainer: Sequence[str] = TRAINER, said: bool = False
) -> subprocess.Popen[str]:
    """Starts a run, or one that goes on.

    Args:
        folder: its prepared records lie in `records` there.
        workdir: of the run.
        trainer: its command, without places.
        said: whether what it says on standard error is wanted.
    """
    places = ("--data-dir", str(folder / "records"), "--workdir", str(workdir))
    # Under nohup a program, and what it starts, does not hear that its terminal is closed.
    heard = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        return subprocess.Popen(
            [*trainer, *places],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE if said else subprocess.DEVNULL,
            text=True,
        )
    finally:
        signal.signal(signal.SIGHUP, heard)


def finish(folder: Path, workdir: Path, *, trainer: Sequence[str] = TRAINER) -> None:
    """Runs to the end; see `start`.

    Raises:
        SystemExit: it ended otherwise.
    """
    process = start(folder, workdir, trainer=trainer)
    if process.wait() != 0:
        raise SystemExit(f"{process.args} ended with {process.returncode}.")


def wait(process: subprocess.Popen, until: Callable[[], bool], seconds: float = 600) -> None:
    """Waits until something has happened or the process has ended, so long at most."""
    deadline = time.monotonic() + seconds
    while process.poll() is None and not until() and time.monotonic() < deadline:
        time.sleep(0.01)


def content(workdir: Path) -> dict[str, Any]:
    """All that must be the same in two runs of one configuration.

    Args:
        workdir: of a run that has ended.

    Returns:
        By part: model, checkpoints, metrics, report, and the names of all files.
    """
    checkpoints = sorted((workdir / "checkpoints").glob("*/*/*"))
    names = sorted(path.relative_to(workdir).as_posix() for path in workdir.rglob("*"))
    return {
        "model": {path.name: path.read_bytes() for path in (workdir / "model").iterdir()},
        "checkpoints": {
            path.relative_to(workdir).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in checkpoints
            if path.name in ("metadata", "bytes")
        },
        "metrics": rows(workdir),
        "report": (workdir / "evaluation.json").read_text(),
        "files": names,
    }


def rows(workdir: Path) -> list[dict[str, Any]]:
    """Rows of metrics.jsonl without their time; one cut short by a kill does not count.

    Args:
        workdir: of a run.

    Returns:
        The rows, oldest first.
    """
    path, found = workdir / "metrics.jsonl", []
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            break
        found[-1].pop("time", None)
    return found


def has_reached(workdir: Path, step: int) -> bool:
    """Whether a run has written a row of a step or a later one."""
    found = rows(workdir)
    return bool(found) and found[-1]["step"] >= step


def phase(workdir: Path) -> str:
    """How far a run had come."""
    steps = [row["step"] for row in rows(workdir)]
    if not steps:
        return "before the first row"
    if steps[-1] < LAST_STEP:
        return "in the training"
    return "after the last step"
