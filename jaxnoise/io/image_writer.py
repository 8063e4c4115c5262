"""Writing images: PNG, TIFF and NPZ, each file complete or not there at all."""

import hashlib
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import numpy as np
from jaxtyping import Shaped

from jaxnoise.errors import UsageError

TYPES = {
    "PNG": ("uint8", "uint16"),
    "TIFF": ("uint8", "uint16", "float16", "float32", "float64"),
    "NPZ": ("uint8", "uint16", "float16", "float32", "float64"),
}
"""Types of numbers that are written, by format."""


def write_image(
    path: Path,
    image: Shaped[np.ndarray, "*shape"],
    *,
    format: str,
    array_name: str = "image",
    beside: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Writes an image file in one step: after a crash there is the old file, the new one or none.

    Args:
        path: where the file goes; its folder must exist, and an older file there is replaced.
        image: shape (H, W) or (H, W, C), values as they are to be stored, in any byte order. PNG
            holds 1 or 3 channels, TIFF and NPZ any number.
        format: "PNG" (uint8, uint16), "TIFF" or "NPZ" (these and float16, float32, float64),
            whatever the name of the file says.
        array_name: what the array is called in an NPZ file, as a Python name.
        beside: other arrays of an NPZ file, by name.

    Raises:
        UsageError: if the format cannot hold such an image.
        OSError: if the file cannot be written.
    """
    _check(image, format)
    if not array_name.isidentifier():
        raise UsageError(f"'{array_name}' cannot name an array: use letters, digits and _.")
    # Short, so that a name of any length that the system takes can be written.
    short = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]
    temporary = path.with_name(f".{short}.writing")
    # Encoders take the bytes as they lie.
    image = np.asarray(image, image.dtype.newbyteorder("="))
    try:
        with temporary.open("wb") as file:
            if format == "PNG":
                _write_png(file, image)
            elif format == "TIFF":
                _write_tiff(file, image)
            else:
                _write_npz(file, {array_name: image, **(beside or {})})
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _check(image: np.ndarray, format: str) -> None:
    if format not in TYPES:
        raise UsageError(f"{format} images are not written: choose one of {', '.join(TYPES)}.")
    if image.dtype.name not in TYPES[format]:
        raise UsageError(
            f"{format} files are not written with {image.dtype} values: use "
            f"{' or '.join(TYPES[format])}."
        )
    channels = image.shape[2] if image.ndim == 3 else 1
    if image.ndim not in (2, 3) or min(image.shape) < 1:
        raise UsageError(
            f"an image has shape (height, width) or (height, width, channels), not {image.shape}."
        )
    if format == "PNG" and channels not in (1, 3):
        raise UsageError(f"PNG files hold 1 or 3 channels, not {channels}: write TIFF or NPZ.")


def _write_png(file: IO[bytes], image: np.ndarray) -> None:
    from imagecodecs import png_encode

    file.write(png_encode(np.ascontiguousarray(_grey_as_plane(image))))


def _write_tiff(file: IO[bytes], image: np.ndarray) -> None:
    from tifffile import imwrite

    image = _grey_as_plane(image)
    imwrite(
        file,
        np.ascontiguousarray(image),
        photometric="rgb" if image.ndim == 3 and image.shape[2] == 3 else "minisblack",
        planarconfig="contig" if image.ndim == 3 else None,
        metadata=None,
    )


def _grey_as_plane(image: np.ndarray) -> np.ndarray:
    return image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image


def _write_npz(file: IO[bytes], arrays: Mapping[str, np.ndarray]) -> None:
    # numpy.savez takes names as keywords, of which some already mean something else.
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.ascontiguousarray(array))
