"""The trainings behind the tables of RCL, each a command of its own that is run once."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.harness.campaign import Failed, Run, run_all
from benchmarks.harness.rcl.starts import FINETUNE, Start

DIVERGED = 4
"""Exit code of a training that made its model worse."""


@dataclass(frozen=True)
class Plan:
    """What the command line says of the trainings.

    Attributes:
        folder: of everything that is made.
        images: options that name the images and their noise.
        seeds: of the trainings; learning rates are chosen on the first.
        rates: learning rates that are tried for labels.
        pretraining_rates: and for what comes before.
        steps: on labels.
        pretraining_steps: and of what comes before.
        network: options of the network, where they are not the trainer's own.
        test_patches: crops that everything is measured on, at most.
        accelerator: of the trainings.
    """

    folder: Path
    images: Mapping[str, Any]
    seeds: Sequence[int]
    rates: Sequence[float]
    pretraining_rates: Sequence[float]
    steps: int
    pretraining_steps: int
    network: Mapping[str, Any]
    test_patches: int
    accelerator: str


@dataclass(frozen=True)
class Labels:
    """What a network is trained on after its start.

    Attributes:
        task: of `jaxnoise.tasks`.
        frozen: whether the last layer alone is trained.
        options: more of `train.rcl finetune`, such as how many labels there are.
    """

    task: str = "denoise"
    frozen: bool = False
    options: Mapping[str, Any] | None = None

    @property
    def name(self) -> str:
        """In the names of folders."""
        more = [f"{key}-{value}" for key, value in sorted((self.options or {}).items())]
        return "-".join([self.task, "last" if self.frozen else "all", *more])


@dataclass(frozen=True)
class Trained:
    """A finished training.

    Attributes:
        folder: of the run.
        evaluation: what its evaluation.json says, with its "commit".
    """

    folder: Path
    evaluation: Mapping[str, Any]

    @property
    def model(self) -> Path:
        """Folder of its model."""
        return self.folder / "model"

    @property
    def validation_psnr(self) -> float:
        """The PSNR of the validation labels of the state that was kept."""
        rows = map(json.loads, (self.folder / "metrics.jsonl").read_text().splitlines())
        found = [row for row in rows if any(key.startswith("validation_psnr") for key in row)]
        return max(value for row in found for key, value in row.items() if "validation_psnr" in key)

    def row(self, which: str) -> dict[str, float] | None:
        """PSNR and SSIM of a row of its report.

        Args:
            which: "network"; "before", what it was before it saw labels; or "input".

        Returns:
            None where there is no such row.
        """
        rows = self.evaluation["restored"]
        found = {
            "network": rows[-1:],
            "before": [row for row in rows if row["name"].endswith(", 0 labels")],
            "input": [row for row in rows if row["input"]],
        }[which]
        return {key: found[0][key] for key in ("psnr", "ssim")} if found else None


def run_once(plan: Plan, run: Run, *, may_fail: bool = False) -> Trained:
    """Trains, unless that was done before.

    Args:
        plan: of the trainings.
        run: the one.
        may_fail: whether a training that did not serve is a result as well.

    Raises:
        Failed: it did.
    """
    evaluation = run_all([run], plan.folder, may_fail=may_fail)[run.name]
    return Trained(plan.folder / run.name, evaluation)


def before_labels(plan: Plan, start: Start, *, seed: int, rate: float) -> Trained:
    """The training that comes before the labels of a table.

    Args:
        plan: of the trainings.
        start: other than fresh weights.
        seed: of the training.
        rate: the highest learning rate.

    Raises:
        Failed: it did.
    """
    options = {**_common(plan, seed, plan.pretraining_steps), **plan.network, **start.options}
    name = f"{start.name}-{seed}-{rate:g}"
    run = Run(name, f"rcl {start.command}", {**options, "learning_rate": rate})
    return run_once(plan, run, may_fail=start.may_collapse)


def on_labels(plan: Plan, start: Start, model: Path | None, labels: Labels, **of: Any) -> Trained:
    """A training on labels.

    Args:
        plan: of the trainings.
        start: what was before, for the name.
        model: its folder; None for fresh weights.
        labels: to train on.
        of: seed, and rate, the highest learning rate.

    Raises:
        Failed: it did.
    """
    seed, rate = of["seed"], of["rate"]
    options = {**_common(plan, seed, plan.steps), "task": labels.task, "learning_rate": rate}
    options |= {"frozen": True} if labels.frozen else {}
    options |= plan.network if model is None else {"start_from": model}
    name = f"{labels.name}-after-{start.name}-{seed}-{rate:g}"
    return run_once(plan, Run(name, f"rcl {FINETUNE}", {**options, **(labels.options or {})}))


def best_of(rates: Sequence[float], training: Callable[[float], Trained]) -> dict[str, Any]:
    """The learning rate whose training has the highest validation PSNR.

    Args:
        rates: to choose from.
        training: at a rate.

    Returns:
        The "rate", and the PSNR "by_rate", None where a training failed.

    Raises:
        SystemExit: all of them failed.
    """
    by_rate: dict[str, float | None] = {}
    for rate in rates:
        try:
            by_rate[f"{rate:g}"] = training(rate).validation_psnr
        except Failed as failure:
            if failure.code != DIVERGED:
                raise
            by_rate[f"{rate:g}"] = None
    known = {rate: psnr for rate, psnr in by_rate.items() if psnr is not None}
    if not known:
        raise SystemExit(f"training failed at every rate: give rates below {min(rates):g}.")
    return {"rate": float(max(known, key=lambda rate: known[rate])), "by_rate": by_rate}


def _common(plan: Plan, seed: int, steps: int) -> dict[str, Any]:
    return {
        **plan.images,
        "data_dir": plan.folder / "records",
        "seed": seed,
        "data_seed": seed,  # trials differ in noise and in which crops the labels are, too
        "steps": steps,
        "test_patches": plan.test_patches,
        "evaluate_every": max(1, steps // 8),
        "save_every": max(1, steps // 2),
        "images": False,
        "accelerator": plan.accelerator,
    }
