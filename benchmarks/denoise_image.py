"""How long does `jaxnoise denoise` take for a 12-megapixel raw image, and how much memory?

A mosaic of 3000x4000 and a DnCNN of 9 layers and 64 features. Every turn is a process of its own,
tied to the same cores, from the start of Python to the written file; on one device of the CPU, as
JAX has it by itself, and on one for each core, as the command chooses. The first turn compiles and
is reported alone.
"""

import argparse
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

HEIGHT, WIDTH = 3000, 4000


class Turn(NamedTuple):
    """What one process took."""

    seconds: float
    busy: float
    mebibytes: float


def main() -> int:
    """Measure each number of cores, print a table and write the record; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cores", type=int, nargs="+", default=[1, 2], help="cores to use")
    parser.add_argument("--rounds", type=int, default=3, help="timed images of each")
    parser.add_argument("--no-record", action="store_true", help="write no record")
    options = parser.parse_args()
    if max(options.cores) > len(os.sched_getaffinity(0)):
        print("denoise_image: this machine has fewer cores; ask for fewer.", file=sys.stderr)
        return 2
    cases = [(cores, devices) for cores in options.cores for devices in sorted({1, cores})]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        first = {case: run(folder, *case) for case in cases}
        turns = [(case, run(folder, *case)) for _ in range(options.rounds) for case in cases]
        outputs = [np.load(folder / f"{devices}/noisy.npz")["image"] for _, devices in cases]
    rows = [
        row(case, first[case], [turn for other, turn in turns if other == case]) for case in cases
    ]
    difference = (
        max(float(np.abs(one - other).max()) for one, other in itertools.pairwise(outputs))
        if len(outputs) > 1
        else 0.0
    )
    print(f"{'cores':>5} {'devices':>8} {'first':>9} {'seconds':>9} {'CPU time':>9} {'memory':>10}")
    for line in rows:
        print(
            f"{line['cores']:>5} {line['devices']:>8} {line['first_seconds']:>7.1f} s "
            f"{line['seconds']:>7.1f} s {line['cpu_seconds']:>7.1f} s "
            f"{line['peak_mebibytes']:>6.0f} MiB"
        )
    print(f"largest difference between two of them: {difference:.1e} of full scale")
    if not options.no_record:
        from benchmarks.harness.record import write_record

        settings = {"shape": [HEIGHT, WIDTH], "rounds": options.rounds}
        results = {"settings": settings, "rows": rows, "largest_difference": difference}
        print(f"written to {write_record('denoise_image', results)}")
    return 0


def prepare(folder: Path) -> None:
    """Writes a noisy mosaic and the folder of a model with random weights.

    Args:
        folder: where `noisy.npz` and `model` go.
    """
    import jax

    from jaxnoise import models
    from jaxnoise.io import save_model

    random = np.random.default_rng(0)
    across = np.linspace(0.05, 0.95, WIDTH, dtype=np.float32)
    noise = random.normal(0, 0.02, (HEIGHT, WIDTH)).astype(np.float32)
    np.savez(folder / "noisy.npz", image=across + noise)
    denoiser = models.get("denoiser")
    config = denoiser.Config()
    variables = denoiser.init(jax.random.key(0), config)

    # Fresh ones hardly change an image, and what differs between two turns would not be seen.
    def fill(leaf: Any) -> np.ndarray:
        if leaf.ndim < 4:
            return np.asarray(leaf)
        fan_in = np.prod(leaf.shape[:-1])
        return random.normal(0, (2 / fan_in) ** 0.5, leaf.shape).astype(np.float32)

    params = jax.tree.map(fill, variables["params"])
    save_model(folder / "model", "denoiser", config, {**variables, "params": params})


def run(folder: Path, cores: int, devices: int) -> Turn:
    """One image, from file to file, in a process of its own.

    Args:
        folder: from `prepare`; the result goes into its folder of the number of devices.
        cores: that the process may use.
        devices: of the CPU.

    Returns:
        Seconds of the clock and of the processor, and the most memory held.
    """
    command = [sys.executable, "-m", "jaxnoise", "denoise", str(folder / "noisy.npz")]
    command += ["--output", str(folder / str(devices)), "--model", str(folder / "model")]
    command += ["--bayer", "RGGB", "--white-level", "1", "--force", "--cpu-devices", str(devices)]
    environment = {
        **os.environ,
        "JAX_PLATFORMS": "cpu",
        "JAX_COMPILATION_CACHE_DIR": str(folder / f"compiled-{cores}-{devices}"),
    }
    every = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(every)[:cores])  # which a new process inherits
    try:
        started = time.perf_counter()
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
    finally:
        os.sched_setaffinity(0, every)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Turn(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 2**10)


def row(case: tuple[int, int], first: Turn, turns: list[Turn]) -> dict[str, Any]:
    """One line of the table: medians over the rounds, and the range of the time.

    Args:
        case: numbers of cores and of devices.
        first: the turn that compiled.
        turns: the others.
    """
    seconds = [turn.seconds for turn in turns]
    return {
        "cores": case[0],
        "devices": case[1],
        "first_seconds": round(first.seconds, 2),
        "seconds": round(statistics.median(seconds), 2),
        "range": [round(min(seconds), 2), round(max(seconds), 2)],
        "cpu_seconds": round(statistics.median(turn.busy for turn in turns), 2),
        "peak_mebibytes": round(max(turn.mebibytes for turn in turns)),
    }


if __name__ == "__main__":
    sys.exit(main())
