"""Small files that declare much: each is drawn, so that a campaign may have any number of them."""

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Callable

import numpy as np

from benchmarks.harness.spoil import Sample

Draw = Callable[[random.Random], tuple[str, bytes]]
BLOCK = bytes(2**20)


def draws() -> dict[str, list[Draw]]:
    """Ways to make a bomb, by format."""
    return {
        "PNG": [_black_png, _png_of_texts, _png_without_data],
        "TIFF": [_black_tiff, _tiff_of_larger_strips, _tiff_of_many_strips, _tiff_of_large_tiles],
        "NPZ": [_black_npz, _npz_of_many_members, _npz_without_data],
        "JPEG": [_black_jpeg, _jpeg_of_many_scans],
        "WebP": [_black_webp],
    }


def drawn(format_name: str, number: int, generator: random.Random) -> tuple[str, Sample]:
    """A bomb of a format: what it is, and its file.

    Args:
        format_name: a key of `draws()`.
        number: of the bomb; its remainder chooses the way.
        generator: of sizes.
    """
    ways = draws()[format_name]
    what, content = ways[number % len(ways)](generator)
    return what, Sample({"file": content}, "file")


def _size(generator: random.Random, most: int = 20_000) -> tuple[int, int]:
    """A height and a width, of 1 to 400 megapixels."""
    pixels = 10 ** generator.uniform(6, 8.6)
    width = int(min(most, max(1.0, pixels**0.5 * 10 ** generator.uniform(-0.5, 0.5))))
    return max(1, min(most, int(pixels / width))), width


def _deflated(length: int) -> bytes:
    """Zeros, compressed."""
    packer = zlib.compressobj(9)
    parts = [packer.compress(BLOCK) for _ in range(length // len(BLOCK))]
    return b"".join(parts) + packer.compress(bytes(length % len(BLOCK))) + packer.flush()


def _png(header: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    content = b"\x89PNG\r\n\x1a\n"
    for kind, body in ((b"IHDR", header), *chunks, (b"IEND", b"")):
        content += struct.pack(">I", len(body)) + kind + body
        content += struct.pack(">I", zlib.crc32(kind + body))
    return content


def _black_png(generator: random.Random) -> tuple[str, bytes]:
    (height, width), bits = _size(generator), generator.choice((1, 8, 16))
    colour, channels = generator.choice([(0, 1)] if bits == 1 else [(0, 1), (2, 3), (6, 4)])
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    rows = height * (1 + (width * channels * bits + 7) // 8)
    return f"{height}x{width} black pixels", _png(header, (b"IDAT", _deflated(rows)))


def _png_without_data(generator: random.Random) -> tuple[str, bytes]:
    header = struct.pack(">IIBBBBB", *_size(generator, 2**31 - 1), 16, 2, 0, 0, 0)
    return "a header alone", _png(header, (b"IDAT", zlib.compress(bytes(100))))


def _png_of_texts(generator: random.Random) -> tuple[str, bytes]:
    kind, start = generator.choice(((b"zTXt", b"a\0\0"), (b"iCCP", b"a\0\0")))
    count = generator.choice((10, 100, 900))
    chunk = kind, start + _deflated(generator.choice((7, 70)) * 10**6)
    data = (b"IDAT", zlib.compress(b"\0\0"))
    return f"{count} texts", _png(
        struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0), *[chunk] * count, data
    )


def _tiff(tags: dict[int, list[int]], data: bytes) -> bytes:
    """A file whose tags are all 32-bit numbers; 0 in the places of strips is that of the data."""
    content = bytearray(b"II*\0" + bytes(4) + data + bytes(len(data) % 2))
    entries = b""
    for tag, values in sorted(tags.items()):
        packed = np.asarray(values, "<u4").tobytes()
        if len(packed) > 4:
            packed, place = struct.pack("<I", len(content)), packed
            content += place
        entries += struct.pack("<HHI", tag, 4, len(values)) + packed
    struct.pack_into("<I", content, 4, len(content))
    return bytes(content + struct.pack("<H", len(tags)) + entries + bytes(4))


def _tags(height: int, width: int, code: int, length: int, *, bits: int = 8) -> dict:
    return {
        256: [width],
        257: [height],
        258: [bits],
        259: [code],
        262: [1],
        273: [8],
        277: [1],
        278: [height],
        279: [length],
    }


def _black_tiff(generator: random.Random) -> tuple[str, bytes]:
    (height, width), bits = _size(generator), generator.choice((8, 16))
    data = _deflated(height * width * bits // 8)
    return f"{height}x{width} black pixels", _tiff(
        _tags(height, width, 8, len(data), bits=bits), data
    )


def _tiff_of_larger_strips(generator: random.Random) -> tuple[str, bytes]:
    import imagecodecs

    side = generator.choice((4000, 12_000, 16_000))
    name, code = generator.choice(
        (("jpeg8", 7), ("webp", 50001), ("png", 34933), ("jpeg2k", 34712), ("zlib", 8))
    )
    image = np.zeros((side, side), np.uint8)
    image = np.stack([image] * 3, axis=-1) if name == "webp" else image
    side = min(side, 4000) if name == "jpeg2k" else side
    data = bytes(getattr(imagecodecs, f"{name}_encode")(image[:side, :side]))
    return f"a strip of {side}x{side} pixels, {name}", _tiff(_tags(64, 64, code, len(data)), data)


def _tiff_of_many_strips(generator: random.Random) -> tuple[str, bytes]:
    count = generator.choice((50_000, 100_001, 10**6, 10**7))
    tags = _tags(count, 16, 1, 16) | {278: [1]}
    tags |= {273: np.full(count, 8), 279: np.full(count, 16)}
    return f"{count} strips", _tiff(tags, bytes(16))


def _tiff_of_large_tiles(generator: random.Random) -> tuple[str, bytes]:
    side, count = generator.choice((2048, 8192, 16_384)), generator.choice((10, 100, 1000))
    data = _deflated(side * side)
    tags = _tags(side * (count - 1) + 1, 1, 8, len(data))
    tags = {tag: values for tag, values in tags.items() if tag not in (273, 278, 279)}
    tags |= {322: [side], 323: [side], 324: [8] * count, 325: [len(data)] * count}
    return f"{count} tiles of {side}x{side}", _tiff(tags, data)


def _npy(dtype: str, *shape: int) -> bytes:
    buffer = io.BytesIO()
    described = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, described)
    return buffer.getvalue()


def _black_npz(generator: random.Random) -> tuple[str, bytes]:
    height, width = _size(generator)
    dtype = generator.choice(("|u1", "<u2", "<f2", "<f4", "<f8"))
    length = height * width * np.dtype(dtype).itemsize
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("image.npy", "w", force_zip64=True) as member:
            member.write(_npy(dtype, height, width))
            for _ in range(length // len(BLOCK)):
                member.write(BLOCK)
            member.write(bytes(length % len(BLOCK)))
    return f"{height}x{width} black pixels, {dtype}", buffer.getvalue()


def _npz_without_data(generator: random.Random) -> tuple[str, bytes]:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("image.npy", _npy("<f8", *_size(generator, 2**40), 3) + bytes(10))
    return "a header alone", buffer.getvalue()


def _npz_of_many_members(generator: random.Random) -> tuple[str, bytes]:
    count = generator.choice((2000, 10**5, 10**6))
    entry = struct.pack("<4s4B4HL2L5H2L", b"PK\1\2", 20, 0, 20, *[0] * 8, 1, *[0] * 6)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, *[min(count, 65535)] * 2, 47 * count, 4, 0)
    return f"{count} members", b"PK\3\4" + (entry + b"a") * count + end


def _jpeg(image: np.ndarray, **options) -> bytes:
    from imagecodecs import jpeg8_encode

    return bytes(jpeg8_encode(image, **options))


def _black_jpeg(generator: random.Random) -> tuple[str, bytes]:
    height, width = _size(generator)
    declared = _jpeg(np.zeros((16, 16), np.uint8))
    place = declared.find(b"\xff\xc0") + 5
    content = declared[:place] + struct.pack(">HH", height, width) + declared[place + 4 :]
    return f"{height}x{width} pixels declared", content


def _jpeg_of_many_scans(generator: random.Random) -> tuple[str, bytes]:
    count = generator.choice((100, 1000, 100_000))
    content = _jpeg(np.zeros((4096, 4096), np.uint8))
    place = content.rfind(b"\xff\xda")
    scan = content[place : place + 60]
    return f"{count} scans", content[:-2] + scan * count + b"\xff\xd9"


def _black_webp(generator: random.Random) -> tuple[str, bytes]:
    from imagecodecs import webp_encode

    side = generator.choice((2000, 8000, 13_000))
    image = np.broadcast_to(np.uint8(0), (side, side, 3))
    return f"{side}x{side} black pixels", bytes(
        webp_encode(np.ascontiguousarray(image), lossless=True, level=0)
    )
