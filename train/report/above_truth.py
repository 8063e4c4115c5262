"""How far a training was above the truth, where that is known."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from train.engine.system import Run
from train.report.style import evenly

ABOVE = "_above_truth"
"""What the name of a likelihood ends with that is relative to the true one of the same patches."""
_POINTS = 150


def above_truth(run: Run, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of a training with what its likelihoods are above the true ones.

    Patches differ more from one another than models do, so each number is relative to its own
    patches: a step's to those of its batch, a validation's to those of the validation.

    Args:
        run: with one data set in the role "data".
        rows: of the metrics.jsonl of a training, with "nll" and "validation_nll" in nats per
            dimension.

    Returns:
        The rows; where the truth is known, some hold "nll_above_truth" and
        "validation_nll_above_truth".
    """
    config, data = run.config, run.data["data"]
    found = [dict(row) for row in rows]
    if "truth" in data.fields["train"]:
        truth = data.true_nll("train")
        steps = [row for row in found if row.get("nll") is not None and row["step"] > 0]
        for place in evenly(len(steps), _POINTS) if steps else ():
            row = steps[place]
            batch = data.order("train", config.seed, row["step"] - 1, config.batch_size)
            row["nll" + ABOVE] = row["nll"] - float(truth[batch].mean(dtype=np.float64))
    if "truth" in data.fields["validation"]:
        held = data.true_nll("validation")[: config.validation_patches]
        lowest = float(held.mean(dtype=np.float64))
        for row in found:
            if row.get("validation_nll") is not None:
                row["validation_nll" + ABOVE] = row["validation_nll"] - lowest
    return found
