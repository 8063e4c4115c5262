"""Small files that declare much, and things that are no files, are refused before they cost."""

import io
import os
import struct
import zipfile
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from jaxnoise.errors import DataError
from jaxnoise.io import stored_image
from jaxnoise.io.images import decode_image, read_image
from jaxnoise.io.stored_image import MAX_IMAGE_BYTES, MAX_PIXELS, Limits
from tests.tiff_files import tiff_file

pytestmark = pytest.mark.fast

BYTES = np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype=np.uint8)
BLACK = np.zeros((3000, 3000), np.uint8)
STRIPS = {
    "JPEG": (7, imagecodecs.jpeg8_encode(BLACK)),
    "WebP": (50001, imagecodecs.webp_encode(np.stack([BLACK] * 3, -1), lossless=True)),
}


def png_with(kind: bytes, body: bytes, *, times: int) -> bytes:
    content = bytes(imagecodecs.png_encode(BYTES))
    chunk = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return content[:33] + chunk * times + content[33:]


@pytest.mark.parametrize("name", STRIPS)
def test_a_strip_holds_no_more_than_it_declares(name: str):
    code, strip = STRIPS[name]
    samples = {"JPEG": 1, "WebP": 3}[name]
    kind = {"compression": code, "samples": samples, "photometric": 2 if samples == 3 else 1}
    with pytest.raises(DataError, match="cannot be decoded"):
        decode_image(tiff_file(64, 64, strip, **kind), "x.tif")
    image = decode_image(tiff_file(3000, 3000, strip, **kind), "x.tif")
    assert image.shape == (3000, 3000, samples) and not image.any()


@pytest.mark.parametrize("code", [34712, 34925, 34933, 50002])
def test_codes_whose_size_nobody_bounds_are_refused(code: int):
    """JPEG 2000, LZMA, PNG and JPEG XL."""
    with pytest.raises(DataError, match="compressed in a way that is not read .*: save it"):
        decode_image(tiff_file(64, 64, bytes(100), compression=code), "x.tif")


@pytest.mark.parametrize("code", [8, 32773, 50000])
def test_other_codes_stop_at_the_declared_size(code: int):
    encode = {8: "zlib", 32773: "packbits", 50000: "zstd"}[code]
    strip = getattr(imagecodecs, f"{encode}_encode")(bytes(10**6))
    with pytest.raises(DataError, match="cannot be decoded"):
        decode_image(tiff_file(64, 64, strip, compression=code), "x.tif")


def test_strips_and_tiles_are_counted_before_they_are_read():
    content = bytearray(tiff_file(64, 64, bytes(64 * 64)))
    place = content.find(struct.pack("<HHI", 273, 4, 1))
    content[place : place + 8] = struct.pack("<HHI", 273, 4, 10**7)
    with pytest.raises(DataError, match="10,000,000 strips or tiles, more than 100,000: .*--max-p"):
        decode_image(bytes(content), "x.tif")
    # 100 x 1 tiles of 12000 x 12000 pixels, all of them the same bytes.
    tiles = {322: (4, [12_000]), 323: (4, [12_000]), 324: (4, [8] * 100), 325: (4, [9] * 100)}
    with pytest.raises(DataError, match="1200000x12000 pixels"):
        decode_image(tiff_file(8, 1_200_000 - 11_999, bytes(99), tags=tiles), "x.tif")


def test_strips_that_are_not_there_are_not_black():
    content = bytearray(tiff_file(5, 6, [bytes(10)] * 3, compression=8))
    for tag in (273, 279):  # two strips of the three that the image needs
        place = content.find(struct.pack("<HHI", tag, 4, 3))
        content[place : place + 8] = struct.pack("<HHI", tag, 4, 2)
    with pytest.raises(DataError, match="cannot be decoded"):
        decode_image(bytes(content), "x.tif")


def test_texts_of_a_png_are_not_inflated():
    # 1000 chunks of 7 MB each would be kept, in 7 MB.
    text = zlib.compress(bytes(7 * 10**6))
    content = png_with(b"zTXt", b"a\0\0" + text, times=1000)
    np.testing.assert_array_equal(decode_image(content, "x.png"), BYTES)


def test_files_of_too_many_small_parts_are_left_at_once():
    jpeg, webp = bytes(imagecodecs.jpeg8_encode(BYTES)), bytes(imagecodecs.webp_encode(BYTES))
    for content in (
        png_with(b"tEXt", b"", times=400_001),
        jpeg[:2] + b"\xff\xe5\0\2" * 30_000 + jpeg[2:],
        webp[:12] + (b"JUNK" + bytes(4)) * 30_000 + webp[12:],
    ):
        with pytest.raises(DataError, match="cannot be decoded"):
            decode_image(content, "x")
    few = jpeg[:2] + b"\xff\xe5\0\2" * 100 + jpeg[2:]
    assert decode_image(few, "x").shape == BYTES.shape


def test_a_jpeg_is_gone_over_a_few_times_only():
    buffer = io.BytesIO()
    Image.fromarray(BYTES).save(buffer, "JPEG", progressive=True)
    content = buffer.getvalue()
    assert decode_image(content, "x.jpg").shape == BYTES.shape
    last = content.rfind(b"\xff\xda")
    scans = content[:last] + content[last:-2] * 1000 + content[-2:]
    with pytest.raises(DataError, match="1,0.. scans, more than 100"):
        decode_image(scans, "x.jpg")
    large = content.replace(struct.pack(">BHH", 8, 6, 5), struct.pack(">BHH", 8, 60_000, 60_000))
    with pytest.raises(DataError, match="60000x60000 pixels"):
        decode_image(large, "x.jpg")
    # 121 megapixels of RGB, and their coefficients, which several scans fill bit by bit.
    large = content.replace(struct.pack(">BHH", 8, 6, 5), struct.pack(">BHH", 8, 11_000, 11_000))
    with pytest.raises(DataError, match="1,089,000,000 bytes"):
        decode_image(large, "x.jpg")


def test_a_webp_is_as_large_as_its_header_says():
    content = bytes(imagecodecs.webp_encode(BYTES, lossless=True))
    place = content.find(b"VP8L") + 9
    large = content[:place] + struct.pack("<I", 16382 | 16382 << 14) + content[place + 4 :]
    with pytest.raises(DataError, match="16383x16383 pixels"):
        decode_image(large, "x.webp")


@pytest.mark.parametrize("longer", [False, True])
def test_an_archive_of_millions_of_members_is_not_listed(longer: bool):
    buffer = io.BytesIO()
    np.savez(buffer, image=BYTES)
    content, size = buffer.getvalue(), 4 * 10**6 * 60
    end = content.rfind(b"PK\5\6")
    if longer:  # the form for more than 65535 members
        record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 4, 4, size, 0)
        locator = struct.pack("<4sLQL", b"PK\6\7", 0, end, 1)
        tail = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 65535, 65535, 2**32 - 1, 2**32 - 1, 0)
        content = content[:end] + record + locator + tail
    else:
        content = content[: end + 12] + struct.pack("<I", size) + content[end + 16 :]
    with pytest.raises(DataError, match="list of members has 240,000,000 bytes"):
        decode_image(content, "x.npz")


def test_an_archive_of_many_members_is_read():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(2000):
            archive.writestr(f"{number}.npy", b"")
        with archive.open("image.npy", "w") as member:
            np.save(member, BYTES)
    np.testing.assert_array_equal(decode_image(buffer.getvalue(), "x.npz"), BYTES)


@pytest.mark.parametrize("kind", ["pipe", "device", "link to a pipe"])
def test_what_is_no_file_is_not_opened(kind: str, tmp_path: Path):
    pipe, link = tmp_path / "pipe.png", tmp_path / "link.png"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    path = {"pipe": pipe, "device": Path("/dev/zero"), "link to a pipe": link}[kind]
    with pytest.raises(DataError, match="no file but a pipe or device"):
        read_image(path)


def test_large_honest_images_are_within_the_limits():
    limits = Limits()
    limits.check((10_000, 10_000, 3), np.dtype(np.uint16), "x")
    assert limits.grown(MAX_IMAGE_BYTES) == MAX_IMAGE_BYTES >= 600_000_000
    assert Limits(2 * MAX_PIXELS).grown(MAX_IMAGE_BYTES) == 2 * MAX_IMAGE_BYTES
    with pytest.raises(DataError, match=r"more than 680,000,000: .*--max-pixels"):
        limits.check((11_000, 11_000, 3), np.dtype(np.uint16), "x")
    Limits(2 * MAX_PIXELS).check((11_000, 11_000, 3), np.dtype(np.uint16), "x")


def test_a_file_has_a_limit_too(tmp_path: Path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(imagecodecs.png_encode(BYTES))
    monkeypatch.setattr(stored_image, "MAX_FILE_BYTES", 50)
    with pytest.raises(DataError, match="larger than 50 bytes: cut"):
        read_image(path)
    read_image(path, max_pixels=4 * MAX_PIXELS)
