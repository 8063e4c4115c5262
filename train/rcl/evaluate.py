"""`evaluate`: what a model is worth on held-out images; nothing is trained."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from jaxnoise.errors import UsageError
from jaxnoise.tasks import TASKS
from train.engine.system import Fitted, Run, System
from train.rcl import labelled, measured, start
from train.rcl.config import EvaluateConfig
from train.rcl.held_out import residual_results
from train.rcl.images import noisy_crops
from train.report.report import Report
from train.report.residual_section import residual_section

RESIDUALS = {"denoise": "rgb", "jdd": "raw"}
"""Tasks whose input less what the estimate says of it is noise, and what their networks take."""


def task_of(config: EvaluateConfig) -> str:
    """The task that a model is measured at.

    Args:
        config: the run's options.

    Raises:
        UsageError: no model is named, or it is for another task or other inputs.
        DataError: the folder is missing or damaged.
    """
    if config.start_from is None:
        raise UsageError("evaluate needs a model: give its folder by --start-from.")
    network, _ = start.loaded(config.start_from)
    own = start.task_of(network)
    if config.task not in (None, own):
        raise UsageError(
            f"--start-from {config.start_from} holds a network for {own}, and --task "
            f"{config.task} is another: leave out --task, or train it by finetune --task "
            f"{config.task} --start-from {config.start_from}."
        )
    start.check_channels(config.start_from, network, own)
    return own


def check(config: EvaluateConfig) -> None:
    """Refuses a model that is not for the task."""
    task_of(config)


def data(config: EvaluateConfig) -> dict[str, Callable[[], Any]]:
    """The images as labels and, where residuals are noise, as pairs of noisy crops."""
    task = task_of(config)
    found: dict[str, Callable[[], Any]] = labelled.opened(config, task)
    if task in RESIDUALS:
        found["noisy"] = partial(noisy_crops, config, RESIDUALS[task])
    return found


def check_data(run: Run) -> str:
    """Refuses images without a test set."""
    run.data["data"].labels("test")
    if "noisy" in run.data:
        run.data["noisy"].views("test")
    return start.digest_of(run.config.start_from)


def report(run: Run, fitted: Mapping[str, Fitted]) -> Report:
    """Measures the model on the test labels, beside their inputs; and what it takes for noise."""
    del fitted
    config, task = run.config, TASKS[task_of(run.config)]
    name = measured.folder_name(config.start_from)
    network, variables = start.loaded(config.start_from)
    sections = []
    if "noisy" in run.data:
        results, shown = residual_results(run, network, {name: variables})
        options: Any = {"trained": name, "show_images": config.images}
        sections = [residual_section(results, shown, history=[], terms={}, **options)]
    return measured.report(
        run,
        {name: (network, variables)},
        task=task,
        heading=f"{name} at {task.says}, on {run.data['data'].name}",
        more=sections,
    )


SYSTEM = System(check=check, data=data, check_data=check_data, phases=lambda run: [], report=report)
