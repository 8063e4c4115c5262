"""Noise for one image of any size, in tiles: what layers need does not grow with it."""

from functools import partial
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

from jaxnoise import checks, tiles
from jaxnoise.errors import UsageError
from jaxnoise.models.cono.config import Config
from jaxnoise.models.cono.layers import Variables
from jaxnoise.models.cono.model import to_noise
from jaxnoise.sigma import checked_level, over_images

TILE_SIDE = 512
"""Largest side of a tile, its surroundings not included, where the caller leaves it open."""
LATENT_VALUES = 2**20
"""Values of the latent that are drawn at a time."""


def sample_image(
    key: Array,
    variables: Variables,
    config: Config,
    clean: Float[np.ndarray, "h w c"],
    sigma: float | Num[np.ndarray, ""] | Num[np.ndarray, "h w c"],
    *,
    temperature: float = 1.0,
    rows: int | None = None,
    progress: tiles.Progress | None = None,
) -> Float[np.ndarray, "h w c"]:
    """Noise for one clean image of any size, worked on in tiles.

    The latent is drawn once for the whole image, and a tile comes with all surroundings that the
    layers see from it, so the size of the tiles changes the memory and the time but not the noise,
    beyond rounding.

    Args:
        key: a `jax.random.key`.
        variables: from `init` or a trained model.
        config: the model's configuration.
        clean: shape (H, W, C), fraction of full scale.
        sigma: level of the noise, the standard deviation of its latent: one number above 0, or one
            for each pixel, shape (H, W, C), where 0 means none; unit of `clean`.
        temperature: factor on the latent.
        rows: height of a tile in rows of the image, 1 or more; None chooses it.
        progress: called with the part that is done, from 0 to 1.

    Returns:
        Noise, shape (H, W, C), float32, same unit. It is not that of `sample` with the same key:
        here each row of the latent has a key of its own.

    Raises:
        UsageError: for a level that is no such number, another number of channels, integers, or
            `rows` below 1.

    Source: CoNo, Eqs. 5 and 11.
    """
    checks.check_key(key)
    checks.check_numbers(temperature=temperature)
    checks.check_fractions(clean=clean)
    tiles.check_image(clean.shape, config.channels, does="makes noise for")
    tiles.check_rows(rows)
    clean = np.asarray(clean, np.float32)
    level = _level(sigma, clean)
    latent = _latent(key, clean.shape, temperature)
    noise = np.empty_like(clean)
    reach = reach_of(config)
    spans = partial(tiles.spans, reach=reach, step=1, longest=TILE_SIDE)
    parts = list(product(spans(clean.shape[0], rows), spans(clean.shape[1], None)))
    for place, (down, across) in enumerate(parts):
        seen = [image[None, down.seen, across.seen] for image in (latent, clean, level)]
        made = np.asarray(_to_noise(variables, *seen, config=config))[0]
        noise[down.kept, across.kept] = made[down.within, across.within]
        if progress is not None:
            progress((place + 1) / len(parts))
    return noise


def reach_of(config: Config) -> int:
    """How many pixels around one its noise depends on.

    Args:
        config: the model's configuration.

    Returns:
        That of the fusion's networks, and that of the couplings one after the other.
    """
    return 1 + config.blocks * sum(side // 2 for side in config.kernels)


def _level(sigma: Any, clean: np.ndarray) -> np.ndarray:
    """The level at each pixel of an image."""
    shape = checks.shape_of(sigma)
    if shape not in ((), clean.shape):
        raise UsageError(
            f"sigma has shape {shape}: give one number, or one for each pixel, shape {clean.shape}."
        )
    level = over_images(checked_level(np.asarray(sigma)[None], clean[None]))
    return np.broadcast_to(np.asarray(level)[0], clean.shape)


def _latent(key: Array, shape: tuple[int, ...], temperature: float) -> np.ndarray:
    """The latent of a whole image, each row from a key of its own."""
    height, width, channels = shape
    latent = np.empty(shape, np.float32)
    rows = tiles.rows_at_a_time(None, width * channels, most=LATENT_VALUES)
    for band in tiles.bands(height, rows):
        drawn = _rows(key, jnp.arange(band.start, band.stop), shape=(width, channels))
        latent[band] = temperature * np.asarray(drawn)
    return latent


@partial(jax.jit, static_argnames="shape")
def _rows(key: Array, numbers: Array, *, shape: tuple[int, int]) -> Array:
    def row(number: Array) -> Array:
        return jax.random.normal(jax.random.fold_in(key, number), shape, jnp.float32)

    return jax.vmap(row)(numbers)


@partial(jax.jit, static_argnames="config")
def _to_noise(variables: Variables, latent, clean, level, *, config: Config) -> Array:
    return to_noise(variables, config, latent, clean, level)
