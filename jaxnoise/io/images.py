"""Guarded reading of images that strangers made: PNG, TIFF and NPZ."""

import io
import logging
import math
import stat
import struct
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Shaped

from jaxnoise.errors import DataError

MAX_PIXELS = 150_000_000
MAX_CHANNELS = 16
MAX_FILE_BYTES = 2 * 2**30
MAX_IMAGE_BYTES = 2 * 2**30
"""Of the decoded pixels, in the type that the file stores."""

_DTYPES = tuple(np.dtype(kind) for kind in (np.uint8, np.uint16, np.float32, np.float64))
_PNG_CHANNELS = {0: 1, 2: 3, 3: 3}
# What numpy writes. Others are inflated whole, however little is asked for.
_ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_KEEP = "save it as 8-bit, 16-bit or float32 PNG, TIFF or NPZ"


class StoredImage(NamedTuple):
    """An image and what a file of its kind says about it.

    Attributes:
        pixels: shape (H, W, C), C = 1 for grey; uint8 (full scale 255), uint16 (65535) or finite
            float32 (unit as stored).
        format: "PNG", "TIFF" or "NPZ".
        dtype: type of the stored numbers: that of `pixels`, or float64.
        shape: shape of the stored array: (H, W) or (H, W, C).
        array_name: name of the array in an NPZ file, "image" in other formats.
    """

    pixels: np.ndarray
    format: str
    dtype: np.dtype
    shape: tuple[int, ...]
    array_name: str


def read_image(path: Path, *, max_pixels: int = MAX_PIXELS) -> Shaped[np.ndarray, "H W C"]:
    """Image of a PNG, TIFF or NPZ file, as stored.

    Args:
        path: the file; its first bytes, not its name, tell the format.
        max_pixels: images with more pixels, or with more than `MAX_IMAGE_BYTES` of them, are
            refused before anything is decompressed.

    Returns:
        Shape (H, W, C), C = 1 for grey; uint8 (full scale 255), uint16 (65535) or finite float32
        (unit as stored).

    Raises:
        DataError: if the file is missing, too large, damaged or of another kind.
    """
    return read_stored(path, max_pixels=max_pixels).pixels


def read_stored(path: Path, *, max_pixels: int = MAX_PIXELS) -> StoredImage:
    """Image of a PNG, TIFF or NPZ file with what is needed to write another of its kind.

    Args:
        path: the file; its first bytes, not its name, tell the format.
        max_pixels: as for `read_image`.

    Returns:
        The pixels as `read_image` gives them, format, stored type and shape.

    Raises:
        DataError: if the file is missing, too large, damaged or of another kind.
    """
    try:
        found = path.stat()
        if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
            raise DataError(f"{path} is no file: check the path.")  # a pipe would never end
        if found.st_size > MAX_FILE_BYTES:
            raise DataError(
                f"{path} is larger than {MAX_FILE_BYTES // 2**30} GiB: cut the image into parts."
            )
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path} ({error.strerror}): check the path.") from error
    return decode_stored(data, str(path), max_pixels=max_pixels)


def decode_image(
    data: bytes, name: str, *, max_pixels: int = MAX_PIXELS
) -> Shaped[np.ndarray, "H W C"]:
    """Image of a file's bytes; see `read_image`.

    Args:
        data: content of a PNG, TIFF or NPZ file. An NPZ file holds one array, or one under the key
            "image".
        name: what to call the file in errors.
        max_pixels: images with more pixels, or with more than `MAX_IMAGE_BYTES` of them, are
            refused before anything is decompressed.

    Returns:
        Shape (H, W, C); uint8, uint16 or finite float32.

    Raises:
        DataError: if the bytes are no such image.
    """
    return decode_stored(data, name, max_pixels=max_pixels).pixels


def decode_stored(data: bytes, name: str, *, max_pixels: int = MAX_PIXELS) -> StoredImage:
    """Image of a file's bytes with what is needed to write another of its kind.

    Args:
        data: content of a PNG, TIFF or NPZ file, as for `decode_image`.
        name: what to call the file in errors.
        max_pixels: as for `decode_image`.

    Returns:
        The pixels as `decode_image` gives them, format, stored type and shape.

    Raises:
        DataError: if the bytes are no such image.
    """
    format = _format(data, name)
    try:
        image, array_name = _DECODERS[format](data, name, max_pixels)
    except DataError:
        raise
    except MemoryError as error:
        raise DataError(f"{name} does not fit into memory: cut the image into parts.") from error
    except Exception as error:  # decoders raise many kinds for damaged files
        raise DataError(
            f"{name} cannot be decoded: copy it again from its source or leave it out."
        ) from error
    dtype, shape = image.dtype.newbyteorder("="), image.shape
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            image = image.astype(np.float32)
        if not np.isfinite(image).all():
            raise DataError(
                f"{name} holds NaN or infinite values: repair the file or leave it out."
            )
    pixels = np.ascontiguousarray(image if image.ndim == 3 else image[..., None])
    return StoredImage(pixels, format, dtype, shape, array_name)


def _format(data: bytes, name: str) -> str:
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "TIFF"
    if data.startswith(b"PK\x03\x04"):
        return "NPZ"
    raise DataError(f"{name} is neither PNG, TIFF nor NPZ: {_KEEP}.")


def _decode_png(data: bytes, name: str, max_pixels: int) -> tuple[np.ndarray, str]:
    from imagecodecs import png_decode

    length, kind, width, height, bits, colour = struct.unpack(">I4sIIBB", data[8:26])
    if (length, kind) != (13, b"IHDR"):
        raise ValueError("a PNG file starts with its header")
    if colour in (4, 6):
        raise DataError(f"{name} has an alpha channel: save it without transparency.")
    dtype = np.dtype(np.uint16 if bits == 16 else np.uint8)
    _check_size((height, width, _PNG_CHANNELS[colour]), dtype, name, max_pixels)
    image = png_decode(data)
    if image.shape not in ((height, width), (height, width, 3)):
        raise DataError(f"{name} has an alpha channel: save it without transparency.")
    return image, "image"


def _decode_tiff(data: bytes, name: str, max_pixels: int) -> tuple[np.ndarray, str]:
    from tifffile import PHOTOMETRIC, TiffFile, TiffPage

    # Its warnings about damaged tags come on top of the one sentence that a damaged file gets.
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    with TiffFile(io.BytesIO(data)) as file:
        page = file.pages[0]
        if len(file.pages) != 1 or not isinstance(page, TiffPage):
            raise DataError(f"{name} has several pages: save one image per file.")
        dtype, axes = page.dtype, page.axes
        if dtype is None or axes not in ("YX", "YXS", "SYX"):
            raise DataError(f"{name} is not one flat image: {_KEEP}.")
        _check_dtype(dtype, name)
        shape = page.shape if axes != "SYX" else (*page.shape[1:], page.shape[0])
        _check_size(shape, dtype, name, max_pixels)
        if page.is_tiled:  # whole tiles are decoded, however little of them the image fills
            _check_size((page.tilelength, page.tilewidth, *shape[2:]), dtype, name, max_pixels)
        if page.photometric not in (PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.RGB, PHOTOMETRIC.CFA):
            raise DataError(f"{name} is neither grey nor RGB: {_KEEP}.")
        if any(sample in (1, 2) for sample in page.extrasamples):
            raise DataError(
                f"{name} has an alpha channel: save it without transparency, and packed raw with "
                "the photometric interpretation minisblack or as NPZ."
            )
        # Parts that the file does not contain would be read as zeros.
        ends = [a + b for a, b in zip(page.dataoffsets, page.databytecounts, strict=True)]
        if not ends or max(ends) > len(data) or min(page.databytecounts) <= 0:
            raise ValueError("the file ends before its image")
        image = page.asarray()
    return np.moveaxis(image, 0, -1) if axes == "SYX" else image, "image"


def _decode_npz(data: bytes, name: str, max_pixels: int) -> tuple[np.ndarray, str]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [info for info in archive.infolist() if not info.is_dir()]
        named = [info for info in members if info.filename == "image.npy"]
        if not named and len(members) != 1:
            raise DataError(
                f"{name} holds {len(members)} arrays and none is called image: save one array."
            )
        member = (named or members)[0]
        if member.compress_type not in _ZIP_METHODS:
            raise DataError(
                f"{name} is compressed in an unusual way: save it with numpy.savez_compressed."
            )
        with archive.open(member) as file:
            # Version 2 is for structured types, and its header may declare gigabytes.
            if np.lib.format.read_magic(file) != (1, 0):
                raise DataError(
                    f"{name} holds no plain array: save it with numpy.savez(file, image=array)."
                )
            shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(file)
            _check_dtype(dtype, name)
            _check_size(shape, dtype, name, max_pixels)
            size = math.prod(shape) * dtype.itemsize
            if member.file_size != file.tell() + size:
                raise ValueError("the declared size is not that of the array")
            content = file.read(size)
            if len(content) != size or file.read(1):
                raise ValueError("the array is not of its declared size")
    image = np.frombuffer(content, dtype).reshape(shape, order="F" if fortran_order else "C")
    # A name from a stranger's archive may lead out of the folder where the next one is unpacked.
    array_name = member.filename.removesuffix(".npy")
    array_name = array_name if array_name.isidentifier() else "image"
    return image.astype(dtype.newbyteorder("=")), array_name


_DECODERS = {"PNG": _decode_png, "TIFF": _decode_tiff, "NPZ": _decode_npz}


def _check_dtype(dtype: np.dtype, name: str) -> None:
    if dtype.newbyteorder("=") not in _DTYPES:
        raise DataError(f"{name} holds {dtype} values: {_KEEP}.")


def _check_size(shape: tuple[int, ...], dtype: np.dtype, name: str, max_pixels: int) -> None:
    """Refuse what a file declares to be no image or too large a one, before it is decoded."""
    if len(shape) not in (2, 3) or min(shape) < 1:
        raise DataError(
            f"{name} has shape {shape}: an image is (height, width) or (height, width, channels)."
        )
    if shape[0] * shape[1] > max_pixels:
        raise DataError(
            f"{name} has {shape[0]}x{shape[1]} pixels, more than {max_pixels:,}: cut the image "
            "into parts."
        )
    if len(shape) == 3 and shape[2] > MAX_CHANNELS:
        raise DataError(
            f"{name} has {shape[2]} channels, more than {MAX_CHANNELS}: store channels last."
        )
    size = math.prod(shape) * dtype.itemsize
    if size > MAX_IMAGE_BYTES:
        raise DataError(
            f"{name} holds {size:,} bytes of pixels, more than {MAX_IMAGE_BYTES:,}: cut the image "
            "into parts."
        )
