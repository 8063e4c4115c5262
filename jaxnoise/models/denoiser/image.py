"""The estimate of one image of any size, in tiles: what layers need does not grow with it."""

import math
from collections.abc import Sequence
from functools import partial
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float

from jaxnoise import checks, tiles
from jaxnoise.models.denoiser.config import Config
from jaxnoise.models.denoiser.model import Variables, denoise, mirrored
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
    tiles.check_image(noisy.shape, config.channels, does="denoises")
    tiles.check_rows(rows)
    height, width, _ = noisy.shape
    reach, step = (UNET_REACH, FACTOR) if config.net == "unet" else (config.depth, 1)
    noisy = np.asarray(noisy, np.float32)
    noisy = np.asarray(mirrored(jnp.asarray(noisy)[None], step)[0])
    spans = partial(
        tiles.spans,
        reach=reach,
        step=step,
        longest=_longest(config, noisy.shape, devices),
        seen_step=SIDE,
    )
    parts = list(product(spans(noisy.shape[0], rows), spans(noisy.shape[1], None)))
    mesh = None if devices is None else Mesh(np.array(devices[: len(parts)]), ("tiles",))
    if mesh is not None:
        variables = jax.device_put(variables, NamedSharding(mesh, PartitionSpec()))
    estimate = np.empty_like(noisy)
    at_once = 1 if mesh is None else mesh.size
    for start in range(0, len(parts), at_once):
        turn = parts[start : start + at_once]
        seen = np.stack([noisy[down.seen, across.seen] for down, across in turn])
        seen = tiles.filled_up(seen, at_once)
        made = np.asarray(_denoise(variables, seen, config=config, mesh=mesh))
        for (down, across), tile in zip(turn, made, strict=False):
            estimate[down.kept, across.kept] = tile[down.within, across.within]
        if progress is not None:
            progress((start + len(turn)) / len(parts))
    return estimate[:height, :width]


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
