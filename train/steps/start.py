"""The batches of a run: those that models are initialised on, and those of its steps."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxnoise.curve import VARIANCE_FLOOR
from train.engine.system import Run


def first_patches(data: Any, *, patches: int, seed: int) -> dict[str, np.ndarray]:
    """The training patches that a model is initialised on.

    Args:
        data: a data set of `datasets.pipeline`.
        patches: how many at most.
        seed: decides which.

    Returns:
        A batch of the data set, the same for the same seed.
    """
    size = min(patches, data.sizes["train"])
    return data.batch("train", seed=seed, step=0, batch_size=size)


def variance_floor(data: Any) -> float:
    """The smallest variance that noise of a data set can be told to have.

    Args:
        data: a data set of `datasets.pipeline`.

    Returns:
        That of rounding to its steps, squared unit of full scale, and at least `VARIANCE_FLOOR`.
    """
    return max(VARIANCE_FLOOR, data.step**2 / 12)


def learned_from(data: Any) -> dict[str, Any]:
    """What is kept with a model about the numbers of the data that it was trained on.

    Args:
        data: a data set of `datasets.pipeline`.

    Returns:
        For `jaxnoise.io.save_model`; nothing where it is not known.
    """
    return {"stored": data.kind, "brightest": data.brightest} if data.kind else {}


def training_batch(run: Run, names: Sequence[str], step: int) -> dict[str, np.ndarray]:
    """The batch of one step of a run on its data set.

    Args:
        run: with one data set in the role "data".
        names: the fields that are trained on.
        step: its number.

    Returns:
        These fields.
    """
    config, data = run.config, run.data["data"]
    made = data.batch("train", seed=config.seed, step=step, batch_size=config.batch_size)
    return {name: made[name] for name in names}
