"""Bayer mosaics of any phase and size, odd ones included, as packed raw and back."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Shaped

from jaxnoise.errors import UsageError
from jaxnoise.raw.bayer import pack, unpack

# Row and column of red among the first 2x2 pixels.
_RED = {"RGGB": (0, 0), "GRBG": (0, 1), "GBRG": (1, 0), "BGGR": (1, 1)}
PHASES = tuple(_RED)


def mosaic_to_packed(
    mosaic: Shaped[np.ndarray, "*N H W"], phase: str
) -> Shaped[np.ndarray, "*N H2 W2 4"]:
    """Packed raw that holds every pixel of a mosaic of any phase and size.

    The image keeps its orientation. Where the mosaic begins or ends amid a 2x2 square, the colours
    that the square lacks repeat their nearest neighbours of the same colour, if there are any.

    Args:
        mosaic: shape (..., H, W), H and W at least 1; any unit.
        phase: colours of the first 2x2 pixels in reading order: RGGB, GRBG, GBRG or BGGR.

    Returns:
        Shape (..., (H + r + 1) // 2, (W + c + 1) // 2, 4) in R, Gr, Gb, B order with (r, c) the
        place of red in the phase; same dtype and unit.

    Raises:
        UsageError: if the phase is unknown or the mosaic has no pixels.
    """
    red = _red(phase)
    if min(mosaic.shape[-2:]) < 1:
        raise UsageError("a mosaic without pixels cannot be packed: give one of at least 1x1.")
    rows, columns = (
        _covering(length, first) for length, first in zip(mosaic.shape[-2:], red, strict=True)
    )
    if (len(rows), len(columns)) != mosaic.shape[-2:]:
        mosaic = mosaic[..., rows[:, None], columns]
    return pack(mosaic)


def packed_to_mosaic(
    packed: Shaped[np.ndarray, "*N H2 W2 4"], phase: str, size: Sequence[int]
) -> Shaped[np.ndarray, "*N H W"]:
    """The mosaic of packed raw; the inverse of `mosaic_to_packed`.

    Args:
        packed: in R, Gr, Gb, B order; any unit.
        phase: colours of the first 2x2 pixels in reading order: RGGB, GRBG, GBRG or BGGR.
        size: (H, W) of the mosaic.

    Returns:
        Shape (..., H, W), same dtype and unit.

    Raises:
        UsageError: if the phase is unknown or packed raw of this shape is not that of such a
            mosaic.
    """
    red, (height, width) = _red(phase), size
    expected = ((height + red[0] + 1) // 2, (width + red[1] + 1) // 2, 4)
    if packed.shape[-3:] != expected or min(size) < 1:
        raise UsageError(
            f"packed raw of a {height}x{width} mosaic with phase {phase} has shape {expected}, not "
            f"{packed.shape[-3:]}: give the size and phase that it was packed with."
        )
    whole = unpack(packed)
    return whole[..., red[0] : red[0] + height, red[1] : red[1] + width]


def by_channel(values: Sequence[int | float], phase: str) -> list[int | float]:
    """Four values in a phase's reading order, rearranged to R, Gr, Gb, B.

    Args:
        values: of the first 2x2 pixels of a mosaic in reading order, for instance black levels.
        phase: colours of these pixels: RGGB, GRBG, GBRG or BGGR.

    Returns:
        The four values in the order of packed raw.

    Raises:
        UsageError: if the phase is unknown or there are not four values.
    """
    row, column = _red(phase)
    if len(values) != 4:
        raise UsageError(f"a Bayer pattern has four places, not {len(values)}: give four values.")
    return [values[2 * (row ^ down) + (column ^ right)] for down in (0, 1) for right in (0, 1)]


def _red(phase: str) -> tuple[int, int]:
    if phase not in _RED:
        raise UsageError(f"'{phase}' is not a Bayer phase: choose one of {', '.join(PHASES)}.")
    return _RED[phase]


def _covering(length: int, first: int) -> np.ndarray:
    """Indices of the pixels, the nearest of the same parity beyond the border, that fill whole
    pairs of which the first begins `first` pixels before the border.
    """
    places = np.arange(-first, length + (length + first) % 2)
    inside = np.where(places < 0, places + 2, np.where(places >= length, places - 2, places))
    return np.clip(inside, 0, length - 1)
