"""From Bayer mosaics to colour images, by the demosaicing of Menon and others (2007)."""

import functools
import warnings
from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Float

from jaxnoise.checks import check_fractions
from jaxnoise.errors import UsageError
from jaxnoise.raw.mosaic import PHASES
from jaxnoise.tiles import RowSource, bands, rows_at_a_time

REACH = 12
"""Rows above and below that are given to a band, even, so that a phase stays as it is. A pixel's
colours depend on at most 10: the directions on 6 (colour differences of 2, compared 2 apart, summed
over 2), their neighbours' on 2 more, and each step of refining on one or two."""
BAND_PIXELS = 2**19
"""Pixels worked on at a time where the number of rows is left open, for each of which about 190
bytes are needed."""
LEAST = 2

Demosaic = Callable[..., np.ndarray]


def demosaic(
    mosaic: Float[np.ndarray, "H W"], *, phase: str = "RGGB", rows: int | None = None
) -> Float[np.ndarray, "H W 3"]:
    """Colour image of a mosaic.

    Args:
        mosaic: shape (H, W), both at least 2, odd ones included; any unit.
        phase: colours of the first 2x2 pixels in reading order: RGGB, GRBG, GBRG or BGGR.
        rows: worked on at a time, which changes the memory and not the result; None: chosen, for
            about 100 MB beside the mosaic and the image.

    Returns:
        Shape (H, W, 3), same dtype and unit, not clipped; each pixel keeps the colour that it had.

    Raises:
        UsageError: for another shape, integers, an unknown phase, or where the package
            colour-demosaicing is missing.

    Source: Menon, Andriani, Calvagno 2007, Demosaicing With Directional Filtering and a posteriori
        Decision, with its refining step.
    """
    image = np.empty((*mosaic.shape[:2], 3), mosaic.dtype)
    for band, colours in demosaic_bands(mosaic, phase=phase, rows=rows):
        image[band] = colours
    return image


def demosaic_bands(
    mosaic: Float[np.ndarray, "H W"] | RowSource, *, phase: str = "RGGB", rows: int | None = None
) -> Iterator[tuple[slice, Float[np.ndarray, "h W 3"]]]:
    """What `demosaic` gives, rows by rows from the top.

    Args:
        mosaic: as for `demosaic`, or anything else of shape (H, W) that gives rows of such a mosaic
            as floats. They are asked for from the top, each band with up to 12 rows above and below
            it, so that rows are asked for again, but none above those of the band before.
        phase: as for `demosaic`.
        rows: as for `demosaic`.

    Returns:
        An iterator of rows and their colours.

    Raises:
        UsageError: as for `demosaic`.
    """
    if isinstance(mosaic, np.ndarray):
        check_fractions(mosaic=mosaic)
    if len(mosaic.shape) != 2 or min(mosaic.shape) < LEAST:
        raise UsageError(
            f"a mosaic of shape {mosaic.shape} cannot be demosaiced: give one of shape (H, W) and "
            f"at least {LEAST}x{LEAST} pixels."
        )
    if phase not in PHASES:
        raise UsageError(f"'{phase}' is not a Bayer phase: choose one of {', '.join(PHASES)}.")
    rows = rows_at_a_time(rows, mosaic.shape[1], most=BAND_PIXELS)
    return _bands(mosaic, phase, rows + rows % 2, _menon())


def _bands(
    mosaic: np.ndarray | RowSource, phase: str, rows: int, menon: Demosaic
) -> Iterator[tuple[slice, np.ndarray]]:
    height = mosaic.shape[0]
    for band in bands(height, rows):
        start = max(0, band.start - REACH)
        seen = mosaic[start : min(height, band.stop + REACH)]
        colours = menon(seen, phase)[band.start - start : band.stop - start]
        yield band, colours.astype(seen.dtype)


@functools.cache
def _menon() -> Demosaic:
    """The function of the package, which is imported when it is first needed."""
    try:
        # It imports names from where scipy deprecates them, says that it could draw if matplotlib
        # were there, and sets how numpy prints.
        with warnings.catch_warnings(), np.printoptions():
            warnings.simplefilter("ignore")
            from colour_demosaicing import demosaicing_CFA_Bayer_Menon2007
    except ImportError as error:
        raise UsageError(
            f"demosaicing needs the package colour-demosaicing ({error}): pip install "
            "colour-demosaicing, or jaxnoise with [demosaic]."
        ) from error
    return demosaicing_CFA_Bayer_Menon2007
