"""Networks on the test labels of a run, beside what needs no network, as a report."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxnoise import models
from jaxnoise.errors import UsageError
from jaxnoise.tasks import Task
from train.engine.system import Run
from train.rcl import baselines
from train.rcl.finetune_step import estimates
from train.rcl.networks import Network
from train.report.report import LEFT_OUT, Report
from train.report.restoration_numbers import CLEAN, OTHER_SHOT, Restoration, RestorationTest
from train.report.restoration_section import restoration_section
from train.report.section import Section


def folder_name(folder: Path) -> str:
    """Name of a model in tables: that of the run that made it.

    Args:
        folder: of the model.
    """
    folder = folder.absolute()
    return folder.parent.name if folder.name == "model" else folder.name


def report(
    run: Run,
    networks: Mapping[str, tuple[Network, Any]],
    *,
    task: Task,
    heading: str,
    history: Mapping[str, list[dict[str, Any]]] | None = None,
    notes: Sequence[str] = (),
    facts: Mapping[str, Any] | None = None,
    more: Sequence[Section] = (),
) -> Report:
    """What networks make of the test labels.

    Args:
        run: with its labels in the role "data".
        networks: each with its variables, by its name in tables.
        task: what they are for.
        heading: of the report.
        history: rows of metrics.jsonl by name in tables.
        notes: sentences for the end.
        facts: more numbers for evaluation.json.
        more: sections that follow.
    """
    data = run.data["data"]
    labels = data.labels("test")
    target = OTHER_SHOT if data.other_shot("test") else CLEAN
    test = RestorationTest(labels.inputs, labels.targets, labels.image, task.says, target)
    results, missing = _of_inputs(labels, task)
    for name, (network, variables) in networks.items():
        estimate = estimates(network, variables, labels, run)
        results.append(
            Restoration(name, models.get(network.model).parameter_count(variables), estimate)
        )
    shown = run.config.images
    section = restoration_section(test, results, history=history or {}, show_images=shown)
    count, (height, width, _) = len(labels), labels.targets.shape[1:]
    images = len(np.unique(labels.image))
    return Report(
        title=heading,
        subject=f"{count} held-out crops of {height} × {width} pixels, of {images} images.",
        sections=[section, *more],
        notes=[*data.notes, *notes, *missing, *([] if shown else [LEFT_OUT])],
        facts={"patches": count, "patch_shape": list(labels.targets.shape[1:]), **(facts or {})},
    )


def _of_inputs(labels: Any, task: Task) -> tuple[list[Restoration], list[str]]:
    """The row of the inputs, or a sentence on why there is none."""
    try:
        name, images = baselines.of_inputs(
            labels.inputs, task=task.name, side=labels.targets.shape[1]
        )
    except UsageError as error:  # an extra package that not everybody has
        return [], [f"The table has no row of the input: {error}"]
    return [Restoration(name, None, np.asarray(images, np.float32), is_input=True)], []
