"""Pairs that denoisers learn from: clean photographs, and the same with a teacher's noise."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.harness.proxy.clean import (
    Photograph,
    read_photograph,
    write_index,
    write_photograph,
)
from benchmarks.harness.proxy.teachers import GENERATOR, Teacher
from jaxnoise.io import load_model
from jaxnoise.models import cono
from jaxnoise.noise import at_sigma
from jaxnoise.raw import demosaic, mosaic_rgb, mosaic_to_packed, packed_to_mosaic

HIGHEST_SIGMA = 30.0 / 255.0
"""Of the noise, which is drawn uniformly from 0 on, as in the paper."""
PHASE = "RGGB"

Draw = Callable[[Any, np.ndarray, float], np.ndarray]
"""From (key, clean image or packed raw, sigma) to noise, all as fractions of full scale."""


def drawn_by(teacher: Teacher, model: Path | None) -> Draw:
    """What makes a teacher's noise.

    Args:
        teacher: whose noise it is.
        model: folder of the trained generator; None for statistical noise.
    """
    if teacher.kind == GENERATOR:
        assert model is not None
        _, config, variables = load_model(model)
        return lambda key, clean, sigma: cono.sample_image(key, variables, config, clean, sigma)
    return partial(_statistical, kind=teacher.kind)


def _statistical(key: Any, clean: np.ndarray, sigma: float, *, kind: str) -> np.ndarray:
    return np.asarray(_sample(key, clean[None], jnp.full(1, sigma, jnp.float32), kind=kind)[0])


_sample = jax.jit(at_sigma.sample, static_argnames="kind")


def made_pair(
    image: np.ndarray, key: Any, sigma: float, *, draw: Draw, domain: str
) -> tuple[np.ndarray, np.ndarray]:
    """A noisy photograph, and the clean one that it has to be compared with.

    In RAW the noise is put on the mosaic, and demosaicing spreads it over neighbours and colours.
    The clean photograph goes the same way: the denoiser is not to learn what demosaicing loses.

    Args:
        image: clean, shape (H, W, 3), fraction of full scale.
        key: of the noise.
        sigma: its level, same unit.
        draw: makes it, for the image or for packed raw.
        domain: "RGB" or "RAW".

    Returns:
        Both clipped to [0, 1], shape (H, W, 3).
    """
    if domain == "RGB":
        return np.clip(image + draw(key, image, sigma), 0.0, 1.0), image
    mosaic = mosaic_rgb(image)
    packed = mosaic_to_packed(mosaic, PHASE)
    noisy = packed_to_mosaic(packed + draw(key, packed, sigma), PHASE, mosaic.shape)
    noisy, clean = (np.clip(demosaic(one, phase=PHASE), 0.0, 1.0) for one in (noisy, mosaic))
    return noisy, clean


def sigmas_of(seed: int, number: int, draws: int) -> np.ndarray:
    """The levels of a photograph's draws, the same for all teachers.

    Args:
        seed: of the noise.
        number: of the photograph.
        draws: how many.

    Returns:
        Shape (draws,), fraction of full scale.
    """
    return np.random.default_rng([seed, number]).uniform(0.0, HIGHEST_SIGMA, draws)


def write_pairs(
    folder: Path,
    photographs: Sequence[Photograph],
    *,
    draw: Draw,
    domain: str,
    seed: int,
    draws: int,
) -> None:
    """A folder of pairs for the data set `pairs`, unless it is there already.

    Args:
        folder: where it goes.
        photographs: all of them; those of validation and test get one draw each.
        draw: makes the noise.
        domain: where it is put, "RGB" or "RAW".
        seed: of levels and noise.
        draws: of a photograph for training.
    """
    if (folder / "index.csv").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, photograph in enumerate(photographs):
        image = read_photograph(photograph.path)
        own = jax.random.fold_in(jax.random.key(seed), number)
        target = f"{photograph.name}_clean.png"
        count = draws if photograph.split == "train" else 1
        for place, sigma in enumerate(sigmas_of(seed, number, count)):
            key = jax.random.fold_in(own, place)
            noisy, clean = made_pair(image, key, float(sigma), draw=draw, domain=domain)
            name = f"{photograph.name}_{place}.png"
            write_photograph(folder / name, noisy)
            if place == 0:
                write_photograph(folder / target, clean)
            row = {"noisy": name, "clean": target, "camera": "", "iso": ""}
            rows.append({**row, "scene": photograph.name, "split": photograph.split})
    write_index(folder, rows)
