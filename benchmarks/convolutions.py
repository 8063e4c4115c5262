"""Which convolution is fastest where: XLA's, that of `jaxnoise.nets`, or PyTorch's?

For the layers of the networks, forward, the gradients to images and kernel alone, and both
together. All of them take turns in one process, on one core and on several with a device each;
`--paths eigen` has XLA leave its convolutions to Eigen, as it does by itself on some processors.
"""

import argparse
import json
import math
import os
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from operator import itemgetter
from typing import Any

from benchmarks.harness.convolution_layers import LAYERS, Layer
from benchmarks.harness.in_turn import obstacle, run_worker, settle
from benchmarks.harness.quiet import Others, is_disturbed
from benchmarks.harness.xla_path import EIGEN_FLAG, convolution_path

METHODS = {"xla": "XLA", "ours": "jaxnoise", "torch": "PyTorch"}
TASKS = ("forward", "to images", "to kernel", "backward")
TURN, GAP = 0.02, 0.005
"""Seconds that a turn lasts at least, and between two turns."""
LONGEST = 20.0
"""Seconds after which a task gets no more rounds, but it has two."""
LARGEST_DIFFERENCE = 1e-3
"""Of the largest value: beyond it two methods do not compute the same."""


def main() -> int:
    """Measure, print a table and write the record; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="cores to use")
    parser.add_argument("--devices", type=int, help="of JAX; default as many as cores")
    parser.add_argument("--paths", choices=("default", "eigen"), nargs="+", default=["default"])
    parser.add_argument("--layers", nargs="+", help="such as 32x32x32x64x64, or names of networks")
    parser.add_argument("--tasks", choices=TASKS, nargs="+", default=list(TASKS))
    parser.add_argument("--peer", action="store_true", help="PyTorch too, channels last")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each method")
    parser.add_argument("--tries", type=int, default=3, help="while others take the machine")
    parser.add_argument("--name", default="convolutions", help="of the record")
    parser.add_argument("--no-record", action="store_true", help="print only")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if reason := obstacle(options.threads, peer=options.peer):
        print(f"convolutions: {reason}", file=sys.stderr)
        return 2
    try:
        layers = chosen(options.layers)
    except ValueError as error:
        print(f"convolutions: {error}", file=sys.stderr)
        return 2
    if options.worker:
        settle(options.threads[0], options.devices)
        print(json.dumps(work(options, layers[0])))
        return 0
    compare(options, layers)
    return 0


def chosen(names: list[str] | None) -> list[Layer]:
    """The layers of some networks, or by their own texts."""
    texts = [text for name in names or LAYERS for text in LAYERS.get(name, (name,))]
    return [Layer.parse(text) for text in dict.fromkeys(texts)]


def compare(options: argparse.Namespace, layers: list[Layer]) -> None:
    """Measure on each path and number of cores, a process per layer, print and record."""
    from benchmarks.harness.record import write_record

    rows, xla = [], {}
    titles = "".join(f"{title + ' ms':>13}" for title in METHODS.values())
    print(f"{'layer':<20} {'cores':>5} {'path':<7} {'what':<9}{titles}   jaxnoise / XLA, PyTorch")
    for path in options.paths:
        for threads in options.threads:
            for layer in layers:
                found = measured(options, layer, threads, path)
                xla[f"{path}, {threads} cores"] = found["xla"]
                for row in found["rows"]:
                    rows.append({"layer": str(layer), "cores": threads, "path": path, **row})
                    print(line(rows[-1]), flush=True)
    if not options.no_record:
        settings = {"rounds": options.rounds, "turn_seconds": TURN, "gap_seconds": GAP}
        results = {"settings": settings, "xla": xla, "rows": rows}
        print(f"\nwritten to {write_record(options.name, results)}")


def measured(options: argparse.Namespace, layer: Layer, threads: int, path: str) -> dict[str, Any]:
    """What a process of its own found for one layer."""
    arguments = ["--layers", str(layer), "--rounds", str(options.rounds), "--tasks", *options.tasks]
    arguments += ["--tries", str(options.tries)]
    arguments += ["--devices", str(options.devices or threads)] + ["--peer"] * options.peer
    flags = os.environ.get("XLA_FLAGS", "")
    environment = {"XLA_FLAGS": f"{flags} {EIGEN_FLAG}".strip()} if path == "eigen" else {}
    return run_worker("benchmarks.convolutions", "measure", threads, arguments, environment)


def line(row: dict[str, Any]) -> str:
    """A row of the table."""
    times = (row["milliseconds"].get(name) for name in METHODS)
    shown = "".join(f"{time:>13.3f}" if time else f"{'':>13}" for time in times)
    ratios = "".join(f"{ratio:>8.2f}" for ratio in row["speed_over"].values())
    marked = "  (others took the machine)" if row["disturbed"] else ""
    place = f"{row['layer']:<20} {row['cores']:>5} {row['path']:<7} {row['what']:<9}"
    return f"{place}{shown}   {ratios}{marked}"


def work(options: argparse.Namespace, layer: Layer) -> dict[str, Any]:
    """All methods' times for one layer, in this process."""
    from benchmarks.harness import convolution_calls as own
    from benchmarks.harness.quiet import repeated

    forwards = {"xla": own.library(layer), "ours": own.ours(layer)}
    found = {name: own.calls(layer, it, options.devices) for name, it in forwards.items()}
    differences = {"ours": apart(found["xla"], lambda task: found["ours"][task].call())}
    if options.peer:
        import torch  # pyright: ignore[reportMissingImports]

        from benchmarks.peers import convolution_torch as peer

        torch.set_num_threads(options.threads[0])
        theirs = peer.calls(layer, *own.arrays(layer))
        found["torch"] = {task: own.Call(call, {}) for task, call in theirs.items()}
        differences["torch"] = apart(
            found["xla"], lambda task: peer.as_arrays(layer, task, theirs[task]())
        )
    rows = []
    for task in options.tasks:
        calls = {name: tasks[task].call for name, tasks in found.items()}
        repeats = {name: repeats_of(call) for name, call in calls.items()}
        turns = partial(in_turn, calls, repeats, options.rounds)
        seconds, others = repeated(turns, itemgetter(1), options.tries)
        facts = {name: tasks[task].facts for name, tasks in found.items() if tasks[task].facts}
        differ = {name: by_task[task] for name, by_task in differences.items()}
        rows.append({**row(layer, task, seconds, others), "difference": differ, "programs": facts})
    return {"rows": rows, "xla": convolution_path()}


def apart(truth: dict[str, Any], result: Callable[[str], Any]) -> dict[str, float]:
    """By task how far a method's result is from XLA's, as a part of the largest value."""
    import jax
    import numpy as np

    differences = {}
    for task in TASKS:
        pairs = zip(
            *(jax.tree.leaves(it) for it in (truth[task].call(), result(task))), strict=True
        )
        differences[task] = max(
            float(np.abs(np.asarray(one) - np.asarray(other)).max() / np.abs(one).max())
            for one, other in pairs
        )
    if not max(differences.values()) < LARGEST_DIFFERENCE:
        raise SystemExit(f"Two methods do not compute the same: {differences}.")
    return differences


def repeats_of(call: Callable[[], Any]) -> int:
    """Calls that fill a turn, after one that does not count; there was one before."""
    call()
    started = time.perf_counter()
    call()
    return max(1, math.ceil(TURN / (time.perf_counter() - started)))


def in_turn(
    calls: dict[str, Callable[[], Any]], repeats: dict[str, int], rounds: int
) -> tuple[dict[str, list[float]], float | None]:
    """Seconds of a call, one number a round by method, and the cores that others took."""
    seconds = {name: [] for name in calls}
    others, began = Others(), time.perf_counter()
    for turn in range(rounds):
        if turn >= 2 and time.perf_counter() - began > LONGEST:
            break
        for name, call in calls.items():
            # PyTorch's threads wait for more work for a while before they let go of their cores.
            time.sleep(GAP)
            started = time.perf_counter()
            for _ in range(repeats[name]):
                call()
            seconds[name].append((time.perf_counter() - started) / repeats[name])
    return seconds, others.cores()


def row(
    layer: Layer, task: str, seconds: dict[str, list[float]], others: float | None
) -> dict[str, Any]:
    """Medians and ranges over the rounds; speeds of ours over the others' likewise, by round."""
    speeds = {
        name: [theirs / ours for theirs, ours in zip(times, seconds["ours"], strict=True)]
        for name, times in seconds.items()
        if name != "ours"
    }
    operations = layer.operations * (2 if task == "backward" else 1)
    middle = {name: statistics.median(times) for name, times in seconds.items()}
    return {
        "what": task,
        "milliseconds": {name: round(1e3 * value, 4) for name, value in middle.items()},
        "range": {n: [round(1e3 * end(t), 4) for end in (min, max)] for n, t in seconds.items()},
        "gigaflops": {name: round(operations / value / 1e9, 1) for name, value in middle.items()},
        "speed_over": {name: round(statistics.median(all), 3) for name, all in speeds.items()},
        "speed_range": {n: [round(end(s), 3) for end in (min, max)] for n, s in speeds.items()},
        "others_cores": others,
        "disturbed": is_disturbed(others),
    }


if __name__ == "__main__":
    sys.exit(main())
