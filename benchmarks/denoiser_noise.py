"""Does a denoiser trained on the noise of a better noise model do better on real photographs?

Table 3 of Noise Flow, on a folder of real clean and noisy images with an index.csv (the data set
`pairs`): the same network trained on additive white noise, a noise level function, two noise flows
and the real noise itself, and tested on the real noise of other scenes.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness.campaign import Run, run_all
from benchmarks.harness.record import write_record

FLOWS: dict[str, dict[str, object]] = {
    "paper's Noise Flow": {"arch": "S-Ax4-G-Ax4-CAM"},
    "best flow": {"arch": "N-K3-Q-K2", "base": "student_t", "taps": "conditional"},
}


def runs_of(options: argparse.Namespace, seed: int) -> Iterator[Run]:
    """The trainings of one seed, flows before the denoisers that learn from them.

    Args:
        options: of the command line.
        seed: of the training.
    """
    common = {"dataset": "pairs", "source": options.source, "seed": seed, "images": False}
    common["accelerator"] = options.accelerator
    size = {"steps": options.steps, "batch_size": options.batch_size}
    size["denoiser_learning_rate"] = options.learning_rate

    def run(name: str, system: str, **own: object) -> Run:
        return Run(f"{name.replace(' ', '-').replace(chr(39), '')}-{seed}", system, common | own)

    flows = {
        name: run(f"flow {name}", "noiseflow", steps=300, batch_size=16, compare="none", **own)
        for name, own in FLOWS.items()
    }
    yield from flows.values()
    yield run("real noise", "denoiser", loss="supervised", **size)
    for noise in ("awgn", "nlf"):
        yield run(noise.upper(), "denoiser", loss="synthetic", noise=noise, **size)
    for name, flow in flows.items():
        folder = options.folder / flow.name / "model"
        yield run(name, "denoiser", loss="synthetic", noise=folder, **size)


def main(arguments: list[str] | None = None) -> int:
    """Trains, prints the table and writes `results/denoiser_noise.json`.

    Args:
        arguments: by default those of the process.

    Returns:
        The exit code, 0.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--source", type=Path, required=True, help="folder with index.csv")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--learning-rate", type=float, default=2e-3, help="of the denoisers")
    parser.add_argument("--accelerator", default="auto")
    parser.add_argument("--folder", type=Path, default=Path("runs/denoiser_noise"))
    options = parser.parse_args(arguments)

    rows: dict[str, list[dict[str, Any]]] = {}
    commits = set()
    for seed in options.seeds:
        runs = list(runs_of(options, seed))
        for name, evaluation in run_all(runs, options.folder).items():
            commits.add(evaluation["commit"])
            if "denoisers" in evaluation:
                noisy, found = evaluation["denoisers"]
                rows.setdefault(name.rsplit("-", 1)[0], []).append(found)
                rows.setdefault("noisy", []).append(noisy)
    table = {
        name: {
            key: {
                "mean": float(np.mean([row[key] for row in of_seeds])),
                "lowest": min(row[key] for row in of_seeds),
                "highest": max(row[key] for row in of_seeds),
            }
            for key in ("psnr", "ssim", "error_ratio")
        }
        for name, of_seeds in rows.items()
    }
    print(
        f"{'trained on':24s}{'PSNR':>8s}{'(lowest, highest)':>20s}{'SSIM':>9s}{'error left':>12s}"
    )
    for name, row in table.items():
        psnr = row["psnr"]
        print(
            f"{name:24s}{psnr['mean']:8.2f}{psnr['lowest']:11.2f}{psnr['highest']:9.2f}"
            f"{row['ssim']['mean']:9.4f}{row['error_ratio']['mean']:12.3f}"
        )
    settings = {
        key: getattr(options, key) for key in ("steps", "batch_size", "learning_rate", "seeds")
    }
    settings["commits_of_runs"] = sorted(commits)
    results = {"source": options.source.name, **settings, "trained_on": table}
    print(write_record("denoiser_noise", results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
