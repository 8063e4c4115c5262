"""What does each term of CoNo's loss do, and do they act in the paper's units?

The trainer with all terms, without one of them, and in the units of the paper, on a folder of clean
photographs: the strength of the noise, how much louder it is where the image is bright, how alike
neighbours are, and how much closer noise of one image is to itself than to that of others.
"""

import argparse
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness.campaign import Run, run_all
from benchmarks.harness.record import write_record

PAPER: dict[str, object] = {
    "units": "image",
    "alignment": "absolute",
    "learning_rate": 0.03,
    "decay": False,
}
"""Image units from 0 to 1, the absolute value of Eq. 14, a fixed rate of 0.03."""
VARIANTS: dict[str, dict[str, object]] = {
    "all terms": {},
    "without contrastive": {"contrastive_weight": 0},
    "without alignment": {"alignment_weight": 0},
    "without perceptual": {"perceptual_weight": 0},
    "alignment of the batch": {"alignment_scope": "batch"},
    "alignment by intensity": {"alignment_scope": "intensity"},
    "paper's units": PAPER,
    "paper's units without contrastive": {**PAPER, "contrastive_weight": 0},
    "paper's units, squared": {**PAPER, "alignment": "squared"},
}
KEYS = ("std_ratio", "mean", "slope", "bright_over_dark", "lag_right", "gap")


def runs_of(options: argparse.Namespace) -> Iterator[tuple[str, Run]]:
    """The trainings, with the row of the table that each belongs to."""
    for seed in options.seeds:
        common = {"source": options.source, "seed": seed, "images": False}
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
    parser.add_argument("--source", type=Path, required=True, help="folder of clean photographs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, help="of each training (default: the trainer's)")
    parser.add_argument("--accelerator", default="auto")
    parser.add_argument("--folder", type=Path, default=Path("runs/cono_terms"))
    options = parser.parse_args(arguments)
    rows: dict[str, list[dict[str, float]]] = {}
    commits = set()
    for name, run in runs_of(options):
        (evaluation,) = run_all([run], options.folder, may_fail=True).values()
        commits.add(evaluation["commit"])
        own = row_of(evaluation, trained=True) | last_terms(options.folder / run.name)
        rows.setdefault(name, []).append(own)
        rows.setdefault("untrained", []).append(row_of(evaluation, trained=False))
    table = {name: _summary(found) for name, found in rows.items()}
    print(f"{'':36s}" + "".join(f"{key:>18s}" for key in KEYS))
    for name, row in table.items():
        print(f"{name:36s}" + "".join(f"{row[key]['mean']:18.4g}" for key in KEYS))
    results = {"source": options.source.name, "seeds": options.seeds, "rows": table}
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
