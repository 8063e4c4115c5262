"""Noise for one image of any size, in tiles: what layers need does not grow with it."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
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
    checks.check_fractions(clean=clean)
    options = {"temperature": temperature, "rows": rows, "progress": progress}
    level = np.asarray(sigma)
    made = sample_bands(key, variables, config, np.asarray(clean), level, **options)
    noise = np.empty(clean.shape, np.float32)
    for band, values in made:
        noise[band] = values
    return noise


def sample_bands(
    key: Array,
    variables: Variables,
    config: Config,
    clean: tiles.RowSource,
    sigma: float | Num[np.ndarray, ""] | tiles.RowSource,
    *,
    temperature: float = 1.0,
    rows: int | None = None,
    progress: tiles.Progress | None = None,
) -> Iterator[tiles.Band]:
    """The noise of `sample_image` band by band, without the whole image or its noise in floats.

    Args:
        key: a `jax.random.key`.
        variables: from `init` or a trained model.
        config: the model's configuration.
        clean: an array (H, W, C), fraction of full scale, or anything else that gives rows of such
            an image as floats. They are asked for once, from the top, before noise for them is
            given, so that what holds them may be overwritten by then.
        sigma: as for `sample_image`; one for each pixel also as anything else that gives rows of
            them, which are asked for right after the same rows of the image.
        temperature: factor on the latent.
        rows: height of a tile in rows of the image, 1 or more; None chooses it.
        progress: called with the part that is done, from 0 to 1.

    Returns:
        An iterator over rows from the top and their noise, shape (rows, W, C), float32, which
        together are bit for bit the noise of `sample_image`.

    Raises:
        UsageError: for a level that is no such number, another number of channels, integers, or
            `rows` below 1; for the level of a pixel when its rows are reached.

    Source: CoNo, Eqs. 5 and 11.
    """
    checks.check_key(key)
    checks.check_numbers(temperature=temperature)
    if isinstance(clean, np.ndarray):
        checks.check_fractions(clean=clean)
    tiles.check_image(clean.shape, config.channels, does="makes noise for")
    tiles.check_rows(rows)
    spans = partial(tiles.spans, reach=reach_of(config), step=1, longest=TILE_SIDE)
    down, across = spans(clean.shape[0], rows), spans(clean.shape[1], None)
    bands = tiles.bands(clean.shape[0], down[0].kept.stop)
    images = (
        _latent(key, clean.shape, temperature),
        (np.asarray(clean[band], np.float32) for band in bands),
        _levels(sigma, clean.shape, bands),
    )
    windows = [tiles.Window(image) for image in images]
    return _bands(partial(_to_noise, variables, config=config), windows, down, across, progress)


def _bands(
    to_noise: Callable[..., Array],
    windows: Sequence[tiles.Window],
    down: Sequence[tiles.Part],
    across: Sequence[tiles.Part],
    progress: tiles.Progress | None,
) -> Iterator[tiles.Band]:
    """The noise, each band of tiles beside each other."""
    done = 0
    for part in down:
        for window in windows:
            window.forget(part.seen.start)
        seen = [window.rows(part.seen.start, part.seen.stop) for window in windows]
        noise = np.empty((part.kept.stop - part.kept.start, *seen[0].shape[1:]), np.float32)
        for side in across:
            made = np.asarray(to_noise(*(image[None, :, side.seen] for image in seen)))[0]
            noise[:, side.kept] = made[part.within, side.within]
            done += 1
            if progress is not None:
                progress(done / (len(down) * len(across)))
        yield part.kept, noise


def reach_of(config: Config) -> int:
    """How many pixels around one its noise depends on.

    Args:
        config: the model's configuration.

    Returns:
        That of the fusion's networks, and that of the couplings one after the other.
    """
    return 1 + config.blocks * sum(side // 2 for side in config.kernels)


def _levels(sigma: Any, shape: tuple[int, ...], bands: Sequence[slice]) -> Iterator[np.ndarray]:
    """The level at each pixel of an image, band by band."""
    given = checks.shape_of(sigma)
    if given not in ((), shape):
        raise UsageError(
            f"sigma has shape {given}: give one number, or one for each pixel, shape {shape}."
        )

    def level(values: Any, band: slice) -> np.ndarray:
        size = (1, band.stop - band.start, *shape[1:])
        wanted = np.broadcast_to(np.float32(0), size)
        found = over_images(checked_level(np.asarray(values)[None], wanted))
        return np.broadcast_to(np.asarray(found), size)[0]

    if given == ():
        level(sigma, bands[0])  # refuses what is no level at once
        return (level(sigma, band) for band in bands)
    return (level(sigma[band], band) for band in bands)


def _latent(key: Array, shape: tuple[int, ...], temperature: float) -> Iterator[np.ndarray]:
    """The latent, each row from a key of its own."""
    height, width, channels = shape
    rows = tiles.rows_at_a_time(None, width * channels, most=LATENT_VALUES)
    for band in tiles.bands(height, rows):
        drawn = _rows(key, jnp.arange(band.start, band.stop), shape=(width, channels))
        yield (temperature * np.asarray(drawn)).astype(np.float32, copy=False)


@partial(jax.jit, static_argnames="shape")
def _rows(key: Array, numbers: Array, *, shape: tuple[int, int]) -> Array:
    def row(number: Array) -> Array:
        return jax.random.normal(jax.random.fold_in(key, number), shape, jnp.float32)

    return jax.vmap(row)(numbers)


@partial(jax.jit, static_argnames="config")
def _to_noise(variables: Variables, latent, clean, level, *, config: Config) -> Array:
    return to_noise(variables, config, latent, clean, level)
