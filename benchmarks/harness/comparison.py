"""JAX and PyTorch in turn: options, measurements, table and rows of the comparisons of speed."""

import argparse
import itertools
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any

from benchmarks.harness.in_turn import ratio, run_worker, summary, take_turns

PEERS = ("torch", "torch_channels_last")
TITLES = {
    "jax": "JAX",
    "jax_one_device": "one device",
    "jax_xla": "XLA's own",
    "torch": "PyTorch",
    "torch_channels_last": "channels last",
}
"""The frameworks. JAX has a device per core unless it says otherwise."""
COMPILED = ("compile_seconds", "temporary_bytes", "by", "xla", "devices")


def add_options(parser: argparse.ArgumentParser, *, whats: Iterable[str], steps: int) -> None:
    """Adds the options that the comparisons share.

    Args:
        parser: where to.
        whats: what can be timed.
        steps: default of `--steps`.
    """
    whats = list(whats)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="cores to use")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[32, 138])
    parser.add_argument("--what", choices=whats, nargs="+", default=whats, help="what is timed")
    parser.add_argument("--steps", type=int, default=steps, help="timed calls per process")
    parser.add_argument("--rounds", type=int, default=5, help="processes per framework")
    parser.add_argument("--tries", type=int, default=3, help="while others take the machine")
    parser.add_argument("--name", help="of the record, for a part of the rows")
    parser.add_argument("--no-record", action="store_true", help="print only")
    parser.add_argument("--worker", choices=("check", *TITLES), help=argparse.SUPPRESS)


def devices(worker: str, threads: int) -> int:
    """How many devices JAX is to have.

    Args:
        worker: a framework, or "check".
        threads: cores.

    Returns:
        The number.
    """
    return 1 if worker in ("check", "jax_one_device") else threads


def compare(
    module: str, frameworks: Iterable[str], options: argparse.Namespace, whats: Iterable[str]
) -> Iterator[dict[str, Any]]:
    """Measures everything, and prints a line of the table for each.

    Args:
        module: the benchmark, whose workers print a `Turn`.
        frameworks: names of `TITLES`.
        options: of `add_options`.
        whats: what to time, of all that there is.

    Returns:
        The rows of the record.
    """
    frameworks = list(frameworks)
    print(f"\n{'batch':>5} {'cores':>5} {'what':<15}", end="")
    print("".join(f" {TITLES[name]:>15}" for name in frameworks), "  JAX / faster PyTorch")
    with tempfile.TemporaryDirectory() as cache:
        for case in itertools.product(options.batch_sizes, options.threads, whats):
            line = _row(module, frameworks, options, case, cache)
            print(_shown(frameworks, line), flush=True)
            yield line


def settings(options: argparse.Namespace) -> dict[str, Any]:
    """What of the options belongs into the record."""
    return {"timed_calls": options.steps, "rounds": options.rounds, "tries": options.tries}


def _row(
    module: str,
    frameworks: list[str],
    options: argparse.Namespace,
    case: tuple[int, int, str],
    cache: str,
) -> dict[str, Any]:
    """A row: what one thing takes in each framework."""
    batch_size, threads, what = case
    if threads == 1:
        frameworks = [name for name in frameworks if name != "jax_one_device"]
    # The first process of a framework compiles, the others find its program; with other cores, the
    # same program could be found that was compiled for those.
    kept = {
        "JAX_COMPILATION_CACHE_DIR": f"{cache}/{threads}",
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }

    def run(worker: str, steps: int = options.steps) -> dict[str, Any]:
        arguments = ["--batch-sizes", str(batch_size), "--steps", str(steps), "--what", what]
        return run_worker(module, worker, threads, arguments, kept)

    first = {name: run(name, 1) for name in frameworks if name not in PEERS}
    turns = take_turns(run, frameworks, options.rounds, options.tries)
    row: dict[str, Any] = {"batch_size": batch_size, "cores": threads, "what": what}
    for name in frameworks:
        row[name] = summary(turns[name], batch_size)
        if name in first:
            row[name] |= {fact: first[name][fact] for fact in COMPILED}
    return row | {"jax_over_torch": ratio(turns, "jax", PEERS)}


def _shown(frameworks: list[str], row: dict[str, Any]) -> str:
    """A line of the table."""
    shown = f"{row['batch_size']:>5} {row['cores']:>5} {row['what']:<15}"
    for name in frameworks:
        rate = row[name]["patches_per_second"] if name in row else None
        shown += f" {rate:>12} /s" if rate else f" {'':>15}"
    low, high = row["jax_over_torch"]["range"]
    shown += f" {row['jax_over_torch']['ratio']:>8.2f} ({low:.2f} to {high:.2f})"
    disturbed = sum(row[name]["disturbed"] for name in frameworks if name in row)
    return shown + (f"  {disturbed} turns disturbed" if disturbed else "")
