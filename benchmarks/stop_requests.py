"""Does a run that is asked to stop, again and again, end as one that is left alone?

One signal or a burst of them at a random moment between a start of `python -m train.noiseflow` and
its end, the preparing of records and the reading of checkpoints included. Each start must end with
the code of the first signal and no traceback, nothing may be called damaged, and the end must be
that of the straight run.
"""

import argparse
import json
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.harness.record import RESULTS, write_record
from benchmarks.harness.short_run import (
    LAST_STEP,
    OPTIONS,
    TRAINER,
    content,
    finish,
    has_reached,
    start,
    wait,
)

CODES = {signal.SIGTERM: 75, signal.SIGINT: 130, signal.SIGHUP: 75}
"""Exit codes of a run that is asked to stop."""
TRIES = 4
"""Starts for each request that is to be heeded: some runs end before their moment comes."""
STAGES = ("preparing", "beginning", "training", "ending")
"""Of a run: its records are made, it starts and reads, takes steps, and what follows the last."""


def main(arguments: list[str] | None = None) -> int:
    """Runs, prints what was found and writes `results/stop_requests.json`.

    Args:
        arguments: by default those of the process.

    Returns:
        The exit code: 0 when every run stopped as it should and ended as the straight one.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--signals", type=int, default=50, help="requests to stop")
    parser.add_argument("--seed", type=int, default=0, help="of the moments and the signals")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the record")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        found = requests(Path(name), signals=options.signals, seed=options.seed)
    results = {"run": " ".join(("train.noiseflow", *OPTIONS)), **found}
    print(json.dumps(results, indent=2))
    print(write_record("stop_requests", results, folder=options.output))
    return 1 if results["failed"] else 0


def requests(
    folder: Path, *, signals: int, seed: int, trainer: Sequence[str] = TRAINER
) -> dict[str, Any]:
    """Asks runs to stop at random moments until they end, and compares them with a straight one.

    Args:
        folder: for records and runs.
        signals: how many times a run is asked.
        seed: of the moments and the signals.
        trainer: the command, without places.

    Returns:
        How often each signal came in which stage and how the runs ended; "failed" lists what was
        different.
    """
    straight, workdir, moments = folder / "straight", folder / "asked", random.Random(seed)
    finish(folder, straight, trainer=trainer)
    begun = time.monotonic()
    finish(folder, workdir, trainer=trainer)
    seconds = time.monotonic() - begun
    shutil.rmtree(workdir)
    asking = _Asking(folder, workdir, moments, trainer, content(straight), seconds)
    for _ in range(TRIES * signals):
        if asking.asked < signals:
            asking.once()
    asking.finish()
    if asking.asked < signals:
        asking.failed.append(f"of {TRIES * signals} requests only {asking.asked} were heeded.")
    return {"asked_to_stop": asking.asked, "ends": asking.ends, "failed": asking.failed}


class _Asking:
    """Runs in one folder that are asked to stop, one after the other."""

    def __init__(self, folder, workdir, moments, trainer, expected, seconds):
        self.folder, self.workdir, self.moments = folder, workdir, moments
        self.trainer, self.expected, self.seconds = trainer, expected, seconds
        self.failed: list[str] = []
        self.ends: dict[str, int] = {}
        self.asked = 0

    def once(self) -> None:
        """Starts a run, or one that goes on, and asks it to stop at a random stage."""
        stage = self.moments.choice(STAGES)
        ended = has_reached(self.workdir, LAST_STEP)
        if stage == "preparing" or (stage == "training" and ended):
            self.finish()
        if stage == "preparing":
            # They may be unfinished from the time before.
            shutil.rmtree(self.folder / "records", ignore_errors=True)
        kind, times = self.moments.choice(list(CODES)), self.moments.choice((1, 10, 40))
        process = start(self.folder, self.workdir, trainer=self.trainer, said=True)
        self._wait(process, stage)
        heard = _listens(process)
        for _ in range(times):
            process.send_signal(kind)
            time.sleep(0.01)
        said = process.communicate()[1] or ""
        when = f"{stage}, {times} x {kind.name}"
        self.asked += process.returncode != 0
        self._judge(when if heard else f"{when} before it listened or after its end", said, process)
        self.failed += _faults(self.workdir, process.returncode, said, kind, heard)

    def finish(self) -> None:
        """Lets the run come to its end, if there is one, and compares that."""
        if not self.workdir.exists():
            return
        process = start(self.folder, self.workdir, trainer=self.trainer, said=True)
        said = process.communicate()[1] or ""
        self.failed += _faults(self.workdir, process.returncode, said, None, True)
        self._judge("left alone", said, process)
        shutil.rmtree(self.workdir, ignore_errors=True)

    def _judge(self, what: str, said: str, process: subprocess.Popen) -> None:
        print(f"{what}: ended with {process.returncode}", file=sys.stderr, flush=True)
        end = f"{re.sub('[0-9]+ x ', '', what)}: ended with {process.returncode}"
        self.ends[end] = self.ends.get(end, 0) + 1
        if process.returncode == 0:
            found, expected = _comparable(content(self.workdir)), _comparable(self.expected)
            if different := [part for part, was in expected.items() if found[part] != was]:
                self.failed.append(f"{what}: {', '.join(different)} differ from the straight run.")
            shutil.rmtree(self.workdir)

    def _wait(self, process: subprocess.Popen, stage: str) -> None:
        """Waits for a random moment of a stage, however fast the machine is just now."""
        wait(process, lambda: _listens(process))
        step = self.moments.randrange(LAST_STEP)
        until: Callable[[], bool] = {
            "preparing": lambda: False,
            "beginning": lambda: True,
            "training": partial(has_reached, self.workdir, step),
            "ending": partial(has_reached, self.workdir, LAST_STEP),
        }[stage]
        part = self.moments.uniform(0, self.seconds / 3)
        wait(process, until, part if stage == "preparing" else 600)
        if stage != "preparing":
            wait(process, lambda: False, min(part, 0.2) if stage == "training" else part)


def _comparable(found: dict[str, Any]) -> dict[str, Any]:
    """What must be the same of the end of a run that was stopped in between.

    It saves the step at which it is stopped too, so that other steps than the last may have stayed.
    """
    last = f"checkpoints/{LAST_STEP}/"
    steps = {name: value for name, value in found["checkpoints"].items() if name.startswith(last)}
    names = [
        name for name in found["files"] if not re.match(rf"checkpoints/(?!{LAST_STEP}\b)", name)
    ]
    return {**found, "checkpoints": steps, "files": names}


def _faults(
    workdir: Path, code: int, said: str, kind: signal.Signals | None, heard: bool
) -> Iterator[str]:
    """What is wrong with the end of a run that was asked to stop, or was left alone."""
    asked = f"after {kind.name}" if kind else "left alone"
    # Until the program listens there is nothing to save, and Python decides.
    allowed = {0} if kind is None else {0, CODES[kind]}
    if kind is not None and not heard:
        allowed |= {-kind, 128 + kind}
    if code not in allowed:
        yield f"{asked}: ended with {code}, saying {said[-200:]!r}."
    if "damage" in said or (workdir / "damaged").exists():
        yield f"{asked}: called something damaged: {said[-200:]!r}."
    if "Traceback" in said and heard:
        yield f"{asked}: showed a traceback: {said[-2000:]!r}."


def _listens(process: subprocess.Popen) -> bool:
    """Whether a process has a handler for SIGTERM, as far as the system can tell."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except OSError:  # it has ended, or this is no Linux
        return sys.platform != "linux"
    caught = next((line for line in status.splitlines() if line.startswith("SigCgt:")), "SigCgt: 0")
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


if __name__ == "__main__":
    sys.exit(main())
