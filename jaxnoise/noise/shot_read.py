"""Shot and read noise of two numbers for one image of any size: photons counted, then read out.

The same distribution as `poisson_gaussian`, without tables of cameras and without JAX, whose
Poisson numbers cost several times those of numpy on a CPU.
"""

import math

import numpy as np
from jaxtyping import Float

from jaxnoise import checks, tiles
from jaxnoise.errors import UsageError

MANY = 1e9
"""Mean count from which a Poisson number, its skewness below 4e-5, is drawn as a normal one."""
BLOCK_VALUES = 2**20
"""Values worked on at a time when the number of rows is left open."""


def sample_image(
    random: np.random.Generator,
    clean: Float[np.ndarray, "h w c"],
    *,
    shot: float | int,
    read: float | int,
    rows: int | None = None,
    progress: tiles.Progress | None = None,
) -> Float[np.ndarray, "h w c"]:
    """Noise `shot Poisson(clean / shot) - clean + sqrt(read) z` with z normal.

    Args:
        random: a generator; equal generators give equal noise, whatever `rows`.
        clean: shape (H, W, C), fraction of full scale; negative values count as 0.
        shot: variance per unit of intensity, which is the value of one photon as a fraction of
            full scale; at least 0.
        read: variance of the read noise, in squared fractions of full scale; at least 0.
        rows: image rows worked on at a time; None: chosen.
        progress: called with the fraction done, in [0, 1].

    Returns:
        float32, shape (H, W, C), fraction of full scale; mean 0, variance `shot clean + read`.

    Raises:
        UsageError: if the image has another shape or integers, a variance is negative or not
            finite, or `rows` below 1.

    Source: Noise Flow, Eqs. 3 and 4.
    """
    checks.check_fractions(clean=clean)
    checks.check_numbers(shot=shot, read=read)
    if clean.ndim != 3:
        raise UsageError(f"clean has shape {clean.shape}: give one image (height, width, C).")
    for name, value in (("shot", shot), ("read", read)):
        if not (math.isfinite(value) and value >= 0):
            raise UsageError(f"{name} noise has a variance of at least 0, not {value:g}.")
    rows = tiles.rows_at_a_time(rows, math.prod(clean.shape[1:]), most=BLOCK_VALUES)
    # Each kind has its own stream, from which it draws pixel by pixel in reading order.
    photons, many_photons, electronics = random.spawn(3)
    noise = np.empty(clean.shape, np.float32)
    for band in tiles.bands(len(clean), rows):
        light = np.maximum(clean[band].astype(np.float64), 0.0)
        block = np.zeros_like(light)
        if shot > 0:
            block += _shot_noise(photons, many_photons, light, shot)
        if read > 0:
            block += math.sqrt(read) * electronics.standard_normal(light.shape)
        noise[band] = block
        if progress is not None:
            progress(band.stop / len(clean))
    return noise


def _shot_noise(
    few_stream: np.random.Generator,
    many_stream: np.random.Generator,
    light: np.ndarray,
    shot: float | int,
) -> np.ndarray:
    with np.errstate(over="ignore"):  # a photon of next to nothing
        mean = light / shot
    many = mean >= MANY
    noise = few_stream.poisson(np.where(many, 0.0, mean)) * shot - light
    noise[many] = np.sqrt(shot * light[many]) * many_stream.standard_normal(int(many.sum()))
    return noise
