"""Does the denoiser collapse to the identity when it scores its own input?

Figure 5 of Noise2NoiseFlow: the likelihood term on a shot's own estimate (self-sample, Eq. 6) and
on the other shot's (cross-sample, Eq. 4), for several weights of the denoising loss, on a simulated
camera whose true likelihood is known.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.harness.campaign import Run, run_all
from benchmarks.harness.record import write_record

WEIGHTS = (0.0, 2.0**8, 2.0**12, 2.0**16, 2.0**18)


def main(arguments: list[str] | None = None) -> int:
    """Trains, prints the table and writes `results/noise2noiseflow_collapse.json`.

    Args:
        arguments: by default those of the process.

    Returns:
        The exit code, 0.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--weights", type=float, nargs="+", default=WEIGHTS)
    parser.add_argument("--arch", default="S-Ax4-G-Ax4-CAM")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--accelerator", default="auto")
    parser.add_argument("--folder", type=Path, default=Path("runs/noise2noiseflow_collapse"))
    options = parser.parse_args(arguments)

    runs = [
        Run(
            f"{objective}-{weight:g}",
            "noise2noiseflow",
            {
                "objective": objective,
                "weight": weight,
                "arch": options.arch,
                "moments_learning_rate": 5e-3,
                "steps": options.steps,
                "evaluate_every": max(1, options.steps // 10),
                "accelerator": options.accelerator,
            },
        )
        for objective in ("cross", "self")
        for weight in options.weights
    ]
    evaluations = run_all(runs, options.folder)
    rows = [row_of(run, evaluations[run.name], options.folder) for run in runs]
    print("validation NLL is that of the loss; below the truth no noise model can go")
    heads = ("objective", "weight", "validation NLL", "truth", "PSNR", "mean |D(x) - x|", "warned")
    print("".join(f"{head:>17s}" for head in heads))
    for row in rows:
        print(
            f"{row['objective']:>17s}{row['weight']:17g}{row['validation_nll']:17.4f}"
            f"{row['truth_nll']:17.4f}{row['validation_psnr']:17.2f}{row['moved']:17.5f}"
            f"{row['warned_at']!s:>17s}"
        )
    commits = sorted({evaluation["commit"] for evaluation in evaluations.values()})
    results = {"preset": "cpu", "steps": options.steps, "arch": options.arch}
    results["commits_of_runs"] = commits
    print(write_record("noise2noiseflow_collapse", {**results, "runs": rows}))
    return 0


def row_of(run: Run, evaluation: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What the table says of one run, at its last step but for the test of its best one.

    Args:
        run: the run.
        evaluation: its evaluation.json.
        folder: of all runs.
    """
    from train.steps.shot_pairs import MARGIN_OF_TRUTH

    text = (folder / run.name / "metrics.jsonl").read_text()
    rows = [json.loads(line) for line in text.splitlines()]
    validations = [row for row in rows if "validation_nll" in row]
    warned = [row["step"] for row in validations if "warning" in row]
    return {
        "objective": run.options["objective"],
        "weight": run.options["weight"],
        "validation_nll": validations[-1]["validation_nll"],
        "validation_psnr": validations[-1]["validation_psnr"],
        "truth_nll": validations[-1]["lowest_possible_nll"] + MARGIN_OF_TRUTH,
        "moved": validations[-1]["moved"],
        "warned_at": warned[0] if warned else None,
        "best_noise_model_above_truth": next(
            model["above_truth"]
            for model in evaluation["models"]
            if model["name"] == run.options["arch"]
        ),
        "curve": [
            {key: row[key] for key in ("step", "validation_nll", "validation_psnr", "moved")}
            for row in validations
        ],
    }


if __name__ == "__main__":
    sys.exit(main())
