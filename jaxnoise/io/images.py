"""Guarded reading of images that strangers made: PNG, TIFF, NPZ, JPEG and WebP."""

import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Shaped

from jaxnoise.errors import DataError
from jaxnoise.io import npz_reader, photo_reader, png_reader, stored_image, tiff_reader
from jaxnoise.io.regular_files import open_regular
from jaxnoise.io.stored_image import KEEP, MAX_PIXELS, RAISE, Decoded, Levels, Limits, upright

PHOTOGRAPHS = ("JPEG", "WEBP")
"""Formats of photographs, whose numbers are not linear in light; they are read and not written."""
_DECODERS = {
    "PNG": png_reader.decode_png,
    "TIFF": tiff_reader.decode_tiff,
    "NPZ": npz_reader.decode_npz,
    **dict.fromkeys(PHOTOGRAPHS, photo_reader.decode_photo),
}


class StoredImage(NamedTuple):
    """An image and what a file of its kind says about it.

    Attributes:
        pixels: shape (H, W, C), C = 1 for grey, upright and without an opaque alpha channel; uint8
            (full scale 255), uint16 (65535) or finite float32 (unit as stored).
        format: "PNG", "TIFF", "NPZ", "JPEG" or "WEBP".
        dtype: type of the stored numbers: that of `pixels`, float16 or float64.
        shape: shape of the stored array as `pixels` show it: (H, W) or (H, W, C).
        array_name: name of the array in an NPZ file, "image" in other formats.
        levels: what the file itself says of its numbers.
        turned: whether the file states an orientation by which `pixels` differ from what is stored.
    """

    pixels: np.ndarray
    format: str
    dtype: np.dtype
    shape: tuple[int, ...]
    array_name: str
    levels: Levels = Levels()
    turned: bool = False


def read_image(path: Path, *, max_pixels: int = MAX_PIXELS) -> Shaped[np.ndarray, "H W C"]:
    """Image of a PNG, TIFF, NPZ, JPEG or WebP file, as a viewer would turn it.

    Args:
        path: the file; its first bytes, not its name, tell the format.
        max_pixels: images with more pixels are refused before anything is decompressed, and so are
            those with more than 680 MB of them or files of more than 2 GiB; these two limits grow
            with this one.

    Returns:
        Shape (H, W, C), C = 1 for grey; uint8 (full scale 255), uint16 (65535) or finite float32
        (unit as stored).

    Raises:
        DataError: if the file is missing, no regular file, too large, damaged or of another kind.
    """
    return read_stored(path, max_pixels=max_pixels).pixels


def read_stored(path: Path, *, max_pixels: int = MAX_PIXELS) -> StoredImage:
    """Image of a file with what is needed to write another of its kind.

    Args:
        path: the file; its first bytes, not its name, tell the format.
        max_pixels: as for `read_image`.

    Returns:
        The pixels as `read_image` gives them, format, stored type and shape.

    Raises:
        DataError: if the file is missing, no regular file, too large, damaged or of another kind.
    """
    most = Limits(max_pixels).grown(stored_image.MAX_FILE_BYTES)
    file, _ = open_regular(path, at_most=most, advice=RAISE)
    with file:
        try:
            return _decode(file, str(path), Limits(max_pixels))
        except OSError as error:
            raise DataError(f"cannot read {path} ({error.strerror}): check the path.") from error


def decode_image(
    data: bytes, name: str, *, max_pixels: int = MAX_PIXELS
) -> Shaped[np.ndarray, "H W C"]:
    """Image of a file's bytes; see `read_image`.

    Args:
        data: content of a file. An NPZ file holds one array, or one under the key "image" or "raw".
        name: what to call the file in errors.
        max_pixels: as for `read_image`.

    Returns:
        Shape (H, W, C); uint8, uint16 or finite float32.

    Raises:
        DataError: if the bytes are no such image.
    """
    return decode_stored(data, name, max_pixels=max_pixels).pixels


def decode_stored(data: bytes, name: str, *, max_pixels: int = MAX_PIXELS) -> StoredImage:
    """Image of a file's bytes with what is needed to write another of its kind.

    Args:
        data: content of a file, as for `decode_image`.
        name: what to call the file in errors.
        max_pixels: as for `read_image`.

    Returns:
        The pixels as `decode_image` gives them, format, stored type and shape.

    Raises:
        DataError: if the bytes are no such image.
    """
    return _decode(io.BytesIO(data), name, Limits(max_pixels))


def _decode(file: io.BufferedIOBase, name: str, limits: Limits) -> StoredImage:
    format = _format(file.read(16), name)
    file.seek(0)
    try:
        decoded = _DECODERS[format](file, name, limits)
    except DataError:
        raise
    except MemoryError as error:
        raise DataError(f"{name} does not fit into memory: cut the image into parts.") from error
    except Exception as error:  # decoders raise many kinds for damaged files
        raise DataError(
            f"{name} cannot be decoded: copy it again from its source or leave it out."
        ) from error
    image, turned = upright(_without_alpha(decoded, name), decoded.orientation), decoded.orientation
    dtype, shape = image.dtype.newbyteorder("="), image.shape
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            image = image.astype(np.float32, copy=False)
        if not np.isfinite(image).all():
            raise DataError(
                f"{name} holds NaN or infinite values: repair the file or leave it out."
            )
    pixels = np.ascontiguousarray(image if image.ndim == 3 else image[..., None])
    return StoredImage(
        pixels, format, dtype, shape, decoded.array_name, decoded.levels, turned != 1
    )


def _format(start: bytes, name: str) -> str:
    if start.startswith(png_reader.SIGNATURE):
        return "PNG"
    if start[:4] in tiff_reader.SIGNATURES:
        return "TIFF"
    if start.startswith(b"PK\x03\x04"):
        return "NPZ"
    if start.startswith(photo_reader.JPEG):
        return "JPEG"
    if start.startswith(photo_reader.RIFF) and start[8:12] == b"WEBP":
        return "WEBP"
    raise DataError(f"{name} is neither PNG, TIFF, NPZ, JPEG nor WebP: {KEEP}.")


def _without_alpha(decoded: Decoded, name: str) -> np.ndarray:
    """The image without its alpha channel, which is opaque everywhere."""
    image = decoded.image
    if not decoded.alpha:
        return image
    opaque = 1 if image.dtype.kind == "f" else np.iinfo(image.dtype).max
    if (image[..., -1] != opaque).any():
        raise DataError(
            f"{name} has an alpha channel that is not opaque: save it without transparency."
        )
    return image[..., 0] if image.shape[2] == 2 else image[..., :-1]
