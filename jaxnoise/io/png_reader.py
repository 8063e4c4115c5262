"""PNG files: what matters of them is kept, the rest never reaches the decoder."""

import io
import struct

import numpy as np

from jaxnoise.io.stored_image import Decoded, Limits
from jaxnoise.io.tiff_directory import exif_orientation

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}
# What other chunks hold may inflate to gigabytes, and libpng prints what it thinks of them.
_KEPT = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_MAX_CHUNKS = 400_000


def decode_png(file: io.BufferedIOBase, name: str, limits: Limits) -> Decoded:
    """Image of a PNG file.

    Args:
        file: its content.
        name: what to call it in errors.
        limits: that it must keep.

    Returns:
        uint8 or uint16; few grey levels span the full scale, colours of a palette are looked up.

    Raises:
        DataError: if it is too large.
        Exception: of any kind, if it is damaged.
    """
    from imagecodecs import png_decode

    data = file.read()
    length, kind, width, height, bits, colour = struct.unpack(">I4sIIBB", data[8:26])
    if (length, kind) != (13, b"IHDR"):
        raise ValueError("a PNG file starts with its header")
    dtype = np.dtype(np.uint16 if bits == 16 else np.uint8)
    kept, exif, transparent = _chunks(memoryview(data))
    channels = CHANNELS[colour] + (transparent and colour in (0, 2, 3))
    limits.check((height, width, channels), dtype, name)
    content = data if kept is None else b"".join([SIGNATURE, *kept])
    image = png_decode(content)
    if image.shape not in ((height, width), (height, width, channels)):
        raise ValueError("the image is not as declared")
    return Decoded(image, orientation=exif_orientation(exif), alpha=transparent or colour in (4, 6))


def _chunks(data: memoryview) -> tuple[list[memoryview] | None, bytes, bool]:
    """The chunks that are kept, or None where all are; EXIF data; whether colours may be clear."""
    place, count, kept, exif, transparent, others = 8, 0, [], b"", False, False
    while place + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        end = place + 12 + length
        if end > len(data):
            break  # damaged, which the decoder says
        if kind in _KEPT:
            kept.append(data[place:end])
            transparent |= kind == b"tRNS"
        else:
            others = True
            exif = bytes(data[place + 8 : end - 4]) if kind == b"eXIf" else exif
        place, count = end, count + 1
        if count > _MAX_CHUNKS:
            raise ValueError("too many chunks")
        if kind == b"IEND":
            break
    else:
        return (kept if others else None), exif, transparent
    return (kept if kind == b"IEND" and others else None), exif, transparent
