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

from benchmarks.harness.quiet import Others, is_disturbed, repeated
from benchmarks.harness.resident import Growth

WARM_UP = 3

Turn = dict[str, Any]
"""What a process measured: `seconds` of each call, `others_cores`, `growth_bytes`; JAX's more."""


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
    command += arguments
    own = {"OMP_NUM_THREADS": str(threads), "JAX_PLATFORMS": "cpu", **(environment or {})}
    own = {**os.environ, **own}
    run = subprocess.run(command, env=own, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(run.stdout.splitlines()[-1])


def take_turns(
    run: Callable[[str], Turn], frameworks: Iterable[str], rounds: int, tries: int = 1
) -> dict[str, list[Turn]]:
    """What frameworks that take turns measure, so that slow minutes are slow for all of them.

    Args:
        run: from a framework to what its process measured.
        frameworks: their names.
        rounds: turns of each.
        tries: how often a turn may be repeated because other processes took the machine.

    Returns:
        The turns of each framework.
    """
    turns: dict[str, list[Turn]] = {framework: [] for framework in frameworks}
    for _ in range(rounds):
        for framework, measured in turns.items():
            measured.append(
                repeated(lambda name=framework: run(name), lambda turn: turn["others_cores"], tries)
            )
    return turns


def summary(turns: list[Turn], batch_size: int) -> dict[str, Any]:
    """The turns of one framework: medians over them, and the range of the times.

    Args:
        turns: at least one.
        batch_size: patches of each call.

    Returns:
        `milliseconds` of a call with `range`, `patches_per_second`, `growth_bytes`, `others_cores`
        of each turn and how many were `disturbed`.
    """
    seconds = [statistics.median(turn["seconds"]) for turn in turns]
    middle = statistics.median(seconds)
    growth = [turn["growth_bytes"] for turn in turns if turn["growth_bytes"] is not None]
    return {
        "milliseconds": round(1e3 * middle, 2),
        "range": [round(1e3 * end, 2) for end in (min(seconds), max(seconds))],
        "patches_per_second": round(batch_size / middle, 1),
        "growth_bytes": int(statistics.median(growth)) if growth else None,
        "others_cores": [turn["others_cores"] for turn in turns],
        "disturbed": sum(is_disturbed(turn["others_cores"]) for turn in turns),
    }


def ratio(turns: Mapping[str, list[Turn]], ours: str, peers: Iterable[str]) -> dict[str, Any]:
    """How many times as fast one framework is as the fastest of some peers.

    Args:
        turns: from `take_turns`.
        ours: the framework.
        peers: the others; the one with the least median counts.

    Returns:
        `faster_peer`, `ratio` of the medians and the `range` of the ratios of each round.
    """
    seconds = {
        name: [statistics.median(turn["seconds"]) for turn in turns[name]]
        for name in (ours, *peers)
    }
    peer = min(peers, key=lambda name: statistics.median(seconds[name]))
    by_round = [there / here for there, here in zip(seconds[peer], seconds[ours], strict=True)]
    return {
        "faster_peer": peer,
        "ratio": round(statistics.median(seconds[peer]) / statistics.median(seconds[ours]), 3),
        "range": [round(end, 3) for end in (min(by_round), max(by_round))],
    }


def settle(threads: int, devices: int = 1) -> None:
    """Ties this process to its cores, has it keep freed memory, and says what devices JAX has.

    Before a thread pool is made: XLA and PyTorch size theirs by what they find now.

    Args:
        threads: number of cores.
        devices: number of devices of JAX on them.
    """
    import jax

    from jaxnoise.process import keep_freed_memory

    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    keep_freed_memory()
    jax.config.update("jax_num_cpu_devices", devices)


def measure(call: Callable[[], Any], steps: int) -> Turn:
    """Times calls in this process.

    Args:
        call: returns when its result is there.
        steps: calls that count.

    Returns:
        `seconds` of each, the cores that other processes took meanwhile, and the bytes by which
        the most that this process held exceeds what it held before.
    """
    grown, others = Growth(), Others()
    seconds = time_call(call, steps)
    return {
        "seconds": seconds,
        "others_cores": others.cores(),
        "growth_bytes": grown.bytes(),
    }


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
