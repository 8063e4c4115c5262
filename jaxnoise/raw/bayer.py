"""Bayer mosaics: packing to four channels and alignment of the four phases to RGGB."""

import numpy as np
from jaxtyping import Shaped

from jaxnoise.errors import UsageError

# Flips (rows, columns) that turn a phase into RGGB on an image of even size.
_FLIPS = {
    "RGGB": (False, False),
    "GRBG": (False, True),
    "GBRG": (True, False),
    "BGGR": (True, True),
}


def pack(mosaic: Shaped[np.ndarray, "*N H W"]) -> Shaped[np.ndarray, "*N H2 W2 4"]:
    """Packed raw in R, Gr, Gb, B order of an RGGB mosaic.

    Args:
        mosaic: shape (..., H, W) with even H and W, R at the first pixel; any unit.

    Returns:
        Shape (..., H/2, W/2, 4), same dtype and unit.

    Raises:
        UsageError: if H or W is odd.
    """
    _require_even(mosaic.shape[-2:])
    return np.stack(
        [mosaic[..., row::2, column::2] for row in (0, 1) for column in (0, 1)], axis=-1
    )


def unpack(packed: Shaped[np.ndarray, "*N H2 W2 4"]) -> Shaped[np.ndarray, "*N H W"]:
    """RGGB mosaic of packed raw; the inverse of `pack`.

    Args:
        packed: shape (..., H/2, W/2, 4) in R, Gr, Gb, B order; any unit.

    Returns:
        Shape (..., H, W), same dtype and unit.

    Raises:
        UsageError: for another shape.
    """
    if packed.ndim < 3 or packed.shape[-1] != 4:
        raise UsageError(
            f"packed raw has the shape (..., H/2, W/2, 4), not {packed.shape}: pass R, Gr, Gb and "
            "B."
        )
    *batch, height, width, _ = packed.shape
    mosaic = np.empty((*batch, 2 * height, 2 * width), packed.dtype)
    for channel in range(4):
        mosaic[..., channel // 2 :: 2, channel % 2 :: 2] = packed[..., channel]
    return mosaic


def align(
    mosaic: Shaped[np.ndarray, "*N H W"], phase: str, *, by: str = "flip"
) -> Shaped[np.ndarray, "*N H1 W1"]:
    """RGGB mosaic of a mosaic of any Bayer phase.

    Args:
        mosaic: shape (..., H, W) with even H and W; any unit.
        phase: colours of the first 2x2 pixels in reading order: RGGB, GRBG, GBRG or BGGR.
        by: "flip" mirrors the image and keeps every pixel; "crop" keeps the image's orientation and
            drops its first and last row, column or both.

    Returns:
        Shape (..., H, W) after flips, up to two rows and columns less after crops; a view of the
        argument.

    Raises:
        UsageError: if the phase or `by` is unknown or a side is odd.
    """
    if phase not in _FLIPS:
        raise UsageError(f"'{phase}' is not a Bayer phase: choose one of {', '.join(_FLIPS)}.")
    if by not in ("flip", "crop"):
        raise UsageError(f"a mosaic is aligned by 'flip' or by 'crop', not by '{by}'.")
    _require_even(mosaic.shape[-2:])
    rows, columns = _FLIPS[phase]
    if by == "flip":
        return mosaic[..., :: -1 if rows else 1, :: -1 if columns else 1]
    height, width = mosaic.shape[-2:]
    return mosaic[..., int(rows) : height - int(rows), int(columns) : width - int(columns)]


def mosaic_rgb(image: Shaped[np.ndarray, "*N H W 3"]) -> Shaped[np.ndarray, "*N H W"]:
    """RGGB mosaic of a colour image: each pixel keeps the one colour its filter passes.

    Args:
        image: colour, shape (..., H, W, 3), odd H and W included; any unit.

    Returns:
        Shape (..., H, W), same dtype and unit.

    Raises:
        UsageError: for another shape.
    """
    if image.ndim < 3 or image.shape[-1] != 3:
        raise UsageError(f"a colour image has the shape (..., H, W, 3), not {image.shape}.")
    mosaic = image[..., 1].copy()
    mosaic[..., 0::2, 0::2] = image[..., 0::2, 0::2, 0]
    mosaic[..., 1::2, 1::2] = image[..., 1::2, 1::2, 2]
    return mosaic


def _require_even(size: tuple[int, ...]) -> None:
    if len(size) < 2:
        raise UsageError(f"a Bayer mosaic has the shape (..., H, W), not {size}.")
    if size[0] % 2 or size[1] % 2:
        raise UsageError(
            f"a Bayer mosaic has even sides, not {size[0]}x{size[1]}: crop one row or column."
        )
