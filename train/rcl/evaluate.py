"""`evaluate`: what a model is worth on held-out images; nothing is trained."""

from collections.abc import Callable, Mapping
from typing import Any

from jaxnoise.errors import UsageError
from jaxnoise.tasks import TASKS
from train.engine.system import Fitted, Run, System
from train.rcl import labelled, measured, start
from train.rcl.config import EvaluateConfig
from train.report.report import Report


def task_of(config: EvaluateConfig) -> str:
    """The task that a model is measured at.

    Args:
        config: the run's options.

    Raises:
        UsageError: no model is named, or it is for another task.
        DataError: the folder is missing or damaged.
    """
    if config.start_from is None:
        raise UsageError("evaluate needs a model: give its folder by --start-from.")
    own = start.task_of(start.loaded(config.start_from)[0])
    if config.task not in (None, own):
        raise UsageError(
            f"--start-from {config.start_from} holds a network for {own}, and --task "
            f"{config.task} is another: leave out --task, or train it by finetune --task "
            f"{config.task} --start-from {config.start_from}."
        )
    return own


def check(config: EvaluateConfig) -> None:
    """Refuses a model that is not for the task."""
    task_of(config)


def data(config: EvaluateConfig) -> dict[str, Callable[[], Any]]:
    """The images."""
    return labelled.opened(config, task_of(config))


def check_data(run: Run) -> str:
    """Refuses images without a test set."""
    run.data["data"].labels("test")
    return start.digest_of(run.config.start_from)


def report(run: Run, fitted: Mapping[str, Fitted]) -> Report:
    """Measures the model on the test labels, beside their inputs."""
    del fitted
    config, task = run.config, TASKS[task_of(run.config)]
    name = measured.folder_name(config.start_from)
    return measured.report(
        run,
        {name: start.loaded(config.start_from)},
        task=task,
        heading=f"{name} at {task.says}, on {run.data['data'].name}",
    )


SYSTEM = System(check=check, data=data, check_data=check_data, phases=lambda run: [], report=report)
