"""Does a run that is killed, or whose disk is full, end as one that is left alone?

Runs a small `python -m train.noiseflow` once without interruption. Then, each in a folder of its
own: kill -9 at random moments, half of them within the training steps and half anywhere between
its first file and its end, kill -9 at named points of its writing, and a disk that is full from
such a point on. The same command again must leave the same files: every byte of the model, every
hash of the checkpoints, every row of metrics.jsonl without its time, the numbers of the report, and
nothing else.

Then runs that are asked to stop, again and again until they come to their end: one signal or a
burst of them at a random moment between a start and its end, the preparing of records and the
reading of checkpoints included. Each must end with the code of the first signal and no traceback,
nothing may be called damaged, and the end must be that of the straight run.
"""

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.harness.at_point import POINTS
from benchmarks.harness.record import RESULTS, ROOT, write_record

LENGTH = ("--steps", "20", "--save-every", "4", "--evaluate-every", "6")
SIZES = ("--batch-size", "8", "--patch-size", "16", "--start-patches", "64")
TESTS = ("--validation-patches", "20", "--test-patches", "21", "--compare", "none")
OPTIONS = (*LENGTH, *SIZES, *TESTS, "--arch", "N-W-Ax1", "--accelerator", "cpu")
LAST_STEP = int(LENGTH[1])
FULL = 2
"""Exit code of a run that found its disk full."""
CODES = {signal.SIGTERM: 75, signal.SIGINT: 130, signal.SIGHUP: 75}
"""Exit codes of a run that is asked to stop."""


def main(arguments: list[str] | None = None) -> int:
    """Runs, prints what was found and writes `results/kills.json`.

    Args:
        arguments: by default those of the process.

    Returns:
        The exit code: 0 when every interrupted run ended as the straight one.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--random", type=int, default=20, help="kills at random moments")
    parser.add_argument("--points", nargs="*", default=list(POINTS), choices=POINTS, metavar="NAME")
    parser.add_argument("--signals", type=int, default=50, help="requests to stop")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the record")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        results = campaign(
            Path(name), kills=options.random, points=options.points, seed=options.seed
        )
        asked = requests(Path(name), signals=options.signals, seed=options.seed)
        results["failed"] += asked.pop("failed")
        results |= asked
    print(json.dumps({key: part for key, part in results.items() if key != "failed"}, indent=2))
    print(write_record("kills", results, folder=options.output))
    for failure in results["failed"]:
        print(failure, file=sys.stderr)
    return 1 if results["failed"] else 0


def campaign(folder: Path, *, kills: int, points: list[str], seed: int) -> dict[str, Any]:
    """Interrupts runs and compares each with a straight one.

    Args:
        folder: for records and runs; empty.
        kills: how many at random moments.
        points: names of `POINTS`; each is killed at, and its disk is full from there on where
            that can make it fail.
        seed: of the random moments.

    Returns:
        How many interruptions of each kind there were and what followed; "failed" lists what was
        different.
    """
    straight = folder / "straight"
    _finish(folder, straight)  # prepares the records
    shutil.rmtree(straight)
    seconds = _seconds_of(folder, straight)
    expected = content(straight)
    failed: list[str] = []

    def finish_and_compare(workdir: Path, what: str) -> None:
        print(what, file=sys.stderr, flush=True)
        _finish(folder, workdir)
        found = content(workdir)
        if different := [part for part in expected if found[part] != expected[part]]:
            failed.append(f"{what}: {', '.join(different)} differ from the straight run.")
        shutil.rmtree(workdir)

    moments, phases, missed = random.Random(seed), {}, 0
    while sum(phases.values()) < kills:
        workdir = folder / "random"
        process = _start(folder, workdir)
        if sum(phases.values()) % 2:
            _wait(process, partial(_has_reached, workdir, moments.randrange(LAST_STEP)))
            _wait(process, lambda: False, moments.uniform(0, 0.2))
        else:
            _wait(process, (workdir / "config.json").exists)
            _wait(process, lambda: False, moments.uniform(0, seconds))
        process.kill()
        if process.wait() != -signal.SIGKILL:
            missed += 1  # the run had ended before its moment came
            shutil.rmtree(workdir)
            continue
        phase = _phase(workdir)
        phases[phase] = phases.get(phase, 0) + 1
        finish_and_compare(workdir, f"killed at random, {phase}")
    for point in points:
        workdir = folder / "killed"
        if (code := _start(folder, workdir, "kill", point).wait()) != -signal.SIGKILL:
            failed.append(f"killed when {point}: ended with {code} before it.")
        finish_and_compare(workdir, f"killed when {point}")
    needing_room = [point for point in points if POINTS[point].needs_room]
    for point in needing_room:
        workdir = folder / "full"
        process = _start(folder, workdir, "full", point)
        said = [line for line in (process.communicate()[1] or "").splitlines() if line]
        last = said[-1] if said else ""
        if process.returncode != FULL or not last.startswith("jaxnoise: ") or "room" not in last:
            failed.append(f"full when {point}: ended with {process.returncode}, saying {last!r}.")
        if any("Traceback" in line for line in said):
            failed.append(f"full when {point}: showed a traceback.")
        finish_and_compare(workdir, f"full when {point}")
    return {
        "run": " ".join(("train.noiseflow", *OPTIONS)),
        "seconds_of_a_run": round(seconds, 1),
        "killed_at_random": phases,
        "ended_before_the_kill": missed,
        "killed_at": points,
        "disk_full_from": needing_room,
        "different": len(failed),
        "failed": failed,
    }


def requests(folder: Path, *, signals: int, seed: int) -> dict[str, Any]:
    """Asks runs to stop at random moments until they end, and compares them with a straight one.

    Args:
        folder: for records and runs.
        signals: how many times a run is asked.
        seed: of the moments and the signals.

    Returns:
        How often each signal came in which phase and how the runs ended; "failed" lists what was
        different.
    """
    straight, workdir, moments = folder / "straight", folder / "asked", random.Random(seed)
    if not straight.exists():
        _finish(folder, straight)
    expected, seconds = content(straight), _whole_seconds(folder, folder / "timed")
    failed: list[str] = []
    ends: dict[str, int] = {}
    asked = 0
    while asked < signals or workdir.exists():
        if not workdir.exists() and moments.random() < 0.5:
            shutil.rmtree(folder / "records")
        kind, times = moments.choice(list(CODES)), moments.choice((1, 10, 40))
        process = _start(folder, workdir, read=True)
        if asked < signals:
            _wait_for_stage(process, workdir, moments, seconds)
            for _ in range(times):
                process.send_signal(kind)
                time.sleep(0.01)
        said = process.communicate()[1] or ""
        phase = _phase(workdir) if workdir.exists() else "before its folder"
        what = f"{times} x {kind.name}, {phase}: ended with {process.returncode}"
        print(what, file=sys.stderr, flush=True)
        # Until the program has its handlers there is nothing to save, and Python decides.
        early = not workdir.exists() and process.returncode in (-kind, 128 + kind, CODES[kind])
        if process.returncode not in (0, CODES[kind]) and not early:
            failed.append(f"{what}, saying {said[-200:]!r}.")
        if "damage" in said or (workdir / "damaged").exists():
            failed.append(f"{what} and called something damaged: {said[-200:]!r}.")
        if "Traceback" in said and not early:
            failed.append(f"{what} and showed a traceback.")
        asked += process.returncode != 0
        ends[what.partition(" x ")[2]] = ends.get(what.partition(" x ")[2], 0) + 1
        if process.returncode == 0:
            found = content(workdir)
            if different := [part for part in expected if found[part] != expected[part]]:
                failed.append(f"{what}: {', '.join(different)} differ from the straight run.")
            shutil.rmtree(workdir)
    return {"asked_to_stop": asked, "ends": ends, "failed": failed}


def content(workdir: Path) -> dict[str, Any]:
    """All that must be the same in two runs of one configuration.

    Args:
        workdir: of a run that has ended.

    Returns:
        By part: model, checkpoints, metrics, report, and the names of all files.
    """
    checkpoints = sorted((workdir / "checkpoints").glob("*/leaves/metadata"))
    names = sorted(path.relative_to(workdir).as_posix() for path in workdir.rglob("*"))
    return {
        "model": {path.name: path.read_bytes() for path in (workdir / "model").iterdir()},
        "checkpoints": {path.parts[-3]: path.read_text() for path in checkpoints},
        "metrics": rows(workdir),
        "report": (workdir / "evaluation.json").read_text(),
        # The files of arrays have random names.
        "files": [re.sub(r"/d/[0-9a-f]{32}$", "/d/*", name) for name in names],
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


def _start(
    folder: Path, workdir: Path, *interruption: str, read: bool = False
) -> subprocess.Popen[str]:
    module = ["benchmarks.harness.at_point", *interruption] if interruption else []
    places = ("--data-dir", str(folder / "records"), "--workdir", str(workdir))
    command = [sys.executable, "-m", *module, "train.noiseflow", *OPTIONS, *places]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE if read or "full" in interruption else subprocess.DEVNULL,
        text=True,
    )


def _finish(folder: Path, workdir: Path) -> None:
    process = _start(folder, workdir)
    if process.wait() != 0:
        raise SystemExit(f"{process.args} ended with {process.returncode}.")


def _seconds_of(folder: Path, workdir: Path) -> float:
    process = _start(folder, workdir)
    _wait(process, (workdir / "config.json").exists)
    start = time.monotonic()
    if process.wait() != 0:
        raise SystemExit(f"{process.args} ended with {process.returncode}.")
    return time.monotonic() - start


def _wait_for_stage(
    process: subprocess.Popen, workdir: Path, moments: random.Random, seconds: float
) -> None:
    """Waits for a random moment of a random stage, however fast the machine is just now."""
    stages: dict[str, Callable[[], bool]] = {
        "any": lambda: True,
        "its folder": (workdir / "config.json").exists,
        "a row": partial(_has_reached, workdir, moments.randrange(LAST_STEP)),
        "its model": (workdir / "model").exists,
    }
    stage = moments.choice(list(stages))
    _wait(process, stages[stage])
    _wait(process, lambda: False, moments.uniform(0, seconds if stage == "any" else 1))


def _whole_seconds(folder: Path, workdir: Path) -> float:
    start = time.monotonic()
    _finish(folder, workdir)
    shutil.rmtree(workdir)
    return time.monotonic() - start


def _wait(process: subprocess.Popen, until: Callable[[], bool], seconds: float = 600) -> None:
    deadline = time.monotonic() + seconds
    while process.poll() is None and not until() and time.monotonic() < deadline:
        time.sleep(0.01)


def _has_reached(workdir: Path, step: int) -> bool:
    found = rows(workdir)
    return bool(found) and found[-1]["step"] >= step


def _phase(workdir: Path) -> str:
    steps = [row["step"] for row in rows(workdir)]
    if not steps:
        return "before the first row"
    if steps[-1] < LAST_STEP:
        return "in the training"
    return "after the last step"


if __name__ == "__main__":
    sys.exit(main())
