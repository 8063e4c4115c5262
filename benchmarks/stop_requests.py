"""Does a run that is asked to stop, again and again, end as one that is left alone?

One signal or a burst of them at a random moment between a start of `python -m train.noiseflow` and
its end, the preparing of records and the reading of checkpoints included. Each start must end with
the code of the first signal and no traceback, nothing may be called damaged, and the end must be
that of the straight run.
"""

import argparse
import json
import random
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
    phase,
    start,
    wait,
)

CODES = {signal.SIGTERM: 75, signal.SIGINT: 130, signal.SIGHUP: 75}
"""Exit codes of a run that is asked to stop."""


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
        How often each signal came in which phase and how the runs ended; "failed" lists what was
        different.
    """
    straight, workdir, moments = folder / "straight", folder / "asked", random.Random(seed)
    if not straight.exists():
        finish(folder, straight, trainer=trainer)
    expected, begun = content(straight), time.monotonic()
    finish(folder, workdir, trainer=trainer)
    seconds = time.monotonic() - begun
    shutil.rmtree(workdir)
    failed: list[str] = []
    ends: dict[str, int] = {}
    asked = 0
    while asked < signals or workdir.exists():
        if not workdir.exists() and moments.random() < 0.5:
            # They may be unfinished from the time before.
            shutil.rmtree(folder / "records", ignore_errors=True)
        kind, times = moments.choice(list(CODES)), moments.choice((1, 10, 40))
        process = start(folder, workdir, trainer=trainer, said=True)
        ask, heard = asked < signals, True
        if ask:
            _wait_for_stage(process, workdir, moments, seconds)
            heard = _listens(process)
            for _ in range(times):
                process.send_signal(kind)
                time.sleep(0.01)
        said = process.communicate()[1] or ""
        code = process.returncode
        reached = phase(workdir) if workdir.exists() else "before its folder"
        when = reached if heard else "before it listened or after its end"
        end = f"{kind.name if ask else 'no signal'}, {when}: ended with {code}"
        print(f"{times} x {end}" if ask else end, file=sys.stderr, flush=True)
        ends[end] = ends.get(end, 0) + 1
        asked += ask and code != 0
        failed += [
            f"{end}{fault}." for fault in _faults(workdir, code, said, kind if ask else None, heard)
        ]
        if code == 0:
            found = content(workdir)
            if different := [part for part in expected if found[part] != expected[part]]:
                failed.append(f"{end}: {', '.join(different)} differ from the straight run.")
        if code == 0 or not ask:  # a run that fails unasked would do so again
            shutil.rmtree(workdir, ignore_errors=True)
    return {"asked_to_stop": asked, "ends": ends, "failed": failed}


def _faults(
    workdir: Path, code: int, said: str, kind: signal.Signals | None, heard: bool
) -> Iterator[str]:
    """What is wrong with the end of a run that was asked to stop, or was left alone."""
    # Until the program listens there is nothing to save, and Python decides.
    allowed = {0} if kind is None else {0, CODES[kind]}
    if kind is not None and not heard:
        allowed |= {-kind, 128 + kind}
    if code not in allowed:
        yield f", saying {said[-200:]!r}"
    if "damage" in said or (workdir / "damaged").exists():
        yield f" and called something damaged: {said[-200:]!r}"
    if "Traceback" in said and heard:
        yield " and showed a traceback"


def _listens(process: subprocess.Popen) -> bool:
    """Whether a process has a handler for SIGTERM, as far as the system can tell."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except OSError:  # it has ended, or this is no Linux
        return sys.platform != "linux"
    caught = next((line for line in status.splitlines() if line.startswith("SigCgt:")), "SigCgt: 0")
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


def _wait_for_stage(
    process: subprocess.Popen, workdir: Path, moments: random.Random, seconds: float
) -> None:
    """Waits for a random moment of a random stage, however fast the machine is just now."""
    stages: dict[str, Callable[[], bool]] = {
        "any": lambda: True,
        "its folder": (workdir / "config.json").exists,
        "a row": partial(has_reached, workdir, moments.randrange(LAST_STEP)),
        "its model": (workdir / "model").exists,
    }
    stage = moments.choice(list(stages))
    wait(process, stages[stage])
    wait(process, lambda: False, moments.uniform(0, seconds if stage == "any" else 1))


if __name__ == "__main__":
    sys.exit(main())
