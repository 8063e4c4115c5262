"""Where training on labels starts: fresh, or at the model of an earlier run."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from jaxnoise import models
from jaxnoise.errors import UsageError
from jaxnoise.io import load_model
from jaxnoise.tasks import RAW, TASKS
from train.rcl.config import PRETRAIN_PRESETS, PretrainConfig
from train.rcl.networks import DENOISER, RCL, Network, denoiser_of
from train.steps import model_folders

DENOISE = "denoise"
STATED = {
    "denoiser": "net",
    "features": "features",
    "depth": "depth",
    "share": "share",
    "denoiser_normalisation": "normalisation",
}
"""Options that say which network it is, and what they are in a denoiser's configuration; left out,
they are as in the folder."""

Started = tuple[Network, Any]
"""A network and its variables."""


def digest_of(folder: Path | None) -> str:
    """What tells a run that begins from a model from others; "" for fresh weights.

    Args:
        folder: of the model.
    """
    return "" if folder is None else f"start {model_folders.digest(folder)}"


def loaded(folder: Path) -> Started:
    """The network of a model folder, for what it was trained for.

    Args:
        folder: of a denoiser, a noise2noiseflow, whose denoiser it is, or an rcl model.

    Raises:
        UsageError: it holds another model.
        DataError: it is missing or damaged.
    """
    name, settings, variables = load_model(folder)
    if getattr(settings, "denoiser_name", None) == DENOISER and DENOISER in variables:
        name, settings, variables = DENOISER, settings.denoiser, variables[DENOISER]
    if name not in (DENOISER, RCL):
        raise UsageError(
            f"--start-from {folder} holds a {name}, and what is asked for here is a network that "
            "restores images: give the folder of a denoiser, noise2noiseflow or rcl model."
        )
    return Network(name, settings), jax.tree.map(jnp.asarray, variables)


def task_of(network: Network) -> str:
    """What a network is for.

    Args:
        network: of `loaded`.
    """
    return DENOISE if network.model == DENOISER else network.settings.task


def check_channels(folder: Path, network: Network, task: str) -> None:
    """Refuses a network for other inputs than those of a task.

    Args:
        folder: that the network is of.
        network: of `loaded`.
        task: what it is to do.

    Raises:
        UsageError: its channels are others.
    """
    wanted = TASKS[task].channels
    if network.settings.channels != wanted:
        what = "packed raw" if wanted == RAW else "colour images"
        raise UsageError(
            f"--start-from {folder} holds a network for {network.settings.channels} channels, and "
            f"--task {task} has {wanted}, those of {what}: give a network that was trained on such "
            "images, or another --task."
        )


def started(config: Any) -> Started:
    """The network that labels train, where its training starts.

    A network of a folder keeps all layers where it is for the same task, and else gets a fresh last
    one, as always where that is all that is trained.

    Args:
        config: of `finetune`.

    Raises:
        UsageError: the folder holds another model, or a network for other inputs, or one that the
            options contradict.
        DataError: it is missing or damaged.
    """
    if config.start_from is None:
        network = _for_task(config.task, _fresh_settings(config))
        return network, network.init(config.seed)
    network, variables = loaded(config.start_from)
    known = network.settings if network.model == DENOISER else network.settings.denoiser
    check_channels(config.start_from, network, config.task)
    _check_stated(config, known)
    if task_of(network) != config.task or config.frozen:
        network, variables = _with_fresh_last(config, network, variables)
    fresh = jax.eval_shape(lambda: network.init(0))
    return network, jax.tree.map(lambda leaf, own: leaf.astype(own.dtype), variables, fresh)


def before(config: Any) -> Started | None:
    """The network of `--start-from` as it is, where it was trained for the same task.

    Args:
        config: of `finetune`.
    """
    if config.start_from is None:
        return None
    found = loaded(config.start_from)
    return found if task_of(found[0]) == config.task else None


def _with_fresh_last(config: Any, network: Network, variables: Any) -> Started:
    """The network for the task of the options, with a last layer that knows nothing yet."""
    rcl: Any = models.get(RCL)
    key = jax.random.key(config.seed)
    known, backbone = rcl.backbone_of(network.model, network.settings, variables)
    new = _for_task(config.task, known)
    if config.task == DENOISE:
        return new, rcl.with_fresh_last(key, known, backbone)
    return new, rcl.with_fresh_head(key, new.settings, backbone)


def _for_task(task: str, settings: Any) -> Network:
    """A network of the layers that a denoiser's configuration states."""
    if task == DENOISE:
        return Network(DENOISER, settings)
    return Network(RCL, models.get(RCL).Config(task=task, denoiser=settings))


def _fresh_settings(config: Any) -> Any:
    """What the options state of a denoiser, and of the rest what pre-training has."""
    usual = PretrainConfig(**PRETRAIN_PRESETS[config.preset])
    given = {name: getattr(config, name) for name in STATED}
    stated = {name: value for name, value in given.items() if value is not None}
    return denoiser_of(replace(usual, **stated), channels=TASKS[config.task].channels)


def _check_stated(config: Any, known: Any) -> None:
    for option, field in STATED.items():
        asked, theirs = getattr(config, option), getattr(known, field)
        if asked is not None and asked != theirs:
            raise UsageError(
                f"--start-from {config.start_from} holds a network whose {field} is {theirs}, and "
                f"{asked} is asked for: leave out --{option.replace('_', '-')}, which is then that "
                "of the folder."
            )
