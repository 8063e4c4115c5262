"""Times frameworks in turn: each turn a process of its own, tied to the same cores."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from importlib.util import find_spec
from typing import Any

WARM_UP = 3

Times = dict[str, dict[str, list[float]]]
"""Median seconds of each turn, by framework and by what was timed."""


def obstacle(threads: Iterable[int], *, peer: bool = True) -> str | None:
    """Why nothing can be timed here, as a sentence, or None.

    Args:
        threads: the numbers of cores to use.
        peer: whether PyTorch is wanted.

    Returns:
        The sentence where PyTorch is missing or cores are.
    """
    if peer and find_spec("torch") is None:
        return "PyTorch is not installed; add it with `python3 in_venv.py -m pip install torch`."
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if max(threads) > (cores or 1):
        return f"this machine has {cores} cores; ask for fewer."
    return None


def run_worker(
    module: str,
    worker: str,
    threads: int,
    arguments: Iterable[str],
    environment: Mapping[str, str] | None = None,
) -> dict:
    """What a measuring process printed on its last line.

    Args:
        module: the benchmark, run again with `--worker` and `--threads`.
        worker: what it is to do.
        threads: cores it may use.
        arguments: further ones.
        environment: variables that it gets beside those of this process.

    Returns:
        The parsed JSON.
    """
    command = [sys.executable, "-m", module, "--worker", worker, "--threads", str(threads)]
    own = {"OMP_NUM_THREADS": str(threads), "JAX_PLATFORMS": "cpu", **(environment or {})}
    run = subprocess.run(
        [*command, *arguments],
        env={**os.environ, **own},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(run.stdout.splitlines()[-1])


def take_turns(
    run: Callable[[str], dict[str, list[float]]], frameworks: Iterable[str], rounds: int
) -> Times:
    """The times of frameworks that take turns, so that slow minutes are slow for all of them.

    Args:
        run: from a framework to the seconds of each call, by what was timed.
        frameworks: their names.
        rounds: turns of each.

    Returns:
        The times.
    """
    times: Times = {framework: {} for framework in frameworks}
    for _ in range(rounds):
        for framework, measured in times.items():
            for name, seconds in run(framework).items():
                measured.setdefault(name, []).append(statistics.median(seconds))
    return times


def row(threads: int, name: str, times: Times, batch_size: int) -> dict[str, Any]:
    """One line of the table: medians over the rounds, and their range.

    Args:
        threads: cores used.
        name: what was timed.
        times: from `take_turns`.
        batch_size: patches of each call.

    Returns:
        `cores`, `what`, and per framework the time of a call, its range and what it makes a second.
    """
    line: dict[str, Any] = {"cores": threads, "what": name}
    for framework, measured in times.items():
        seconds = measured[name]
        middle = statistics.median(seconds)
        line[f"{framework}_milliseconds"] = round(1e3 * middle, 2)
        line[f"{framework}_range"] = [round(1e3 * end, 2) for end in (min(seconds), max(seconds))]
        line[f"{framework}_calls_per_second"] = round(1 / middle, 3)
        line[f"{framework}_patches_per_second"] = round(batch_size / middle, 1)
    return line


def settle(threads: int) -> None:
    """Ties this process to its cores and has it keep freed memory.

    Before a thread pool is made: XLA and PyTorch size theirs by what they find now.

    Args:
        threads: number of cores.
    """
    from jaxnoise.process import keep_freed_memory

    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    keep_freed_memory()


def time_call(call: Callable[[], Any], steps: int) -> list[float]:
    """Seconds of each call, the first ones not counted.

    Args:
        call: returns when its result is there.
        steps: calls that count.

    Returns:
        One number a call.
    """
    for _ in range(WARM_UP):
        call()
    seconds = []
    for _ in range(steps):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return seconds
