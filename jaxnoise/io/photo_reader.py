"""JPEG and WebP photographs of 8 bits."""

import io
import re
import struct
from typing import NamedTuple

import numpy as np

from jaxnoise.errors import DataError
from jaxnoise.io.stored_image import Decoded, Limits
from jaxnoise.io.tiff_directory import exif_orientation

JPEG, RIFF = b"\xff\xd8\xff", b"RIFF"
MAX_SCANS = 100
"""Of a progressive JPEG: each goes over the whole image, though it may take a hundred bytes only;
encoders write about ten."""
MAX_MARKERS = 20_000
"""Of a JPEG, and parts of a WebP file: the fewest bytes of one are four."""
# Frames of Huffman and arithmetic coding; other markers between them say other things.
_FRAMES = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}
_SCAN, _END, _EXIF = 0xDA, 0xD9, 0xE1
_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")


class Photo(NamedTuple):
    """What the header of a photograph says.

    Attributes:
        shape: (H, W, C).
        bits: of a number.
        exif: EXIF data, without a marker before them.
        scans: how often the whole image is gone over.
        complete: whether its end is there.
    """

    shape: tuple[int, int, int]
    bits: int
    exif: bytes = b""
    scans: int = 1
    complete: bool = True


def jpeg_header(data: bytes) -> Photo:
    """What a JPEG file says before it is decoded.

    Args:
        data: the file, or a strip or tile of a TIFF.

    Raises:
        ValueError: if there is no image.
    """
    shape, bits, exif, scans, place, complete = None, 0, b"", 0, 2, False
    count = 0
    while found := _MARKER.search(data, place):
        if (count := count + 1) > MAX_MARKERS:
            raise ValueError("too many markers")
        kind, place = found[1][0], found.end()
        if kind == _END:
            complete = True
            break
        length = int.from_bytes(data[place : place + 2], "big")
        body = data[place + 2 : place + min(length, 65535)]
        if kind in _FRAMES:
            if shape is not None:
                raise ValueError("a second frame")
            bits, height, width, channels = struct.unpack_from(">BHHB", body)
            shape = (height, width, channels)
        elif kind == _EXIF and body.startswith(b"Exif\0\0") and not exif:
            exif = body[6:]
        scans += kind == _SCAN
        place += length
    if shape is None:
        raise ValueError("no frame")
    return Photo(shape, bits, exif, scans, complete)


def webp_header(data: bytes) -> Photo:
    """What a WebP file says before it is decoded.

    Args:
        data: the file, or a strip or tile of a TIFF.

    Raises:
        ValueError: if there is no single image.
    """
    if data[:4] != RIFF or data[8:12] != b"WEBP":
        raise ValueError("not WebP")
    place, shape, exif, count = 12, None, b"", 0
    while place + 8 <= len(data):
        if (count := count + 1) > MAX_MARKERS:
            raise ValueError("too many parts")
        kind, length = struct.unpack_from("<4sI", data, place)
        body = memoryview(data)[place + 8 : place + 8 + length]
        if (size := _webp_size(kind, body)) is not None:
            if shape not in (None, size):
                raise ValueError("sizes contradict each other")
            shape = size
        exif = bytes(body) if kind == b"EXIF" else exif
        place += 8 + length + length % 2
    if shape is None:
        raise ValueError("no image")
    return Photo((*shape, 4), 8, exif)


def _webp_size(kind: bytes, body: memoryview) -> tuple[int, int] | None:
    """Height and width by one of the parts that state them; None for others."""
    if kind == b"VP8X":
        if body[0] & 2:
            raise ValueError("an animation")
        width, height = (1 + int.from_bytes(body[at : at + 3], "little") for at in (4, 7))
    elif kind == b"VP8L":
        packed = int.from_bytes(body[1:5], "little")
        width, height = 1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF)
    elif kind == b"VP8 ":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", body, 6))
    else:
        return None
    return height, width


def decode_photo(file: io.BufferedIOBase, name: str, limits: Limits) -> Decoded:
    """Image of a JPEG or WebP file.

    Args:
        file: its content.
        name: what to call it in errors.
        limits: that it must keep.

    Returns:
        uint8, grey or RGB, as a viewer decodes it.

    Raises:
        DataError: if it is too large or in other colours.
        Exception: of any kind, if it is damaged.
    """
    import imagecodecs

    data = file.read()
    is_jpeg = data.startswith(JPEG)
    header = jpeg_header(data) if is_jpeg else webp_header(data)
    # Of several scans, all coefficients are kept beside the image, in two bytes each.
    limits.check(header.shape, np.dtype("u1" if header.scans == 1 else "V3"), name)
    if header.scans > MAX_SCANS:
        raise DataError(
            f"{name} has {header.scans:,} scans, more than {MAX_SCANS}: save it again as a JPEG "
            "that is not progressive."
        )
    if header.bits != 8 or header.shape[2] == 4 and is_jpeg:
        raise DataError(f"{name} is neither grey nor RGB of 8 bits: save it as 8-bit RGB.")
    if not header.complete:
        raise ValueError("the file ends before its image")
    image = imagecodecs.jpeg8_decode(data) if is_jpeg else imagecodecs.webp_decode(data)
    if image.shape[:2] != header.shape[:2]:
        raise ValueError("the image is not as declared")
    return Decoded(
        image, orientation=exif_orientation(header.exif), alpha=image.shape[2:] in ((2,), (4,))
    )
