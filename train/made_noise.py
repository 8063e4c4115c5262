"""Noise that is made for clean images while a denoiser trains."""

import hashlib
import importlib
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxnoise import models
from jaxnoise.conditions import NOT_STATED
from jaxnoise.errors import UsageError
from jaxnoise.io import load_model
from jaxnoise.io.model_folder import CONFIG_FILE
from train.denoising import Sampler
from train.likelihood import to_noise_batch
from train.start import first_patches
from train.training_options import SIMPLE_NOISE

STEP = 1.0 / 255.0
"""By which dequantised 8-bit images may leave [0, 1]."""


def sampler(noise: str | None, data: Any, *, patches: int, seed: int) -> Sampler:
    """A function that makes noise for clean images.

    Args:
        noise: "awgn" or "nlf", which are fitted to training patches, or the path of a model folder.
        data: a data set of `datasets.pipeline`.
        patches: how many training patches a simple model is fitted to at most.
        seed: decides which.

    Returns:
        From (key, clean, camera, iso), with the data set's cameras, to noise.

    Raises:
        UsageError: the model makes no noise, or not for these images, cameras or ISO numbers.
        DataError: the folder is missing or damaged.
    """
    if noise in SIMPLE_NOISE:
        model: Any = importlib.import_module(f"jaxnoise.noise.{noise}")
        config = model.Config(channels=data.channels, cameras=data.cameras, isos=data.isos)
        batch = to_noise_batch(first_patches(data, patches=patches, seed=seed))
        variables = model.fit(config, batch.noise, batch.clean, batch.camera, batch.iso)
        cameras = np.arange(len(data.cameras))
    else:
        assert noise is not None
        name, config, variables = load_model(noise)
        model = models.get(name)
        if not hasattr(model, "sample"):
            raise UsageError(f"--noise {noise} holds a {name}, which makes no noise.")
        cameras = _cameras(noise, config, data)

    def draw(key: jax.Array, clean: jax.Array, camera: jax.Array, iso: jax.Array) -> jax.Array:
        places = jax.numpy.asarray(cameras)[camera]
        return model.sample(key, variables, config, clean, places, iso)

    return draw


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
        noise: as for `sampler`.
    """
    if noise in SIMPLE_NOISE:
        return noise
    # It covers the configuration and the checksums of all tensors.
    return hashlib.sha256((Path(noise) / CONFIG_FILE).read_bytes()).hexdigest()


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
