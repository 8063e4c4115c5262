"""What does each term of CoNo's loss do, and do they act in the paper's units?

The trainer with all terms, without one of them, and in the units of the paper, on folders of clean
photographs: the strength of the noise, how much louder it is where the image is bright, how alike
neighbours are, and how much closer noise of one image is to itself than to that of others. Every
training is a command of its own, and is kept: stop the script and start it again to go on.
"""

import argparse
import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness.campaign import Run, run_all
from benchmarks.harness.proxy.clean import find_photographs, listed, write_clean
from benchmarks.harness.record import write_record
from train.cono.config import PRESETS

PAPER: dict[str, object] = {
    "units": "image",
    "alignment": "absolute",
    "alignment_by_channel": False,
    "alignment_scope": "patch",
    "alignment_weight": 1,
}
"""Layers and moments in the unit of the image, the absolute value of Eq. 14."""
RATE: dict[str, object] = {"learning_rate": 0.03, "decay": False}
"""The paper's."""
VARIANTS: dict[str, dict[str, object]] = {
    "all terms": {},
    "without contrastive": {"contrastive_weight": 0},
    "without alignment": {"alignment_weight": 0},
    "without perceptual": {"perceptual_weight": 0},
    "alignment of weight 1": {"alignment_weight": 1},
    "alignment of each patch": {"alignment_scope": "patch", "alignment_weight": 1},
    "moments of all channels": {"alignment_by_channel": False},
    "paper's units": PAPER,
    "paper's units, squared": {**PAPER, "alignment": "squared"},
    "paper's units and rate": {**PAPER, **RATE},
    "camera": {"shot": 0.01, "read": 0.0004},
}

KEYS = ("std_ratio", "mean", "slope", "bright_over_dark", "lag_right", "gap", "largest_miss")


DATA, CLEAN = "JAXNOISE_DATA", ("clean_mcmaster", "clean_bsds500_train")


def folders_of_data() -> list[Path] | None:
    """The folders of clean photographs that the environment names."""
    data = os.environ.get(DATA)
    return [Path(data, "data", name) for name in CLEAN] if data else None


def runs_of(options: argparse.Namespace) -> Iterator[tuple[str, Run]]:
    """The trainings, with the row of the table that each belongs to."""
    for seed in options.seeds:
        common = {"source": options.folder / "clean", "seed": seed, "images": False}
        common |= {"accelerator": options.accelerator}
        if options.steps:
            common["steps"] = options.steps
        for name, own in VARIANTS.items():
            label = "".join(c if c.isalnum() else "-" for c in name)
            yield name, Run(f"{label}-{seed}", "cono", common | own)


def row_of(evaluation: dict[str, Any], *, trained: bool) -> dict[str, float]:
    """Means over the levels of what a generator's noise is like.

    Args:
        evaluation: evaluation.json of a run.
        trained: whether of the trained one, or of that which training started from.
    """
    found = [
        row
        for row in evaluation["levels"]
        if row["name"].startswith("CoNo") and row["trained"] == trained
    ]
    return {
        key: float(np.mean([math.nan if row[key] is None else row[key] for row in found]))
        for key in KEYS
    }


def last_terms(folder: Path) -> dict[str, float]:
    """The terms of the last validation, before their weights."""
    from train.engine.metrics import read_metrics

    rows = [row for row in read_metrics(folder / "metrics.jsonl") if "validation_loss" in row]
    return {
        name: rows[-1][f"validation_{name}"] for name in ("contrastive", "perceptual", "alignment")
    }


def main(arguments: list[str] | None = None) -> int:
    """Trains, prints the table and writes `results/cono_terms.json`.

    Args:
        arguments: by default those of the process.

    Returns:
        The exit code, 0.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--clean", type=Path, nargs="+", default=folders_of_data(), help="clean photographs"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, help="of each training (default: the trainer's)")
    parser.add_argument("--accelerator", default="auto")
    parser.add_argument("--folder", type=Path, default=Path("runs/cono_terms"))
    options = parser.parse_args(arguments)
    if not options.clean:
        parser.error(f"give --clean, or {DATA}, the folder that has them below data.")
    photographs = find_photographs(options.clean)
    write_clean(options.folder / "clean", photographs)
    rows: dict[str, list[dict[str, float]]] = {}
    commits = set()
    for name, run in runs_of(options):
        (evaluation,) = run_all([run], options.folder, may_fail=True).values()
        commits.add(evaluation["commit"])
        own = row_of(evaluation, trained=True) | last_terms(options.folder / run.name)
        rows.setdefault(name, []).append(own)
        if not VARIANTS[name]:
            rows.setdefault("untrained", []).append(row_of(evaluation, trained=False))
    table = {name: _summary(found) for name, found in rows.items()}
    print(f"{'':36s}" + "".join(f"{key:>18s}" for key in KEYS))
    for name, row in table.items():
        print(f"{name:36s}" + "".join(f"{row[key]['mean']:18.4g}" for key in KEYS))
    results = {"clean": listed(photographs), "seeds": options.seeds, "rows": table}
    results["steps"] = options.steps or PRESETS["cpu"]["steps"]
    results["commits_of_runs"] = sorted(commits)
    print(write_record("cono_terms", results))
    return 0


def _summary(found: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    keys = found[0]
    return {
        key: {
            "mean": float(np.mean([row[key] for row in found])),
            "lowest": float(np.min([row[key] for row in found])),
            "highest": float(np.max([row[key] for row in found])),
        }
        for key in keys
    }


if __name__ == "__main__":
    sys.exit(main())
