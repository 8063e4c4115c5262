"""Does a denoiser trained by our convolution end as one trained by XLA's?

Trains the 9-layer DnCNN of 64 features on `camera_sim/exact` by `python -m train.denoiser` with
either convolution, several seeds each, and compares the PSNR of the estimates of validation
patches: the difference between the two ways beside that between the seeds of one.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.harness.record import ROOT, write_record

WAYS = ("ours", "xla")
NAME = "validation_psnr"
SIZES = (
    "--features",
    "64",
    "--depth",
    "9",
    "--batch-size",
    "16",
    "--denoiser-learning-rate",
    "1e-3",
)
COUNTS = ("--validation-patches", "512", "--test-patches", "64", "--accelerator", "cpu")


def main() -> int:
    """Trains, prints a table and writes the record; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--worker", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--workdir", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        return train(options)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in options.seeds:
            for way in WAYS:
                rows.append(run(way, seed, options.steps, Path(folder) / f"{way}_{seed}"))
                print(json.dumps(rows[-1]), flush=True)
    psnr = {way: [row["psnr"] for row in rows if row["way"] == way] for way in WAYS}
    summary = {
        "largest_difference_of_a_seed": max(
            abs(one - other) for one, other in zip(*psnr.values(), strict=True)
        ),
        "deviation_over_seeds": {way: statistics.stdev(found) for way, found in psnr.items()},
        "mean": {way: statistics.mean(found) for way, found in psnr.items()},
    }
    print(json.dumps(summary, indent=2))
    settings = {"steps": options.steps, "sizes": [*SIZES, *COUNTS]}
    print(write_record("denoiser_convolution", {"settings": settings, "rows": rows, **summary}))
    return 0


def run(way: str, seed: int, steps: int, workdir: Path) -> dict:
    """Trains in a process of its own: way, seed, PSNR in dB and seconds."""
    arguments = ["--worker", way, "--workdir", str(workdir), "--seeds", str(seed)]
    command = [sys.executable, "-m", "benchmarks.denoiser_convolution", *arguments]
    started = time.monotonic()
    subprocess.run(
        [*command, "--steps", str(steps)], cwd=ROOT, check=True, stdout=subprocess.DEVNULL
    )
    seconds = time.monotonic() - started
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    found = [row[NAME] for row in map(json.loads, lines) if NAME in row]
    return {"way": way, "seed": seed, "psnr": found[-1], "seconds": round(seconds, 1)}


def train(options: argparse.Namespace) -> int:
    """A training in this process."""
    from train.engine.devices import set_flags
    from train.engine.program import main as program

    set_flags("cpu")
    if options.worker == "xla":
        from benchmarks.harness.jax_task import use_library_convolutions

        use_library_convolutions()
    arguments = ["--workdir", options.workdir, "--seed", str(options.seeds[0])]
    arguments += ["--steps", str(options.steps), "--evaluate-every", str(options.steps)]
    return program("train.denoiser", [*arguments, *SIZES, *COUNTS])


if __name__ == "__main__":
    sys.exit(main())
