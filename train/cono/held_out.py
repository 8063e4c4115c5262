"""Noise of the trained generator and of statistical models, on held-out crops."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxnoise import models
from jaxnoise.noise import at_sigma
from train.cono.levels import Level, levels_of
from train.cono.step import beside, level_map
from train.engine.devices import shard
from train.engine.system import Run
from train.report.level_numbers import LevelResult

STATISTICAL = {
    "AWGN": "awgn",
    "NLF": "nlf",
    "Poisson": "poisson",
    "Poisson-Gaussian": "poisson_gaussian",
}
DRAWS = 4
TIMED_SIDE, TIMES = 500, 3
"""Side in packed pixels of the image whose noise is timed, and how often."""

Sampler = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]
"""From (key, clean, level) to noise."""


def held_out_results(
    run: Run, settings: Any, generators: Mapping[str, Any], *, trained: str
) -> list[LevelResult]:
    """Noise at every stated level over the same test crops.

    Args:
        run: the run.
        settings: configuration of the generators.
        generators: variables of each, by its name in tables.
        trained: the one of which several draws are kept.

    Returns:
        One result for each level.
    """
    profile = levels_of(run.config).profile
    samplers: dict[str, Callable[..., jax.Array]] = {
        label: partial(_statistical, kind=kind) for label, kind in STATISTICAL.items()
    }
    if profile is not None:
        # The noise level function of a camera is its profile, and the sum of both noises is that.
        samplers = {"AWGN": samplers["AWGN"], "NLF": _by_level}
    compiled = {label: jax.jit(sampler) for label, sampler in samplers.items()}
    compiled |= dict.fromkeys(generators, jax.jit(partial(_generated, settings=settings)))
    own = {
        label: partial(sampler, generators.get(label, ())) for label, sampler in compiled.items()
    }
    seconds = {label: _seconds(sampler) for label, sampler in own.items()}
    return [
        _at(run, level, own, seconds, trained=trained) for level in levels_of(run.config).stated()
    ]


def _at(
    run: Run,
    level: Level,
    samplers: Mapping[str, Sampler],
    seconds: Mapping[str, float],
    *,
    trained: str,
) -> LevelResult:
    """Noise of all models at one level."""
    config, data = run.config, run.data["clean"]
    size, model = config.batch_size, models.get("cono")
    limits = {"batch_size": size, "limit": config.test_patches}
    clean, asked = [], []
    noise: dict[str, list] = {label: [] for label in samplers}
    distances: dict[str, list] = {label: [] for label in samplers}
    for number, made in enumerate(data.batches("test", **limits)):
        images = beside(jnp.asarray(made["first"]), jnp.asarray(made["second"]))
        of_level = jax.tree.map(jnp.asarray, level.of_images(2 * size))
        levels = level_map(images, **of_level)
        clean.append(np.asarray(images))
        asked.append(np.asarray(levels))
        placed = shard(run.mesh, {"clean": clean[-1], "level": asked[-1]})
        for place, (label, sampler) in enumerate(samplers.items()):
            key = jax.random.fold_in(jax.random.key(config.seed), len(samplers) * number + place)
            drawn = sampler(key, placed["clean"], placed["level"])
            noise[label].append(np.asarray(drawn))
            found = model.noise_mmd2(drawn[0::2], drawn[1::2], levels[0::2], levels[1::2])
            distances[label].append(_gap(np.asarray(found), made["negatives"]))
    return LevelResult(
        name=level.name,
        clean=np.concatenate(clean),
        level=np.concatenate(asked),
        noise={label: np.concatenate(rows) for label, rows in noise.items()},
        gap={label: float(np.mean(rows)) for label, rows in distances.items()},
        draws=_draws(samplers[trained], clean[0], asked[0]),
        seconds=seconds,
    )


def _gap(distances: np.ndarray, negatives: np.ndarray) -> float:
    """Mean distance to what is not of the same place, less that to what is."""
    other = distances[negatives].mean(dtype=np.float64) if negatives.any() else np.nan
    return float(other - np.diagonal(distances).mean(dtype=np.float64))


def _draws(sampler: Sampler, clean: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Several noises of the first crop."""
    same = (jnp.asarray(np.repeat(values[:1], DRAWS, axis=0)) for values in (clean, level))
    return np.asarray(sampler(jax.random.key(0), *same))


def _seconds(sampler: Sampler) -> float:
    """Seconds that noise for a megapixel of a mosaic takes, the median of a few."""
    clean = jnp.full((1, TIMED_SIDE, TIMED_SIDE, 4), 0.5)
    level = jnp.full_like(clean, 0.1)
    taken = []
    for number in range(1 + TIMES):
        start = time.perf_counter()
        sampler(jax.random.key(number), clean, level).block_until_ready()
        taken.append(time.perf_counter() - start)
    return float(np.median(taken[1:])) / (4 * TIMED_SIDE**2 / 1e6)


def _generated(
    variables: Any, key: jax.Array, clean: jax.Array, level: jax.Array, *, settings: Any
):
    return models.get("cono").sample(key, variables, settings, clean, level)


def _statistical(variables: Any, key: jax.Array, clean: jax.Array, level: jax.Array, *, kind: str):
    del variables
    sigma = jnp.sqrt((level**2).mean((1, 2, 3)))
    return at_sigma.sample(key, clean, sigma, kind=kind)


def _by_level(variables: Any, key: jax.Array, clean: jax.Array, level: jax.Array):
    del variables
    return level * jax.random.normal(key, clean.shape, clean.dtype)
