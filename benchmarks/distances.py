"""How fast are all distances between B noise tensors, and the gradients of a loss of them?

MMD, EMD and Bhattacharyya distance, next to dense and plain JAX, PyTorch and packages that are
installed, all in one process on the same cores, every method in turn. Peers that would take too
long do fewer tensors; their times are then multiplied up and marked.
"""

import argparse
import os
import subprocess
import sys
from typing import Any

from benchmarks.harness.distances.problem import make_problem, shape

SHAPES = ((8, 16384), (64, 1024), (64, 4096), (64, 16384), (64, 65536), (256, 4096))
QUICK = ((8, 1024), (16, 1024), (16, 4096))
TASKS = ("value", "gradient")


def main() -> int:
    """Measure, print a table, write the record and the figure; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--accelerator", choices=("auto", "cpu", "gpu", "tpu"), default="auto")
    parser.add_argument("--threads", type=int, help="cores to use; default all")
    parser.add_argument("--rounds", type=int, default=5, help="turns of every method")
    parser.add_argument("--shapes", nargs="+", help="BxD, such as 64x4096", type=shape)
    parser.add_argument("--quick", action="store_true", help="small shapes, two rounds")
    parser.add_argument("--no-peers", action="store_true", help="ours and the yardsticks only")
    parser.add_argument("--no-record", action="store_true", help="leave record and figure alone")
    parser.add_argument("--memory", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.threads = options.threads or cores()
    if options.threads > cores():
        print(f"distances: this machine has {cores()} cores; ask for fewer.", file=sys.stderr)
        return 2
    pin(options.threads)
    if options.memory:
        from benchmarks.harness.distances.memory import growth

        print(growth(*options.memory))
        return 0
    from benchmarks.harness.distances.tables import tables
    from jaxnoise.errors import UsageError
    from train.engine.devices import start_jax

    try:
        start_jax(options.accelerator)
    except UsageError as error:
        print(f"distances: {error}", file=sys.stderr)
        return 2
    results = measure(options)
    for line in tables(results):
        print(line)
    if not options.no_record:
        from benchmarks.harness.distances.figures import FIGURES, speed_figure
        from benchmarks.harness.record import write_record
        from train.report.style import save_png

        print(f"\nwritten to {write_record('distances', results)}")
        FIGURES.mkdir(parents=True, exist_ok=True)
        save_png(speed_figure(results), FIGURES / "distances.png")
    return 0


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def pin(threads: int) -> None:
    """Ties the process to some cores, before XLA, PyTorch and BLAS make thread pools."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(threads)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Everything that is measured, as plain numbers and strings.

    Args:
        options: of the command line.

    Returns:
        Settings, rows, yardsticks, exponents and names of what is not installed.
    """
    import jax
    from tqdm import tqdm

    from benchmarks.harness.distances.methods import METHODS, OURS, yardsticks
    from benchmarks.harness.distances.tables import exponents
    from benchmarks.harness.distances.timing import Budget, Entry, Meter

    backend = jax.default_backend()
    chosen = [m for m in METHODS if backend in m.accelerators]
    chosen = [m for m in chosen if m.name == OURS or not options.no_peers]
    missing = sorted({m.name for m in chosen if not m.is_installed()})
    chosen = [m for m in chosen if m.is_installed()]
    shapes = options.shapes or (QUICK if options.quick else SHAPES)
    rounds = 2 if options.quick else options.rounds
    budget = Budget(seconds=0.2, kernels=0) if options.quick else Budget()
    tasks = [(method, task) for method in chosen for task in method.tasks]
    rows, measured_yardsticks, failed = [], [], {}
    progress = tqdm(total=len(shapes) * len(tasks) * 2, unit="measurement", disable=None)
    for size in shapes:
        problem = make_problem(*size)
        entries = []
        for method, task in tasks:
            if size[1] > method.most_samples:
                progress.update()
                continue
            progress.set_description(f"{size[0]} x {size[1]}: {method.distance}, {method.name}")
            try:
                entries.append(Entry(method, task, problem, budget))
            except Exception as error:  # a peer that breaks must not end the measurement
                if method.name == OURS:
                    raise
                failed[f"{method.distance}, {method.name}"] = f"{type(error).__name__}: {error}"
            progress.update()
        meters = {name: Meter(call) for name, call in yardsticks(problem).items()}
        for turn in range(rounds):
            progress.set_description(f"{size[0]} x {size[1]}: turn {turn + 1} of {rounds}")
            for meter in [*(entry.meter for entry in entries), *meters.values()]:
                meter.take_turn(turn)
        progress.update(len(tasks))
        rows += [entry.row() for entry in entries]
        common = {"sets": size[0], "samples": size[1], "nodes": problem.nodes}
        measured_yardsticks.append(
            common | {name: meter.milliseconds() for name, meter in meters.items()}
        )
    progress.close()
    results = {
        "settings": {
            "backend": backend,
            "device": jax.devices()[0].device_kind,
            "threads": options.threads,
            "rounds": rounds,
            "loss": "contrastive, temperature 0.07",
        },
        "rows": rows,
        "yardsticks": measured_yardsticks,
        "exponents": exponents(rows),
        "not_installed": missing,
        "failed": failed,
    }
    if backend == "cpu" and sys.platform == "linux":
        results["memory"] = memory(options, shapes)
    return results


def memory(options: argparse.Namespace, shapes: Any) -> list[dict[str, Any]]:
    """How far the peak of a fresh process's memory grows while our functions work, in bytes."""
    sets, samples = max(shapes, key=lambda size: size[0] * size[1])
    found = []
    for distance in ("MMD", "EMD", "Bhattacharyya"):
        for task in TASKS:
            command = [sys.executable, "-m", "benchmarks.distances", "--memory"]
            command += [distance, task, f"{sets}x{samples}", "--threads", str(options.threads)]
            environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
            run = subprocess.run(
                command, stdout=subprocess.PIPE, text=True, check=True, env=environment
            )
            common = {"distance": distance, "task": task, "sets": sets, "samples": samples}
            found.append(common | {"growth_bytes": int(run.stdout.split()[-1])})
    return found


if __name__ == "__main__":
    sys.exit(main())
