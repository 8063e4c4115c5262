"""`finetune`: a network for a task, trained on few labels."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from jaxnoise.errors import UsageError
from jaxnoise.tasks import TASKS
from train.engine.system import Fitted, Phase, Run, System, Task
from train.rcl import finetune_step, labelled, measured, start
from train.rcl.config import FinetuneConfig
from train.report.report import Report

NAME = "network"


def title(config: FinetuneConfig, labels: int) -> str:
    """Name of the network in tables: how it was trained.

    Args:
        config: the run's options.
        labels: how many it was trained on.
    """
    begun = "fresh" if config.start_from is None else measured.folder_name(config.start_from)
    how = ", last layer" if config.frozen else ""
    return f"{begun} + {labels} labels{how}"


def check(config: FinetuneConfig) -> None:
    """Refuses options that contradict each other."""
    if config.labels == "other-shot" and config.task != "denoise":
        raise UsageError(
            f"--labels other-shot is for --task denoise, and the target of {config.task} is the "
            "clean image: leave out --labels, or give --task denoise."
        )


def data(config: FinetuneConfig) -> dict[str, Callable[[], Any]]:
    """The images."""
    return labelled.opened(config, config.task)


def check_data(run: Run) -> str:
    """Refuses images without enough labels, and a start that does not fit."""
    for split in ("train", "validation", "test"):
        run.data["data"].labels(split)
    start.started(run.config)
    return start.digest_of(run.config.start_from)


def task(run: Run, before: Mapping[str, Fitted]) -> Task:
    """The one training."""
    del before
    network, variables = start.started(run.config)
    # Without the name of a folder, which may be moved between two parts of a run.
    name = f"{run.config.task} on {len(run.data['data'].labels('train'))} labels"
    return finetune_step.task(run, network=network, variables=variables, title=name)


def phases(run: Run) -> list[Phase]:
    """The one training."""
    network, _ = start.started(run.config)
    return [
        Phase(name=NAME, task=partial(task, run), model=network.model, settings=network.settings)
    ]


def report(run: Run, fitted: Mapping[str, Fitted]) -> Report:
    """Measures the network on the test labels, beside their inputs and what it started from."""
    config, found, data = run.config, fitted[NAME], run.data["data"]
    labels = data.labels("train")
    network, _ = start.started(config)
    name = title(config, len(labels))
    networks = {name: (network, found.kept)}
    if (known := start.before(config)) is not None:
        networks = {f"{measured.folder_name(config.start_from)}, 0 labels": known, **networks}
    images = len(np.unique(labels.image))
    notes = [
        f"Trained on {len(labels)} labels of {images} images; each is one crop of "
        f"{labels.targets.shape[1]} x {labels.targets.shape[2]} pixels.",
        found.described(name),
    ]
    if config.keep == "best":
        held = len(data.labels("validation"))
        notes.append(
            f"The state that is kept was chosen by {held} labels of other images, which are not "
            "among those that were trained on; --keep last does without them."
        )
    facts = {"labels": len(labels), "label_images": images, "frozen": config.frozen}
    return measured.report(
        run,
        networks,
        task=TASKS[config.task],
        heading=f"{name} for {TASKS[config.task].says}, on {data.name}",
        history={name: found.rows()},
        notes=notes,
        facts=facts,
    )


SYSTEM = System(check=check, data=data, check_data=check_data, phases=phases, report=report)
