"""What networks may know before they see a label: nothing, or what pre-training taught them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PRETRAIN, FINETUNE = "pretrain", "finetune"


@dataclass(frozen=True)
class Start:
    """One way to begin.

    Attributes:
        name: on the command line and in the names of folders.
        title: in tables.
        command: subcommand of `train.rcl` that trains it; "" for fresh weights.
        options: of that command.
        may_collapse: whether it is expected to hand back what it gets, which its trainer calls a
            failure.
        rates_of: a start whose learning rates are taken; None for its own best ones.
    """

    name: str
    title: str
    command: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    may_collapse: bool = False
    rates_of: "Start | None" = None

    @property
    def raw(self) -> bool:
        """Whether it takes packed raw."""
        return self.options.get("input") == "raw" or self.options.get("task") in RAW_TASKS


RAW_TASKS = ("jdd", "jdemsr", "jddsr")
CROPS = 32
"""Crops of a step of `train.rcl pretrain`: two of each of 16 images."""
FRESH = Start("fresh", "fresh weights")


def supervised(task: str) -> Start:
    """Training on all labels of a task, on as many crops a step as without labels.

    Args:
        task: of `jaxnoise.tasks`.
    """
    options = {"task": task, "batch_size": CROPS}
    return Start(f"labels-{task}", f"all labels of {task}", FINETUNE, options)


def _residuals(distance: str, name: str) -> Start:
    return Start(f"rcl-{name}", f"RCL-{name.upper()}", PRETRAIN, {"distance": distance})


PHOTOGRAPHS = {
    start.name: start
    for start in (
        Start("noise2noise", "Noise2Noise", PRETRAIN, {"method": "noise2noise"}),
        Start("noise2self", "Noise2Self", PRETRAIN, {"method": "noise2self"}),
        Start("consistency", "consistency alone", PRETRAIN, {"alpha": 0.0}, may_collapse=True),
        _residuals("bhattacharyya", "bd"),
        _residuals("emd", "emd"),
        _residuals("mmd", "mmd"),
    )
}
"""Ways to learn from noisy photographs alone."""
MOSAICS = {
    start.name: start
    for start in (
        Start(
            "mosaic2mosaic",
            "mosaic-to-mosaic",
            PRETRAIN,
            {"method": "mosaic2mosaic", "input": "raw"},
        ),
        Start("rcl-raw", "RCL", PRETRAIN, {"input": "raw"}),
    )
}
"""Ways to learn from their noisy mosaics alone."""
