"""From a clean photograph to a noisy one by way of its mosaic, as a camera makes them.

The noise is put on the mosaic, and demosaicing spreads it over neighbours and colours. Demosaicing
changes the clean image too, so what a noisy photograph has to be compared with is the clean one
that went the same way.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from jaxnoise.cli._layouts import Fractions, Layout
from jaxnoise.errors import DataError
from jaxnoise.raw.bayer import mosaic_rgb
from jaxnoise.raw.demosaicing import LEAST, demosaic_bands
from jaxnoise.raw.levels import from_fraction, to_fraction
from jaxnoise.raw.mosaic import mosaic_to_packed, packed_to_mosaic
from jaxnoise.tiles import Band, RowSource, Window

Draw = Callable[[RowSource], Iterator[Band]]
"""From a clean image, packed if it is a mosaic, as a fraction of full scale in [0, 1], to noise of
the same unit, rows by rows from the top.
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
    """An RGB image with noise that was put on its mosaic; no copy of it is made in floats.

    Args:
        pixels: the clean image as stored, shape (H, W, 3). Overwritten.
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
    levels, packed_levels = _levels(layout, pixels)
    packed = mosaic_to_packed(mosaic_rgb(pixels), PHASE)
    with_noise = _Mosaic(_WithNoise(packed, packed_levels, draw, name), (height, width))
    # Nothing is drawn yet: it is said at once where demosaicing is not installed.
    demosaiced = demosaic_bands(with_noise, phase=PHASE, rows=rows)
    highest = max(float(levels["white_level"]), float(pixels.max()))

    def stored(colours: np.ndarray) -> np.ndarray:
        numbers = from_fraction(colours, np.float32, **levels)
        return np.clip(np.rint(numbers), 0, highest) if pixels.dtype.kind in "iu" else numbers

    noisy = pixels if pixels.flags.writeable else np.empty_like(pixels)
    if not keep_noise and not keep_clean:
        for band, colours in demosaiced:
            noisy[band] = stored(colours)
        return noisy, None, None
    noise = np.empty(pixels.shape, np.float32) if keep_noise else None
    clean = np.empty_like(pixels) if keep_clean else None
    alone = _Mosaic(Fractions(packed, packed_levels, clip=False), (height, width))
    without_noise = demosaic_bands(alone, phase=PHASE, rows=rows)
    for (band, colours), (_, clean_colours) in zip(demosaiced, without_noise, strict=True):
        noisy[band] = stored(colours)
        if noise is not None:
            noise[band] = colours - clean_colours
        if clean is not None:
            clean[band] = stored(clean_colours)
    return noisy, noise, clean


class _WithNoise:
    """Packed raw with noise, as a fraction of full scale: no converter has rounded it yet.

    Rows are asked for from the top; those above the ones that were asked for last are gone.
    """

    def __init__(self, packed: np.ndarray, levels: dict[str, Any], draw: Draw, name: str):
        self._packed, self._levels, self._name = packed, levels, name
        self.shape = packed.shape
        # What lies beyond black and white has the noise of black and white.
        self._noisy = Window(self._bands(draw(Fractions(packed, levels, clip=True))))

    def _bands(self, drawn: Iterator[Band]) -> Iterator[np.ndarray]:
        for rows, noise in drawn:
            check_finite_noise(noise, self._name)
            yield to_fraction(self._packed[rows], **self._levels) + noise

    def __getitem__(self, rows: slice) -> np.ndarray:
        self._noisy.forget(rows.start)
        return self._noisy.rows(rows.start, rows.stop)


class _Mosaic:
    """The mosaic of packed raw, of which only the rows that are asked for are made."""

    def __init__(self, packed: RowSource, size: tuple[int, int]):
        self._packed, self.shape = packed, size

    def __getitem__(self, rows: slice) -> np.ndarray:
        # Bands begin with a whole pair of rows, and only the last one may end within a pair.
        packed = self._packed[slice(rows.start // 2, (rows.stop + 1) // 2)]
        return packed_to_mosaic(packed, PHASE, (rows.stop - rows.start, self.shape[1]))


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
