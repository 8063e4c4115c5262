"""Model folders that a run reads: what tells them apart, and a denoiser to begin training from."""

import hashlib
from dataclasses import fields
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from jaxnoise import models
from jaxnoise.errors import UsageError
from jaxnoise.io import load_model
from jaxnoise.io.model_folder import CONFIG_FILE
from jaxnoise.protocols import TrainedDenoiser

PART = "denoiser"
"""The model to begin from, and the part of a model of several that is one."""


def digest(folder: Path) -> str:
    """The sha256 of a model folder: of its configuration and the checksums of all its tensors.

    Args:
        folder: of a model that `load_model` reads.
    """
    return hashlib.sha256((folder / CONFIG_FILE).read_bytes()).hexdigest()


def digest_of_start(folder: Path | None, settings: Any, *, data: Any) -> str:
    """What tells a run that begins from a model from others, once the model is known to fit.

    Args:
        folder: of `--start-from`; None for fresh weights.
        settings: configuration of the denoiser that is to be trained.
        data: its data set, of `datasets.pipeline`.

    Returns:
        The digest of the folder with a word before it; "" for fresh weights.

    Raises:
        UsageError: as for `start_of`.
        DataError: as for `start_of`.
    """
    if folder is None:
        return ""
    start_of(folder, settings, data=data)
    return f"start {digest(folder)}"


def start_of(folder: Path | None, settings: Any, *, data: Any) -> dict[str, Any] | None:
    """The variables of a denoiser that training begins from.

    Args:
        folder: of a denoiser, or of a model that a denoiser is a part of, such as
            Noise2NoiseFlow; None for fresh weights.
        settings: configuration of the denoiser that is to be trained.
        data: its data set, of `datasets.pipeline`.

    Returns:
        Variables of such a denoiser, in the types of fresh ones; None for no folder.

    Raises:
        UsageError: the folder holds no denoiser, or one of another configuration; names the first
            field that differs.
        DataError: the folder is missing or damaged.
    """
    if folder is None:
        return None
    name, config, variables = load_model(folder)
    if getattr(config, f"{PART}_name", None) == PART and PART in variables:
        name, config, variables = PART, config.denoiser, variables[PART]
    if name != PART:
        raise UsageError(
            f"--start-from {folder} holds a {name}, and training begins from a denoiser: give the "
            "folder of a denoiser or a noise2noiseflow model."
        )
    _check_same(folder, config, settings, data)
    model = models.require(PART, TrainedDenoiser)
    fresh = jax.eval_shape(lambda: model.init(jax.random.key(0), settings))
    return jax.tree.map(lambda leaf, own: jnp.asarray(leaf, own.dtype), variables, fresh)


def _check_same(folder: Path, config: Any, settings: Any, data: Any) -> None:
    """Raises where the configuration of a folder is not that of the denoiser to be trained."""
    start = f"--start-from {folder} holds a denoiser"
    if config.channels != settings.channels:
        raise UsageError(
            f"{start} for {config.channels} channels, and {data.name} has {settings.channels}: "
            "give a model that was trained on such images."
        )
    for field in fields(settings):
        theirs, own = getattr(config, field.name), getattr(settings, field.name)
        if theirs != own:
            raise UsageError(
                f"{start} whose {field.name} is {theirs}, and {own} is asked for: give the options "
                "that it was trained with."
            )
