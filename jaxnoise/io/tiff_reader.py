"""TIFF files: one flat image of whole numbers of bytes, or a sentence."""

import io
import logging
from typing import IO, Any, cast

import numpy as np

from jaxnoise.errors import DataError
from jaxnoise.io.photo_reader import MAX_SCANS, Photo, jpeg_header, webp_header
from jaxnoise.io.stored_image import KEEP, Decoded, Limits, check_dtype
from jaxnoise.io.tiff_directory import Directory, read_directory

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# Numbers of tags, as TIFF 6.0 and the DNG specification list them.
_KIND, _SUB_DIRECTORIES, _DNG, _BITS = 254, 330, 50706, 258
_PARTS = (273, 279, 324, 325)
_REDUCED = 1
_RAW = "convert it to a 16-bit TIFF of its raw numbers (for example with rawpy or dcraw -D -4 -T)"
# Decoders of these stop at a size that they are told; those of other codes take what comes.
_BOUNDED = {1, 5, 8, 32773, 32946, 50000}
_JPEG, _WEBP = 7, 50001
_HEADERS = {_JPEG: jpeg_header, _WEBP: webp_header}


def decode_tiff(file: io.BufferedIOBase, name: str, limits: Limits) -> Decoded:
    """Image of a TIFF file.

    Args:
        file: its content, searchable.
        name: what to call it in errors.
        limits: that it must keep.

    Returns:
        Numbers of 8 or 16 bits, or floats of 16, 32 or 64.

    Raises:
        DataError: if it is too large or of a kind that is not read.
        Exception: of any kind, if it is damaged.
    """
    from tifffile import TiffFile, TiffPage

    directory = read_directory(file)
    _check_directory(file, directory, name, limits)
    # Its warnings about damaged tags come on top of the one sentence that a damaged file gets.
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    file.seek(0)
    with TiffFile(cast(IO[bytes], file)) as opened:
        page: Any = opened.pages[0]
        if not isinstance(page, TiffPage):
            raise ValueError("no page")
        shape = _check_page(page, directory, name, limits)
        _check_parts(file, page, name, limits)
        image = page.asarray()
        planes_first, alpha = page.axes == "SYX", _has_alpha(page, shape, name)
    if planes_first:
        image = np.moveaxis(image, 0, -1)
    return Decoded(image, orientation=directory.orientation, alpha=alpha)


def _check_directory(file: io.BufferedIOBase, found: Directory, name: str, limits: Limits) -> None:
    """Refuses what a library would read as something else, or read for ever."""
    for tag in _PARTS:
        limits.check_parts(found.counts.get(tag, 0), "strips or tiles", name)
    if max(found.counts.get(tag, 0) for tag in (_SUB_DIRECTORIES, _BITS)) > 65535:
        raise ValueError("too many numbers")
    if _DNG in found.counts:
        raise DataError(f"{name} is a DNG, a camera's raw file: {_RAW}.")
    if found.numbers.get(_KIND, (0,))[:1] == (_REDUCED,):
        raise DataError(
            f"{name} starts with a thumbnail, as raw files of cameras do, and holds its image "
            f"elsewhere: {_RAW}."
        )
    if found.following:
        raise DataError(f"{name} has several pages: save one image per file.")
    size = found.numbers.get(256, ()) + found.numbers.get(257, ())
    for place in found.numbers.get(_SUB_DIRECTORIES, ()):
        sub = read_directory(file, place).numbers
        if sub.get(256, ()) + sub.get(257, ()) > size:
            raise DataError(f"{name} holds a larger image behind its first one: {_RAW}.")


def _check_page(page: Any, directory: Directory, name: str, limits: Limits) -> tuple[int, ...]:
    """Shape of the image, channels last; refuses kinds that are not read."""
    from tifffile import PHOTOMETRIC

    if page.dtype is None or page.axes not in ("YX", "YXS", "SYX"):
        raise DataError(f"{name} is not one flat image: {KEEP}.")
    bits = directory.numbers.get(_BITS, (1,))
    if set(bits) != {8 * page.dtype.itemsize}:
        full = 2 ** max(bits) - 1
        raise DataError(
            f"{name} holds samples of {' and '.join(map(str, sorted(set(bits))))} bits: save it "
            f"with 8 or 16 bits, either scaled to their full scale or with --white-level {full}."
        )
    check_dtype(page.dtype, name)
    shape = page.shape if page.axes != "SYX" else (*page.shape[1:], page.shape[0])
    limits.check(shape, page.dtype, name)
    if page.photometric not in (PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.RGB, PHOTOMETRIC.CFA):
        raise DataError(f"{name} is neither grey nor RGB: {KEEP}.")
    return shape


def _check_parts(file: io.BufferedIOBase, page: Any, name: str, limits: Limits) -> None:
    """Refuses strips and tiles that the file does not hold, or that hold more than they declare."""
    rows, columns = (
        (page.tilelength, page.tilewidth)
        if page.is_tiled
        else (min(page.rowsperstrip, page.imagelength), page.imagewidth)
    )
    samples = page.samplesperpixel
    # Whole tiles are decoded, however little of them the image fills.
    down, across = -(-page.imagelength // rows), -(-page.imagewidth // columns)
    if page.is_tiled:
        limits.check((rows * down, columns * across, samples), page.dtype, name)
    planes, depth = (samples, 1) if page.planarconfig == 2 else (1, samples)
    # Parts that the file does not contain would be read as zeros.
    file.seek(0, 2)
    size = file.tell()
    ends = [a + b for a, b in zip(page.dataoffsets, page.databytecounts, strict=True)]
    whole = page.is_contiguous or len(ends) >= planes * down * across
    if not ends or not whole or max(ends) > size or min(page.databytecounts) <= 0:
        raise ValueError("the file ends before its image")
    code = int(page.compression)
    if code in _BOUNDED:
        return
    if code not in _HEADERS or page.dtype != np.uint8:
        raise DataError(
            f"{name} is compressed in a way that is not read ({page.compression.name}): save it "
            "with deflate, LZW or no compression."
        )
    for place, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        file.seek(place)
        _check_photo(_HEADERS[code](file.read(count)), (rows, columns, depth))


def _check_photo(header: Photo, part: tuple[int, int, int]) -> None:
    """The last strips of an image may be lower than the others, and WebP has no grey."""
    height, width, depth = header.shape
    if height > part[0] or width > part[1] or depth not in (part[2], 4) or header.scans > MAX_SCANS:
        raise ValueError("a strip or tile holds more than it declares")


def _has_alpha(page: Any, shape: tuple[int, ...], name: str) -> bool:
    """Whether the last channel is alpha; refuses channels of which nobody says what they are."""
    from tifffile import PHOTOMETRIC

    if any(sample in (1, 2) for sample in page.extrasamples):
        if len(page.extrasamples) > 1:
            raise DataError(f"{name} has {len(page.extrasamples)} extra channels: save it as RGB.")
        return True
    if page.photometric == PHOTOMETRIC.RGB and shape[2:] != (3,):
        raise DataError(
            f"{name} says that it is RGB and has {shape[2] if shape[2:] else 1} channels: save it "
            "as RGB, and packed raw with the photometric interpretation minisblack or as NPZ."
        )
    return False
