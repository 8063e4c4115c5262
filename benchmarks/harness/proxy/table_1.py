"""Denoisers that learnt from clean photographs and a teacher's noise, on real noise."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.harness.cells import Cells
from benchmarks.harness.proxy.real import RealSet, judge, judge_model
from benchmarks.harness.proxy.teachers import Teacher
from benchmarks.harness.proxy.trainings import (
    Plan,
    commit_of,
    curve,
    pairs_folder,
    remove_pairs,
    taught,
    tried,
)

NOISY = "noisy image"
PAPER = {
    "AWGN": {"DND": [31.53, 0.750], "SIDD": [27.57, 0.668]},
    "NLF": {"DND": [31.96, 0.759], "SIDD": [28.68, 0.685]},
    "CoNo": {"DND": [32.51, 0.804], "SIDD": [30.82, 0.701]},
}
"""PSNR and SSIM of the paper's Table 1."""


def noisy_cell(sets: Sequence[RealSet]) -> dict[str, Any]:
    """The numbers of the noisy images themselves."""
    return {"row": NOISY, "seed": None, "sets": judge(lambda noisy: noisy, sets)}


def denoiser(plan: Plan, cells: Cells, teacher: Teacher, seed: int) -> Path:
    """Folder of the run of a teacher's denoiser at its best learning rate.

    Args:
        plan: of the trainings.
        cells: of this table, which keep the rate.
        teacher: whose noise it is.
        seed: of the training.
    """
    first = plan.seeds[0]
    train = partial(taught, plan, teacher)

    def of_rate(rate: float) -> Path:
        return train(seed=first, rate=rate)

    found = cells.keep(
        f"rate of {teacher.name}", lambda: {"seed": first, **tried(plan.rates, [of_rate])}
    )
    return train(seed=seed, rate=found["rate"])


def cell(
    plan: Plan, cells: Cells, teacher: Teacher, seed: int, sets: Sequence[RealSet]
) -> dict[str, Any]:
    """The numbers of a teacher's denoiser; its pairs are removed once they are kept.

    Args:
        plan: of the trainings.
        cells: of this table.
        teacher: whose noise it is.
        seed: of the training.
        sets: that it is judged on.
    """

    def make() -> dict[str, Any]:
        run = denoiser(plan, cells, teacher, seed)
        return {
            **{"row": teacher.title, "seed": seed, "validation_psnr": curve(run)},
            **{"commit": commit_of(run), "sets": judge_model(run / "model", sets)},
        }

    found = cells.keep(f"{teacher.name}, seed {seed}", make)
    remove_pairs(pairs_folder(plan, teacher, seed))
    return found


def fill(plan: Plan, cells: Cells, teachers: Sequence[Teacher], sets: Sequence[RealSet]) -> None:
    """Makes all cells of the table that are not there yet.

    Args:
        plan: of the trainings.
        cells: of this table.
        teachers: its rows.
        sets: that denoisers are judged on.
    """
    cells.keep(NOISY, lambda: noisy_cell(sets))
    for seed in plan.seeds:
        for teacher in teachers:
            cell(plan, cells, teacher, seed, sets)
