"""RCL with one option at a time changed: where does what it gives come from?"""

from collections.abc import Iterator
from functools import partial
from typing import Any

from benchmarks.harness.rcl.starts import FRESH, PHOTOGRAPHS, PRETRAIN, Start
from benchmarks.harness.rcl.study import Study
from benchmarks.harness.rcl.trainings import Labels

USUAL = PHOTOGRAPHS["rcl-emd"]
VALUES: dict[str, tuple[Any, ...]] = {
    "alpha": (0.0, 0.01, 0.03, 0.3, 1.0),
    "temperature": (0.07, 0.1, 0.5, 2.0),
    "residual_scale": (1.0,),
    "consistency": ("norm",),
    "steps": (100, 1000),
}
"""By option of `train.rcl pretrain`; the usual values are a row of their own."""
CROPS = ((64, 8), (64, 32), (32, 16), (32, 64), (96, 16))
"""Sides of crops with sizes of batches, beside the usual 64 and 16."""
PAPER = {"alpha": 1e-3, "temperature": 0.07, "reduction": "sum", "consistency": "norm"}
TEN = Labels(options={"label_count": 10})
LAST = Labels(frozen=True)


def _changed(title: str, options: dict[str, Any]) -> Start:
    return Start(
        f"rcl-emd-{title.replace(' ', '-')}",
        title,
        PRETRAIN,
        {**USUAL.options, **options},
        may_collapse=True,
        rates_of=USUAL,
    )


def starts() -> Iterator[Start]:
    """RCL by its usual options, and with changed ones, all at the usual ones' learning rates."""
    yield USUAL
    for option, values in VALUES.items():
        yield from (_changed(f"{option} {value}", {option: value}) for value in values)
    for side, number in CROPS:
        options = {"patch_size": side, "batch_size": number}
        yield _changed(f"crop {side} batch {number}", options)
    yield _changed("the paper's loss", PAPER)


def sweep(study: Study) -> None:
    """Ten labels, and a last layer, after each; and how far its residuals are from noise."""
    study.keep(FRESH.title, "10 labels", FRESH, TEN)
    study.keep("random layers", "last layer", FRESH, LAST)
    for start in starts():
        study.keep(start.title, "10 labels", start, TEN)
        study.keep(start.title, "last layer", start, LAST)
        for seed in study.plan.seeds:
            name = f"{start.title}, residuals, seed {seed}"
            study.cells.keep(name, partial(_residuals, study, start, seed))


def _residuals(study: Study, start: Start, seed: int) -> dict[str, Any]:
    """Figure 2 in numbers: the gap, its distance to that of true noise, and the strength."""
    rows = study.before(start, seed).evaluation["residuals"]
    kept = ("gap", "to_truth", "std_over_truth", "psnr")
    found = {row["name"]: {key: row[key] for key in kept} for row in rows}
    return {"start": start.title, "seed": seed, "residuals": found}
