"""Does a run that is killed, or whose disk is full, end as one that is left alone?

Runs a small `python -m train.noiseflow` once without interruption. Then, each in a folder of its
own: kill -9 at random moments, half of them within the training steps and half anywhere between
its first file and its end, kill -9 at named points of its writing, and a disk that is full from
such a point on. The same command again must leave the same files: every byte of the model, every
hash of the checkpoints, every row of metrics.jsonl without its time, the numbers of the report, and
nothing else.
"""

import argparse
import json
import random
import shutil
import signal
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.harness.at_point import POINTS
from benchmarks.harness.record import RESULTS, write_record
from benchmarks.harness.short_run import (
    LAST_STEP,
    OPTIONS,
    content,
    finish,
    has_reached,
    phase,
    start,
    wait,
)

FULL = 2
"""Exit code of a run that found its disk full."""


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
    parser.add_argument("--seed", type=int, default=0, help="of the random moments")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the record")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        results = campaign(
            Path(name), kills=options.random, points=options.points, seed=options.seed
        )
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
    finish(folder, straight)  # prepares the records
    shutil.rmtree(straight)
    seconds = _seconds_of(folder, straight)
    expected = content(straight)
    failed: list[str] = []

    def finish_and_compare(workdir: Path, what: str) -> None:
        print(what, file=sys.stderr, flush=True)
        finish(folder, workdir)
        found = content(workdir)
        if different := [part for part in expected if found[part] != expected[part]]:
            failed.append(f"{what}: {', '.join(different)} differ from the straight run.")
        shutil.rmtree(workdir)

    moments, phases, missed = random.Random(seed), {}, 0
    while sum(phases.values()) < kills:
        workdir = folder / "random"
        process = start(folder, workdir)
        if sum(phases.values()) % 2:
            wait(process, partial(has_reached, workdir, moments.randrange(LAST_STEP)))
            wait(process, lambda: False, moments.uniform(0, 0.2))
        else:
            wait(process, (workdir / "config.json").exists)
            wait(process, lambda: False, moments.uniform(0, seconds))
        process.kill()
        if process.wait() != -signal.SIGKILL:
            missed += 1  # the run had ended before its moment came
            shutil.rmtree(workdir)
            continue
        reached = phase(workdir)
        phases[reached] = phases.get(reached, 0) + 1
        finish_and_compare(workdir, f"killed at random, {reached}")
    for point in points:
        workdir = folder / "killed"
        if (code := start(folder, workdir, trainer=_at("kill", point)).wait()) != -signal.SIGKILL:
            failed.append(f"killed when {point}: ended with {code} before it.")
        finish_and_compare(workdir, f"killed when {point}")
    needing_room = [point for point in points if POINTS[point].needs_room]
    for point in needing_room:
        workdir = folder / "full"
        process = start(folder, workdir, trainer=_at("full", point), said=True)
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


def _at(what: str, point: str) -> list[str]:
    """The trainer's command, interrupted at a named point."""
    harness = "benchmarks.harness.at_point"
    return [sys.executable, "-m", harness, what, point, "train.noiseflow", *OPTIONS]


def _seconds_of(folder: Path, workdir: Path) -> float:
    process = start(folder, workdir)
    wait(process, (workdir / "config.json").exists)
    begun = time.monotonic()
    if process.wait() != 0:
        raise SystemExit(f"{process.args} ended with {process.returncode}.")
    return time.monotonic() - begun


if __name__ == "__main__":
    sys.exit(main())
