"""Noise that is made for clean images while a denoiser trains."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxnoise import models
from jaxnoise.conditions import NOT_STATED
from jaxnoise.errors import UsageError
from jaxnoise.io import load_model
from jaxnoise.protocols import Sampler
from train.densities import to_noise_batch
from train.steps import model_folders
from train.steps.option_groups import SIMPLE_NOISE
from train.steps.start import first_patches, variance_floor

STEP = 1.0 / 255.0
"""By which dequantised 8-bit images may leave [0, 1]."""


@dataclass(frozen=True)
class NoiseSource:
    """Makes noise for the clean images of a data set.

    Attributes:
        fixed: the variables of the model, which nothing changes.
        draw: from (fixed, key, clean, camera, iso), with the data set's cameras, to noise.
    """

    fixed: Any
    draw: Callable[..., jax.Array]


def noise_source(noise: str | None, data: Any, *, patches: int, seed: int) -> NoiseSource:
    """The noise that an option names.

    Args:
        noise: "awgn" or "nlf", which are fitted to training patches, or the path of a model folder.
        data: a data set of `datasets.pipeline`.
        patches: how many training patches a simple model is fitted to at most.
        seed: decides which.

    Returns:
        The source.

    Raises:
        UsageError: the model makes no noise, or not for these images, cameras or ISO numbers.
        DataError: the folder is missing or damaged.
    """
    if noise in SIMPLE_NOISE:
        model: Any = importlib.import_module(f"jaxnoise.noise.{noise}")
        config = model.Config(channels=data.channels, cameras=data.cameras, isos=data.isos)
        batch = to_noise_batch(first_patches(data, patches=patches, seed=seed))
        conditions = batch.clean, batch.camera, batch.iso
        options = {"valid": batch.valid, "variance_floor": variance_floor(data)}
        variables = model.fit(config, batch.noise, *conditions, **options)
        cameras = np.arange(len(data.cameras))
    else:
        assert noise is not None
        name, config, variables = load_model(noise)
        model = models.require(name, Sampler, holder=f"--noise {noise} holds")
        cameras = _cameras(noise, config, data)

    draw = partial(_draw, model=model, config=config, cameras=jnp.asarray(cameras))
    return NoiseSource(variables, draw)


def _draw(
    fixed: Any,
    key: jax.Array,
    clean: jax.Array,
    camera: jax.Array,
    iso: jax.Array,
    *,
    model: Sampler,
    config: Any,
    cameras: jax.Array,
) -> jax.Array:
    return model.sample(key, fixed, config, clean, cameras[camera], iso)


def _cameras(noise: str, config: Any, data: Any) -> np.ndarray:
    """The model's number of each of the data set's cameras."""
    if config.channels != data.channels:
        raise UsageError(
            f"--noise {noise} makes noise for {config.channels} channels, and {data.name} has "
            f"{data.channels}: give a model that was trained on such images."
        )
    absent = [f"camera {name}" for name in data.cameras if name not in config.cameras]
    stated = [iso for iso in config.isos if iso != NOT_STATED]
    for iso in data.isos:
        # Between two known ISO numbers models interpolate.
        within = iso != NOT_STATED and stated and min(stated) <= iso <= max(stated)
        if iso not in config.isos and not within:
            absent.append(f"ISO {iso}")
    if absent:
        raise UsageError(
            f"--noise {noise} does not know the {absent[0]} of {data.name}: give a model that was "
            "trained on it."
        )
    return np.array([config.cameras.index(name) for name in data.cameras])


def digest(noise: str) -> str:
    """What tells one source of noise from another: the checksum of a model folder, or a name.

    Args:
        noise: as for `noise_source`.
    """
    if noise in SIMPLE_NOISE:
        return noise
    return model_folders.digest(Path(noise))


def is_clipped(data: Any, *, seed: int) -> bool:
    """Whether the noisy images of a data set stay in [0, 1], as those of a sensor do.

    Args:
        data: a data set of `datasets.pipeline`.
        seed: decides which training patches are looked at.

    Returns:
        True where none of up to 1024 patches leaves it by more than an 8-bit step.
    """
    size = min(1024, data.sizes["train"])
    noisy = data.batch("train", seed=seed, step=0, batch_size=size)["noisy"]
    return bool(noisy.min() >= -STEP and noisy.max() <= 1 + STEP)
