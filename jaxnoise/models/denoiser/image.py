"""The estimate of one image of any size, in tiles: what layers need does not grow with it."""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain, islice, product

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float

from jaxnoise import checks, tiles
from jaxnoise.models.denoiser.config import Config
from jaxnoise.models.denoiser.model import Variables, denoise
from jaxnoise.nets import winograd
from jaxnoise.nets.blocks import SIDE
from jaxnoise.nets.unet import FACTOR

TILE_SIDE = 768
"""Largest side of a tile, its surroundings not included, where the caller leaves it open."""
BLOCKS_SIDE = 206
"""The same where a DnCNN works by blocks: its layers are to stay near the cache."""
SHARED_SIDE = {"dncnn": 256, "unet": 768}
"""Side below which tiles are not made smaller because there are several devices: their surroundings
would take longer than they do."""
UNET_REACH = 5 * FACTOR
"""How far around a tile of whole 32 x 32 squares a U-Net's estimate of it depends on the image: 128
pixels above and to the left, 160 below and to the right, since steps up look to that side."""


def denoise_image(
    variables: Variables,
    config: Config,
    noisy: Float[np.ndarray, "h w c"],
    *,
    rows: int | None = None,
    progress: tiles.Progress | None = None,
    devices: Sequence[jax.Device] | None = None,
) -> Float[np.ndarray, "h w c"]:
    """The estimate of one clean image of any size, in evaluation mode, worked on in tiles.

    A tile comes with all surroundings that the network sees from it, so the size of the tiles
    changes the memory and the time but not the estimate, beyond rounding: it is that of `denoise`
    for the whole image.

    Args:
        variables: from `init` or a trained denoiser.
        config: the denoiser's configuration.
        noisy: shape (H, W, C), fraction of full scale.
        rows: height of a tile in rows of the image, 1 or more (a U-Net's is rounded up to a
            multiple of 32); None chooses it.
        progress: called with the part that is done, from 0 to 1.
        devices: they work at the same time, each on a tile of its own; None for the one device that
            JAX chooses. Large tiles are made smaller for several, so that all together need little
            more memory than one; `rows` stays the height of each.

    Returns:
        Shape (H, W, C), float32, same unit, not clipped.

    Raises:
        UsageError: for another number of channels, integers, or `rows` below 1.

    Source: Noise2NoiseFlow, Section 4 and Appendix A.
    """
    checks.check_fractions(noisy=noisy)
    options = {"rows": rows, "progress": progress, "devices": devices}
    made = denoise_bands(variables, config, np.asarray(noisy), **options)
    estimate = np.empty(noisy.shape, np.float32)
    for band, values in made:
        estimate[band] = values
    return estimate


def denoise_bands(
    variables: Variables,
    config: Config,
    noisy: tiles.RowSource,
    *,
    rows: int | None = None,
    progress: tiles.Progress | None = None,
    devices: Sequence[jax.Device] | None = None,
) -> Iterator[tiles.Band]:
    """The estimate of `denoise_image` band by band, without the whole image or estimate in floats.

    Args:
        variables: from `init` or a trained denoiser.
        config: the denoiser's configuration.
        noisy: an array (H, W, C), fraction of full scale, or anything else that gives rows of such
            an image as floats. They are asked for from the top, before the estimate of them is
            given, so that what holds them may be overwritten by then.
        rows: as for `denoise_image`.
        progress: called with the part that is done, from 0 to 1.
        devices: as for `denoise_image`.

    Returns:
        An iterator over rows from the top and the estimate of them, shape (rows, W, C), float32,
        which together are bit for bit that of `denoise_image`.

    Raises:
        UsageError: for another number of channels, integers, or `rows` below 1.

    Source: Noise2NoiseFlow, Section 4 and Appendix A.
    """
    if isinstance(noisy, np.ndarray):
        checks.check_fractions(noisy=noisy)
    tiles.check_image(noisy.shape, config.channels, does="denoises")
    tiles.check_rows(rows)
    reach, step = (UNET_REACH, FACTOR) if config.net == "unet" else (config.depth, 1)
    height, width = (side + -side % step for side in noisy.shape[:2])
    longest = _longest(config, (height, width), devices)
    spans = partial(tiles.spans, reach=reach, step=step, longest=longest, seen_step=SIDE)
    down, across = spans(height, rows), spans(width, None)
    count = len(down) * len(across)
    mesh = None if devices is None else Mesh(np.array(devices[:count]), ("tiles",))
    if mesh is not None:
        variables = jax.device_put(variables, NamedSharding(mesh, PartitionSpec()))
    window = tiles.Window(_mirrored_bands(noisy, step, down[0].kept.stop))
    estimate = partial(_denoise, variables, config=config, mesh=mesh)
    made = _tiles(estimate, window, list(product(down, across)), mesh, progress)
    return _joined(made, noisy.shape, len(across))


def _mirrored_bands(noisy: tiles.RowSource, step: int, rows: int) -> Iterator[np.ndarray]:
    """The image from the top, continued by its mirror image until the step divides its sides."""
    sides = [(0, -side % step) for side in noisy.shape[:2]]
    height = noisy.shape[0]
    shown = np.pad(np.arange(height), sides[0], "symmetric")
    for band in tiles.bands(len(shown), rows):
        # What is seen around a tile is more than what is mirrored: none of it is overwritten yet.
        first, last = shown[band].min(), shown[band].max() + 1
        values = np.asarray(noisy[slice(int(first), int(last))], np.float32)
        if band.stop > height:
            values = values[shown[band] - first]
        yield np.pad(values, [(0, 0), sides[1], (0, 0)], "symmetric") if sides[1][1] else values


def _tiles(
    estimate: Callable[[np.ndarray], Array],
    window: tiles.Window,
    parts: Sequence[tuple[tiles.Part, tiles.Part]],
    mesh: Mesh | None,
    progress: tiles.Progress | None,
) -> Iterator[tuple[tiles.Part, tiles.Part, np.ndarray]]:
    """Each tile with the estimate of what is kept of it, in the order of the parts."""
    at_once = 1 if mesh is None else mesh.size
    for start in range(0, len(parts), at_once):
        turn = parts[start : start + at_once]
        window.forget(turn[0][0].seen.start)
        seen = [window.rows(down.seen.start, down.seen.stop)[:, side.seen] for down, side in turn]
        made = np.asarray(estimate(tiles.filled_up(np.stack(seen), at_once)))
        if progress is not None:
            progress((start + len(turn)) / len(parts))
        for (down, side), tile in zip(turn, made, strict=False):
            yield down, side, tile[down.within, side.within]


def _joined(
    made: Iterator[tuple[tiles.Part, tiles.Part, np.ndarray]], shape: tuple[int, ...], across: int
) -> Iterator[tiles.Band]:
    """Bands of an image of tiles, so many of them beside each other."""
    height, width, channels = shape
    for first in made:
        down, _, _ = first
        rows = slice(down.kept.start, min(height, down.kept.stop))
        band = np.empty((rows.stop - rows.start, width, channels), np.float32)
        for _, side, tile in chain([first], islice(made, across - 1)):
            kept = band[:, side.kept]
            kept[:] = tile[: len(kept), : kept.shape[1]]
        yield rows, band


def _longest(config: Config, shape: tuple[int, ...], devices: Sequence[jax.Device] | None) -> int:
    """The largest side of a tile: of all devices together they have the area of one's."""
    inner = BLOCKS_SIDE, BLOCKS_SIDE, config.width
    kernel = 3, 3, config.width, config.width
    if config.net == "dncnn" and winograd.pays((1, *inner), kernel, np.float32):
        return BLOCKS_SIDE
    if devices is None or len(devices) == 1:
        return TILE_SIDE
    share = min(TILE_SIDE, math.sqrt(shape[0] * shape[1])) / math.sqrt(len(devices))
    return min(TILE_SIDE, max(SHARED_SIDE[config.net], math.ceil(share)))


@partial(jax.jit, static_argnames=("config", "mesh"))
def _denoise(
    variables: Variables, noisy: Float[Array, "n h w c"], *, config: Config, mesh: Mesh | None
) -> Float[Array, "n h w c"]:
    def estimate(variables: Variables, noisy: Array) -> Array:
        return denoise(variables, config, noisy)

    if mesh is None:
        return estimate(variables, noisy)
    # Every device sees only its own tile, whatever the network does with a batch.
    every, own = PartitionSpec(), PartitionSpec("tiles")
    shared = jax.shard_map(
        estimate, mesh=mesh, in_specs=(every, own), out_specs=own, check_vma=False
    )
    return shared(variables, noisy)
