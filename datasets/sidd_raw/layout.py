"""How a mosaic of SIDD becomes packed raw: values, orientation, Bayer phase, order of channels."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jaxnoise.errors import DataError
from jaxnoise.io.mat import MatReader
from jaxnoise.raw.bayer import align, pack

CAMERAS = ("IP", "GP", "S6", "N6", "G4")
PHASES = {"IP": "RGGB", "GP": "BGGR", "S6": "GRBG", "N6": "BGGR", "G4": "BGGR"}
# Values are normalised by black and white level, so that noise may step over 0 and 1, but not far.
LOWEST, HIGHEST = -1.0, 2.0
_CLOCKWISE = [0, 1, 3, 2]


@dataclass(frozen=True)
class Layout:
    """What is done to a mosaic before it is cut into patches.

    Attributes:
        packing: order of the four channels among the pixels of a 2x2 cell: "reading" (upper left,
            upper right, lower left, lower right) or "clockwise" (the last two exchanged).
        align: whether the image is mirrored so that the upper left pixel is red; the channels are
            then R, Gr, Gb, B in reading order.
        transposed: whether the image stays as HDF5 stores it, rows and columns exchanged.
    """

    packing: str = "reading"
    align: bool = True
    transposed: bool = False


PUBLISHED = Layout(packing="clockwise", align=False, transposed=True)
"""What the code published with Noise Flow feeds its model."""


def to_packed(mosaic: np.ndarray, phase: str, layout: Layout) -> np.ndarray:
    """Packed raw of a mosaic.

    Args:
        mosaic: shape (..., H, W) with even H and W, in the orientation of the sensor; any unit.
        phase: its Bayer phase, colours of the first 2x2 pixels in reading order.
        layout: what to do with it.

    Returns:
        Shape (..., H/2, W/2, 4), or (..., W/2, H/2, 4) where the layout is transposed.
    """
    if layout.transposed:
        mosaic = mosaic.swapaxes(-1, -2)
        phase = phase[0] + phase[2] + phase[1] + phase[3]
    packed = pack(align(mosaic, phase) if layout.align else mosaic)
    return packed[..., _CLOCKWISE] if layout.packing == "clockwise" else packed


def read_mosaic(reader: MatReader, path: Path) -> tuple[np.ndarray, int]:
    """Mosaic of a file with one variable, as a fraction of full scale.

    Args:
        reader: of MAT files.
        path: the file.

    Returns:
        The mosaic, shape (H, W), in [0, 1], float32; and how many of its values were NaN, which
        are 0 now.

    Raises:
        DataError: if the file is damaged or holds anything else.
    """
    values = reader.read(path)
    if not (isinstance(values, np.ndarray) and values.ndim == 2):
        raise DataError(f"{path} holds no image: copy it again from its source.")
    if values.shape[0] % 2 or values.shape[1] % 2:
        raise DataError(
            f"{path} holds {values.shape[0]}x{values.shape[1]} pixels, and a Bayer mosaic has even "
            "sides: copy it again from its source."
        )
    return to_fractions(values, path)


def to_fractions(values: np.ndarray, path: Path) -> tuple[np.ndarray, int]:
    """Values of a file with NaN set to 0 and all clipped to [0, 1].

    Args:
        values: any shape, normalised by black and white level.
        path: named in errors.

    Returns:
        The same shape in [0, 1], float32; and how many values were NaN.

    Raises:
        DataError: if values are no floats or far out of range, as those of damaged files are.
    """
    if values.dtype.kind != "f":
        raise DataError(
            f"{path} holds {values.dtype} values and not fractions of full scale: normalise them "
            "by black and white level."
        )
    absent = np.isnan(values)
    if 2 * absent.sum() > absent.size:
        raise DataError(
            f"most values of {path} are no numbers (NaN): copy it again from its source."
        )
    values = np.where(absent, values.dtype.type(0), values)
    if not (LOWEST <= values.min() and values.max() <= HIGHEST):
        raise DataError(
            f"{path} has values from {values.min():.4g} to {values.max():.4g} where fractions of "
            "full scale are expected: copy it again from its source."
        )
    return np.clip(values, 0, 1).astype(np.float32, copy=False), int(absent.sum())
