"""Whether a training that has come to its end has failed."""

import math
from collections.abc import Mapping
from typing import Any

from train.engine.system import Task, Validation


def failure(task: Task, last: Validation, best: Mapping[str, Any], *, steps: int) -> str | None:
    """Why the state after the last step means that the training has failed, or None.

    Args:
        task: what was trained.
        last: the validation after the last step.
        best: "step" of the state that was kept, and "first_score", that before the first step.
        steps: how many were taken.
    """
    if last.failed is not None:
        return f"{task.title}: {last.failed}"
    if not math.isfinite(last.score):
        return (
            f"{task.title}: its validation score is not finite after {steps} steps; "
            "train with smaller learning rates in a new --workdir."
        )
    first = float(best["first_score"])
    if math.isfinite(first) and not last.score <= first + task.tolerance:
        return (
            f"{task.title} got worse by training: its validation score, of which less is "
            f"better, is {last.score:.4g} after {steps} steps and was {first:.4g} before "
            f"the first; the model of step {int(best['step'])} is kept. Train with "
            "smaller learning rates in a new --workdir."
        )
    return None
