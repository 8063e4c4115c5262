"""TIFF files of kinds that no library writes, tag by tag."""

import struct

import numpy as np

_LAYOUTS = {3: "H", 4: "I", 1: "B"}


def tiff_file(
    width: int,
    height: int,
    strips: bytes | list[bytes],
    *,
    bits: int = 8,
    samples: int = 1,
    photometric: int = 1,
    compression: int = 1,
    tags: dict[int, tuple[int, list[int]]] | None = None,
    inner: bytes | None = None,
) -> bytes:
    """A little-endian file of one image.

    Args:
        width: of the image.
        height: of the image.
        strips: its data.
        bits: of a sample.
        samples: of a pixel.
        photometric: 1 grey, 2 RGB, 32803 a mosaic.
        compression: number of the code.
        tags: others, by number, as type and values; None as the value of one leaves it out.
        inner: a whole file like this one, whose directory becomes that of a second, inner image.
    """
    strips = [strips] if isinstance(strips, bytes) else strips
    content = bytearray(b"II*\0" + bytes(4))
    places = []
    for strip in strips:
        places.append(len(content))
        content += strip + bytes(len(strip) % 2)
    entries = {
        256: (4, [width]),
        257: (4, [height]),
        258: (3, [bits] * samples),
        259: (3, [compression]),
        262: (3, [photometric]),
        273: (4, places),
        277: (3, [samples]),
        278: (4, [-(-height // len(strips))]),
        279: (4, [len(strip) for strip in strips]),
        **(tags or {}),
    }
    if inner is not None:
        entries[330] = (4, [_add_inner(content, inner)])
    _add_directory(content, entries)
    return bytes(content)


def _add_inner(content: bytearray, inner: bytes) -> int:
    """Adds the directory of another file, whose data nobody reads; returns its place."""
    (place,) = struct.unpack_from("<I", inner, 4)
    (count,) = struct.unpack_from("<H", inner, place)
    content += bytes(len(content) % 2)
    where = len(content)
    content += inner[place : place + 2 + 12 * count + 4]
    return where


def _add_directory(content: bytearray, entries: dict[int, tuple[int, list[int]]]) -> None:
    packed = []
    for tag, (kind, values) in sorted(entries.items()):
        value = struct.pack(f"<{len(values)}{_LAYOUTS[kind]}", *values)
        if len(value) > 4:
            where = len(content)
            content += value + bytes(len(value) % 2)
            value = struct.pack("<I", where)
        packed.append(struct.pack("<HHI", tag, kind, len(values)) + value.ljust(4, b"\0"))
    struct.pack_into("<I", content, 4, len(content))
    content += struct.pack("<H", len(packed)) + b"".join(packed) + bytes(4)


def packed_samples(image: np.ndarray, bits: int) -> bytes:
    """Samples of any number of bits, high bits first; each row fills whole bytes."""
    rows = image.reshape(len(image), -1)
    places = rows[..., None] >> np.arange(bits)[::-1] & 1
    return np.packbits(places.astype(bool).reshape(len(image), -1), axis=1).tobytes()
