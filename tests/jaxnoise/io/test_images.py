"""Images come back as written; everything else is one sentence."""

import io
import struct
import zipfile
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile

from jaxnoise.errors import DataError
from jaxnoise.io import stored_image
from jaxnoise.io.images import read_image

pytestmark = pytest.mark.fast

random = np.random.default_rng(0)
BYTES = random.integers(0, 256, (6, 5, 3), dtype=np.uint8)
WORDS = random.integers(0, 65536, (6, 5, 3), dtype=np.uint16)
FLOATS = random.random((6, 5, 4), dtype=np.float32)


def png(array: np.ndarray) -> bytes:
    return imagecodecs.png_encode(np.ascontiguousarray(array))


def tiff(array: np.ndarray, **options) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, **options)
    return buffer.getvalue()


def npz(**arrays) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def png_chunks(*chunks: tuple[bytes, bytes]) -> bytes:
    """PNG file of hand-made chunks."""
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def header(width: int, height: int, *, bits: int = 8, colour: int = 2) -> tuple[bytes, bytes]:
    return b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)


def write(folder: Path, content: bytes) -> Path:
    path = folder / "image"
    path.write_bytes(content)
    return path


READABLE = {
    "png 8 bit": (png(BYTES), BYTES),
    "png 16 bit": (png(WORDS), WORDS),
    "png grey": (png(BYTES[..., 0]), BYTES[..., :1]),
    "png grey 16 bit": (png(WORDS[..., 0]), WORDS[..., :1]),
    "tiff 8 bit": (tiff(BYTES, photometric="rgb"), BYTES),
    "tiff 16 bit": (tiff(WORDS, photometric="rgb"), WORDS),
    "tiff lzw": (tiff(WORDS, photometric="rgb", compression="lzw", predictor=True), WORDS),
    "tiff deflate": (tiff(WORDS, photometric="rgb", compression="zlib"), WORDS),
    "tiff big-endian": (tiff(WORDS, photometric="rgb", byteorder=">"), WORDS),
    "tiff planes": (
        tiff(np.moveaxis(WORDS, -1, 0), photometric="rgb", planarconfig="separate"),
        WORDS,
    ),
    "tiff four channels": (
        tiff(FLOATS, photometric="minisblack", planarconfig="contig"),
        FLOATS,
    ),
    "tiff grey float": (tiff(FLOATS[..., 0], photometric="minisblack"), FLOATS[..., :1]),
    "npz one array": (npz(anything=FLOATS), FLOATS),
    "npz image": (npz(image=WORDS, other=np.zeros(3)), WORDS),
    "npz columns first": (npz(image=np.asfortranarray(FLOATS)), FLOATS),
    "npz big-endian": (npz(image=WORDS.astype(">u2")), WORDS),
    "npz double": (npz(image=FLOATS.astype(np.float64)), FLOATS),
    "npz grey": (npz(image=BYTES[..., 0]), BYTES[..., :1]),
}


@pytest.mark.parametrize("name", READABLE)
def test_images_come_back_as_written(name: str, tmp_path: Path):
    content, expected = READABLE[name]
    image = read_image(write(tmp_path, content))
    assert image.dtype == expected.dtype and image.dtype.isnative
    np.testing.assert_array_equal(image, expected)


def test_few_grey_levels_span_the_full_scale(tmp_path: Path):
    # One row of the bits 1 0 1, after the filter byte 0.
    content = png_chunks(
        header(3, 1, bits=1, colour=0), (b"IDAT", zlib.compress(b"\0\xa0")), (b"IEND", b"")
    )
    np.testing.assert_array_equal(read_image(write(tmp_path, content)).ravel(), [255, 0, 255])


def flipped(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :]


def declared_npz(dtype: str, *shape: int) -> bytes:
    """NPZ whose header declares an array and which holds 10 bytes of it."""
    array = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        array, {"descr": dtype, "fortran_order": False, "shape": shape}
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("image.npy", array.getvalue() + b"\0" * 10)
    return buffer.getvalue()


def npz_member(content: bytes, method: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("image.npy", content)
    return buffer.getvalue()


def npy(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, image)
    return buffer.getvalue()


def pickled_npz() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, image=np.array([{"a": 1}], dtype=object))
    return buffer.getvalue()


def huge_tiles() -> bytes:
    """TIFF of 20x20 pixels that declares one tile of 16384x16384, in a kilobyte."""
    content = tiff(np.zeros((20, 20), np.uint8), photometric="minisblack", tile=(32, 32))
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        page = file.pages[0]
        assert isinstance(page, tifffile.TiffPage)
        places = [page.tags[name].valueoffset for name in ("TileWidth", "TileLength")]
    for place in places:
        content = content[:place] + struct.pack("<H", 16384) + content[place + 2 :]
    return content


WITH_NAN = np.where(np.arange(120).reshape(6, 5, 4) == 50, np.nan, FLOATS)
NOISE_TIFF = tiff(random.integers(0, 65536, (40, 40, 3), dtype=np.uint16), photometric="rgb")
NOISE_PNG = png(random.integers(0, 256, (40, 40, 3), dtype=np.uint8))
NOISE_NPZ = npz(image=random.random((40, 40, 3)))
BAD = {
    "empty": (b"", "neither PNG"),
    "text": (b"hello", "neither PNG"),
    "jpeg": (b"\xff\xd8\xff\xe0" + bytes(100), "decoded"),
    "webp": (b"RIFF\0\0\0\0WEBPVP8 " + bytes(100), "decoded"),
    "gif": (b"GIF89a" + bytes(100), "neither PNG"),
    "png signature only": (b"\x89PNG\r\n\x1a\n", "decoded"),
    "png cut": (NOISE_PNG[: len(NOISE_PNG) // 2], "decoded"),
    "png flipped bit": (flipped(NOISE_PNG, len(NOISE_PNG) // 2), "decoded"),
    "png alpha": (png(BYTES.repeat(2, axis=2)[..., :4]), "alpha"),
    "png bomb": (png_chunks(header(100_000, 100_000), (b"IEND", b"")), "pixels"),
    "png without data": (png_chunks(header(100, 100), (b"IEND", b"")), "decoded"),
    "png of no size": (png_chunks(header(0, 100), (b"IEND", b"")), "shape"),
    "tiff cut": (NOISE_TIFF[: len(NOISE_TIFF) // 2], "decoded"),
    "tiff header only": (NOISE_TIFF[:8], "decoded"),
    "tiff pages": (tiff(BYTES[None].repeat(2, 0), photometric="rgb"), "pages"),
    "tiff alpha": (
        tiff(BYTES.repeat(2, axis=2)[..., :4], photometric="rgb", extrasamples=["unassalpha"]),
        "alpha",
    ),
    "tiff integers": (tiff(np.zeros((4, 4), np.int32), photometric="minisblack"), "int32"),
    "tiff white is zero": (tiff(BYTES[..., 0], photometric="miniswhite"), "grey"),
    "tiff nan": (tiff(WITH_NAN, photometric="minisblack", planarconfig="contig"), "NaN"),
    "npz cut": (NOISE_NPZ[: len(NOISE_NPZ) // 2], "decoded"),
    "npz flipped bit": (flipped(NOISE_NPZ, len(NOISE_NPZ) // 2), "decoded"),
    "npz pickle": (pickled_npz(), "object"),
    # Python inflates these whole, and reads a header of this version of any length.
    "npz bz2": (npz_member(npy(BYTES), zipfile.ZIP_BZIP2), "numpy"),
    "npz lzma": (npz_member(npy(BYTES), zipfile.ZIP_LZMA), "numpy"),
    "npz long header": (
        npz_member(b"\x93NUMPY\x02\x00" + b"\xff" * 4 + b" " * 2**20, zipfile.ZIP_DEFLATED),
        "numpy",
    ),
    "npz wrong size": (declared_npz("|u1", 1000, 1000), "decoded"),
    "npz two arrays": (npz(a=FLOATS, b=FLOATS), "2 arrays"),
    "npz no array": (npz(), "decoded|neither|0 arrays"),
    "npz nan": (npz(image=WITH_NAN), "NaN"),
    "npz infinite": (npz(image=np.full((4, 4), np.inf)), "NaN"),
    "npz too large for float32": (npz(image=np.full((4, 4), 1e300)), "NaN"),
    "npz integers": (npz(image=np.zeros((4, 4), np.int64)), "int64"),
    "npz complex": (npz(image=np.zeros((4, 4), complex)), "complex"),
    "npz of one axis": (npz(image=np.zeros(4, np.uint8)), "shape"),
    "npz of four axes": (npz(image=np.zeros((2, 2, 2, 2), np.uint8)), "shape"),
    "npz many channels": (npz(image=np.zeros((2, 2, 200), np.uint8)), "channels"),
    "npz bomb": (npz(image=np.zeros((20_000, 20_000), np.uint8)), "pixels"),
    # 12e9 bytes of 150e6 pixels in 10 channels: each alone is within its limit.
    "npz of too many bytes": (declared_npz("<f8", 15_000, 10_000, 10), "12,000,000,000 bytes"),
    "npz negative": (declared_npz("|u1", -1000, -1000), "shape"),
    "npz long floats": (npz(image=np.zeros((4, 4), np.longdouble)), "float128|longdouble"),
    "tiff huge tiles": (huge_tiles(), "16384x16384 pixels"),
    "npz of no size": (npz(image=np.zeros((0, 4), np.uint8)), "shape"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_image_is_one_sentence(name: str, tmp_path: Path):
    content, words = BAD[name]
    with pytest.raises(DataError, match=words) as caught:
        read_image(write(tmp_path, content))
    assert str(caught.value).startswith(str(tmp_path / "image"))
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["png 8 bit", "tiff 8 bit", "npz one array"])
def test_the_pixel_limit_is_for_every_format(name: str, tmp_path: Path):
    path = write(tmp_path, READABLE[name][0])
    read_image(path, max_pixels=30)
    with pytest.raises(DataError, match="more than 29"):
        read_image(path, max_pixels=29)


@pytest.mark.parametrize(
    "name", ["png 8 bit", "png 16 bit", "png grey", "tiff 16 bit", "tiff lzw", "npz double"]
)
def test_the_limit_of_bytes_is_for_every_format(name: str, tmp_path: Path, monkeypatch):
    content, expected = READABLE[name]
    size = expected.nbytes * (2 if name == "npz double" else 1)
    path = write(tmp_path, content)
    monkeypatch.setattr(stored_image, "MAX_IMAGE_BYTES", size)
    read_image(path)
    monkeypatch.setattr(stored_image, "MAX_IMAGE_BYTES", size - 1)
    with pytest.raises(DataError, match=f"{size} bytes of pixels, more than {size - 1}:"):
        read_image(path)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path):
    with pytest.raises(DataError, match="no-such"):
        read_image(tmp_path / "no-such.png")
    with pytest.raises(DataError, match="cannot read"):
        read_image(tmp_path)


@pytest.mark.parametrize("name", ["png 16 bit", "tiff lzw", "tiff 16 bit", "npz image"])
def test_no_single_damaged_byte_escapes_as_another_error(name: str, tmp_path: Path):
    content = READABLE[name][0]
    for place in range(8, len(content), 7):
        damaged = content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]
        try:
            image = read_image(write(tmp_path, damaged), max_pixels=10_000)
        except DataError:
            continue
        assert image.ndim == 3
