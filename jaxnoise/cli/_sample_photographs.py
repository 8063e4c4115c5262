"""From a clean photograph to a noisy one by way of its mosaic, as a camera makes them.

The noise is put on the mosaic, and demosaicing spreads it over neighbours and colours. Demosaicing
changes the clean image too, so what a noisy photograph has to be compared with is the clean one
that went the same way.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from jaxnoise.cli._layouts import Layout
from jaxnoise.cli._sample_sources import Band, Light
from jaxnoise.errors import DataError
from jaxnoise.raw.bayer import mosaic_rgb
from jaxnoise.raw.demosaicing import LEAST, demosaic_bands
from jaxnoise.raw.levels import from_fraction, to_fraction
from jaxnoise.raw.mosaic import mosaic_to_packed, packed_to_mosaic

Draw = Callable[[Light, tuple[int, ...]], Iterator[Band]]
"""From a function that gives rows of a clean image, packed if it is a mosaic, as a fraction of full
scale in [0, 1], and the shape of the image, to noise of the same unit, rows by rows from the top.
"""
PHASE = "RGGB"


def noisy_photograph(
    pixels: np.ndarray,
    layout: Layout,
    draw: Draw,
    *,
    name: str,
    keep_noise: bool,
    keep_clean: bool,
    rows: int | None,
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """An RGB image with noise that was put on its mosaic.

    Args:
        pixels: the clean image as stored, shape (H, W, 3).
        layout: what its numbers mean.
        draw: of the noise, for packed raw.
        name: what to call the image in errors.
        keep_noise: whether the noise alone is wanted.
        keep_clean: whether the clean image is wanted.
        rows: that are demosaiced at a time; None leaves it open.

    Returns:
        The noisy image in the units and type of `pixels`; what the noise has become, as a fraction
        of full scale, or None; the clean image after mosaic and demosaicing, or None; all of the
        shape of `pixels`.

    Raises:
        UsageError: the levels do not fit the image, or demosaicing is not installed.
        DataError: floats are beyond [0, 1] without a stated white level, the image is too small, or
            the noise is not finite.
    """
    layout.check_floats(pixels, name)
    height, width = pixels.shape[:2]
    if min(height, width) < LEAST:
        raise DataError(
            f"{name} has {height}x{width} pixels, too few for a mosaic: give at least "
            f"{LEAST}x{LEAST}, or leave it out."
        )
    size = (height, width)
    levels, packed_levels = _levels(layout, pixels)
    noisy_mosaic = np.empty(size, np.float32)
    # Made before the noise, so that it is said at once where demosaicing is not installed.
    demosaiced = demosaic_bands(noisy_mosaic, phase=PHASE, rows=rows)
    packed = mosaic_to_packed(mosaic_rgb(pixels), PHASE)
    noisy_mosaic[:] = packed_to_mosaic(_with_noise(packed, packed_levels, draw, name), PHASE, size)
    highest = max(float(levels["white_level"]), float(pixels.max()))

    def stored(colours: np.ndarray) -> np.ndarray:
        numbers = from_fraction(colours, np.float32, **levels)
        return np.clip(np.rint(numbers), 0, highest) if pixels.dtype.kind in "iu" else numbers

    noisy = np.empty_like(pixels)
    if not keep_noise and not keep_clean:
        for band, colours in demosaiced:
            noisy[band] = stored(colours)
        return noisy, None, None
    noise = np.empty(pixels.shape, np.float32) if keep_noise else None
    clean = np.empty_like(pixels) if keep_clean else None
    clean_mosaic = packed_to_mosaic(to_fraction(packed, **packed_levels), PHASE, size)
    without_noise = demosaic_bands(clean_mosaic, phase=PHASE, rows=rows)
    for (band, colours), (_, clean_colours) in zip(demosaiced, without_noise, strict=True):
        noisy[band] = stored(colours)
        if noise is not None:
            noise[band] = colours - clean_colours
        if clean is not None:
            clean[band] = stored(clean_colours)
    return noisy, noise, clean


def _with_noise(packed: np.ndarray, levels: dict[str, Any], draw: Draw, name: str) -> np.ndarray:
    """Packed raw with noise, as a fraction of full scale: no converter has rounded it yet."""

    def light(rows: slice) -> np.ndarray:
        clean = to_fraction(packed[rows], **levels)
        # What lies beyond black and white has the noise of black and white.
        return np.clip(clean, 0.0, 1.0, out=clean)

    noisy = np.empty(packed.shape, np.float32)
    for rows, noise in draw(light, packed.shape):
        check_finite_noise(noise, name)
        noisy[rows] = to_fraction(packed[rows], **levels) + noise
    return noisy


def _levels(layout: Layout, pixels: np.ndarray) -> tuple[dict[str, Any], dict[str, Any]]:
    """The levels of an RGB image, and those of the packed raw of its mosaic."""
    levels = layout.levels(pixels.dtype)
    to_fraction(pixels[:1, :1], **levels)  # refuses levels that do not fit
    red, green, blue = np.broadcast_to(levels["black_level"], 3)
    return levels, {**levels, "black_level": np.array([red, green, green, blue])}


def check_finite_noise(noise: np.ndarray, name: str) -> None:
    """Refuses noise that is no number.

    Args:
        noise: any shape.
        name: of the image, for the sentence.

    Raises:
        DataError: some of it is infinite or no number.
    """
    if not np.isfinite(noise).all():
        raise DataError(
            f"the noise for {name} is not finite: use a smaller --temperature or another model."
        )
