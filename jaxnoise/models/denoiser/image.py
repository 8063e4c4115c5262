"""The estimate of one image of any size, in tiles: what layers need does not grow with it."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxnoise import checks, tiles
from jaxnoise.models.denoiser.config import Config
from jaxnoise.models.denoiser.model import Variables, denoise, mirrored
from jaxnoise.nets.unet import FACTOR

TILE_SIDE = 768
"""Largest side of a tile, its surroundings not included, where the caller leaves it open."""
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
    spans = partial(tiles.spans, reach=reach, step=step, longest=TILE_SIDE)
    tall, wide = spans(noisy.shape[0], rows), spans(noisy.shape[1], None)
    estimate = np.empty_like(noisy)
    done = 0
    for down in tall:
        for across in wide:
            made = np.asarray(_denoise(variables, noisy[down.seen, across.seen], config=config))
            estimate[down.kept, across.kept] = made[down.within, across.within]
            done += 1
            if progress is not None:
                progress(done / (len(tall) * len(wide)))
    return estimate[:height, :width]


@partial(jax.jit, static_argnames="config")
def _denoise(
    variables: Variables, noisy: Float[Array, "h w c"], *, config: Config
) -> Float[Array, "h w c"]:
    return denoise(variables, config, noisy[None])[0]
