"""The trainings behind the tables: generators, and denoisers on pairs."""

import json
import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.harness.campaign import Failed, Run, run_all
from benchmarks.harness.proxy.clean import Photograph, write_clean
from benchmarks.harness.proxy.teachers import GENERATOR, Teacher

DIVERGED = 4
"""Exit code of a training that made its model worse."""
DENOISER: dict[str, Any] = {
    "denoiser_normalisation": "none",
    "depth": 7,
    "features": 32,
    "batch_size": 16,
    "patch_size": 32,
    "error": "absolute",
}
"""Size and loss of every denoiser: that of a DnCNN without batch normalisation."""
PATCHES = {"start_patches": 512, "validation_patches": 1024, "test_patches": 256}
VALIDATIONS = 4
"""Of a training, at equal distances; the last two show whether it was long enough."""


@dataclass(frozen=True)
class Plan:
    """What the command line says of the trainings.

    Attributes:
        folder: of everything that is made.
        photographs: clean ones.
        seeds: of the trainings; learning rates are chosen on the first.
        cono_steps: of a generator.
        draws: of noise for each photograph.
        steps: of a denoiser on synthetic noise.
        rates: learning rates that are tried.
        accelerator: of the trainings.
    """

    folder: Path
    photographs: tuple[Photograph, ...]
    seeds: tuple[int, ...]
    cono_steps: int
    draws: int
    steps: int
    rates: tuple[float, ...]
    accelerator: str


def generator(plan: Plan, seed: int) -> Path:
    """Folder of the trained generator of a seed.

    Args:
        plan: of the trainings.
        seed: of the training.

    Raises:
        RuntimeError: the training failed, which no learning rate of a denoiser can help.
    """
    clean = plan.folder / "clean"
    write_clean(clean, plan.photographs)
    run = Run(
        f"{GENERATOR}-{seed}",
        "cono",
        {
            **{"dataset": "images", "source": clean, "data_dir": plan.folder / "records"},
            **{"seed": seed, "steps": plan.cono_steps, "images": False},
            **{"test_patches": 64, "accelerator": plan.accelerator},
        },
    )
    try:
        run_all([run], plan.folder)
    except Failed as failure:
        raise RuntimeError(str(failure)) from failure
    return plan.folder / run.name / "model"


def pairs_folder(plan: Plan, teacher: Teacher, seed: int) -> Path:
    """Where the pairs of a teacher are, for as long as they are needed."""
    return plan.folder / "pairs" / f"{teacher.name}-{seed}"


def taught(plan: Plan, teacher: Teacher, *, seed: int, rate: float) -> Path:
    """Folder of the run of a denoiser that learnt from a teacher.

    Args:
        plan: of the trainings.
        teacher: whose noise it is.
        seed: of generator, noise and training; denoisers of one seed have the same first weights.
        rate: the highest learning rate.

    Raises:
        Failed: the training did.
    """
    source = pairs_folder(plan, teacher, seed)
    name = f"{teacher.name}-{seed}-{rate:g}"

    def prepare() -> None:
        # Starts jax, which a command that only shows its help or finished cells need not wait for.
        from benchmarks.harness.proxy.pairs import drawn_by, write_pairs

        model = generator(plan, seed) if teacher.kind == GENERATOR else None
        write_pairs(
            source,
            plan.photographs,
            draw=drawn_by(teacher, model),
            domain=teacher.domain,
            seed=seed,
            draws=plan.draws,
        )

    return trained_denoiser(
        plan, name, source, seed=seed, steps=plan.steps, rate=rate, prepare=prepare
    )


def trained_denoiser(
    plan: Plan,
    name: str,
    source: Path,
    *,
    seed: int,
    steps: int,
    rate: float,
    prepare: Callable[[], None],
    start: Path | None = None,
) -> Path:
    """Folder of the run of a denoiser.

    Args:
        plan: of the trainings.
        name: of the run.
        source: folder of pairs.
        seed: of the training.
        steps: of the training.
        rate: the highest learning rate.
        prepare: makes the pairs, if the training is yet to come to its end.
        start: folder of a model to begin from.

    Raises:
        Failed: the training did.
    """
    options = {
        **{
            "dataset": "pairs",
            "source": source,
            "data_dir": source.with_name(f"{source.name}-made"),
        },
        **{"loss": "supervised", "seed": seed, "steps": steps, "denoiser_learning_rate": rate},
        **DENOISER,
        **PATCHES,
        **{"evaluate_every": max(1, steps // VALIDATIONS), "save_every": max(1, steps // 2)},
        **{"images": False, "accelerator": plan.accelerator},
    }
    if start is not None:
        options["start_from"] = start
    if not (plan.folder / f"{name}.json").exists():
        prepare()
    run_all([Run(name, "denoiser", options)], plan.folder)
    return plan.folder / name


def remove_pairs(source: Path) -> None:
    """Removes pairs and the records made of them, which take a gigabyte and can be made again.

    Args:
        source: folder of the pairs.
    """
    for folder in (source, source.with_name(f"{source.name}-made")):
        shutil.rmtree(folder, ignore_errors=True)


def curve(run: Path) -> dict[str, float]:
    """The PSNR of the validations of a denoiser by the number of steps.

    Args:
        run: its folder.
    """
    rows = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return {str(row["step"]): row["validation_psnr"] for row in rows if "validation_psnr" in row}


def commit_of(run: Path) -> str:
    """Commit of the code that began a run."""
    manifest = json.loads((run / "manifest.json").read_text())
    return str(manifest["git_commit"])[:12] + ("+changes" if manifest["git_dirty"] else "")


def tried(rates: Sequence[float], trainings: Sequence[Callable[[float], Path]]) -> dict[str, Any]:
    """Which learning rate is best.

    Args:
        rates: to choose from.
        trainings: each gives the folder of a run at a learning rate; their last validations decide.

    Returns:
        The "rate", the mean PSNR of the last validations "by_rate", and the "curves"; a rate at
        which a training failed has none.
    """
    by_rate: dict[str, float | None] = {}
    curves: dict[str, Any] = {}
    for rate in rates:
        try:
            curves[f"{rate:g}"] = [curve(train(rate)) for train in trainings]
        except Failed as failure:
            if failure.code != DIVERGED:
                raise
            by_rate[f"{rate:g}"] = None
            continue
        last = [list(one.values())[-1] for one in curves[f"{rate:g}"]]
        by_rate[f"{rate:g}"] = sum(last) / len(last)
    return {"rate": best_rate(by_rate), "by_rate": by_rate, "curves": curves}


def best_rate(by_rate: Mapping[str, float | None]) -> float:
    """The learning rate of the highest PSNR; of equal ones the first.

    Args:
        by_rate: PSNR by rate; None where a training failed.

    Raises:
        SystemExit: all of them failed.
    """
    scores = {
        rate: psnr for rate, psnr in by_rate.items() if psnr is not None and math.isfinite(psnr)
    }
    if not scores:
        raise SystemExit(f"training failed at every rate: give --rates below {min(by_rate)}.")
    return float(max(scores, key=lambda rate: scores[rate]))
