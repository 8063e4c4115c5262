"""Kinds of files that cameras and programs write: read as what they are, or refused by name."""

import io
import struct
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from jaxnoise.errors import DataError
from jaxnoise.io.images import decode_image, decode_stored
from jaxnoise.io.stored_image import Levels
from tests.tiff_files import packed_samples, tiff_file

pytestmark = pytest.mark.fast

random = np.random.default_rng(0)
BYTES = random.integers(0, 256, (6, 5, 3), dtype=np.uint8)
WORDS = random.integers(0, 65536, (6, 5), dtype=np.uint16)


def saved(image: np.ndarray, format: str, *, orientation: int = 1, **options) -> bytes:
    """A photograph as Pillow writes it."""
    buffer, exif = io.BytesIO(), Image.Exif()
    exif[274] = orientation
    Image.fromarray(image).save(buffer, format, exif=exif, **options)
    return buffer.getvalue()


def npz(**arrays) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def chunks(*parts: tuple[bytes, bytes]) -> bytes:
    return b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in parts
    )


@pytest.mark.parametrize("bits", [2, 4, 10, 12, 14])
def test_samples_of_other_bits_are_not_taken_for_16(bits: int):
    image = random.integers(0, 2**bits, (6, 5, 3))
    content = tiff_file(5, 6, packed_samples(image, bits), bits=bits, samples=3, photometric=2)
    # Another reader sees the numbers, whose full scale is 2^bits - 1.
    np.testing.assert_array_equal(tifffile.imread(io.BytesIO(content)), image)
    with pytest.raises(DataError, match=f"{bits} bits: .*--white-level {2**bits - 1}"):
        decode_image(content, "x.tif")


def test_a_thumbnail_is_not_taken_for_the_image():
    large = tiff_file(5, 6, WORDS.tobytes(), bits=16, photometric=32803)
    small = {"width": 2, "height": 2, "strips": bytes(12), "samples": 3, "photometric": 2}
    dng = {50706: (1, [1, 4, 0, 0])}
    for words, tags in (("a DNG", dng), ("a thumbnail", {254: (4, [1])}), ("a larger image", {})):
        with pytest.raises(DataError, match=f"{words}.*16-bit TIFF"):
            decode_image(tiff_file(**small, tags=tags, inner=large), "x.tif")
    # A smaller one behind the image, as in pyramids, does no harm.
    content = tiff_file(5, 6, WORDS.tobytes(), bits=16, inner=tiff_file(2, 2, bytes(4)))
    np.testing.assert_array_equal(decode_image(content, "x.tif")[..., 0], WORDS)


def test_a_fourth_sample_of_rgb_is_no_colour():
    four = np.concatenate([BYTES, np.full((6, 5, 1), 255, np.uint8)], axis=-1)
    for tags in ({}, {338: (3, [0])}):
        content = tiff_file(5, 6, four.tobytes(), samples=4, photometric=2, tags=tags)
        with pytest.raises(DataError, match="RGB and has 4 channels"):
            decode_image(content, "x.tif")


@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP", "grey PNG"])
def test_opaque_alpha_is_left_out_and_other_alpha_refused(format: str):
    grey = format == "grey PNG"
    image = BYTES[..., :1] if grey else BYTES
    alpha = np.full((6, 5, 1), 255, np.uint8)
    for clear in (False, True):
        alpha[3, 2] = 254 if clear else 255
        both = np.concatenate([image, alpha], axis=-1)
        if format == "TIFF":
            content = tiff_file(
                5, 6, both.tobytes(), samples=4, photometric=2, tags={338: (3, [2])}
            )
        elif format == "WEBP":
            content = saved(both, "WEBP", lossless=True)
        else:
            content = imagecodecs.png_encode(both)
        if clear:
            with pytest.raises(DataError, match="alpha channel that is not opaque"):
                decode_image(content, "x")
        else:
            np.testing.assert_array_equal(decode_image(content, "x"), image)


def test_a_colour_that_png_makes_clear_is_refused_where_it_occurs():
    start, rest = imagecodecs.png_encode(BYTES)[:33], imagecodecs.png_encode(BYTES)[33:]
    for colour, clear in ((BYTES[2, 2], True), (np.uint8([1, 2, 3]), False)):
        assert (BYTES == colour).all(-1).any() == clear
        content = start + chunks((b"tRNS", struct.pack(">3H", *colour))) + rest
        if clear:
            with pytest.raises(DataError, match="alpha"):
                decode_image(content, "x")
        else:
            np.testing.assert_array_equal(decode_image(content, "x"), BYTES)


@pytest.mark.parametrize("format", ["JPEG", "WEBP", "PNG", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_photographs_are_turned_as_others_turn_them(format: str, orientation: int):
    image = np.kron(BYTES, np.ones((8, 8, 1), np.uint8))
    content = saved(image, format, orientation=orientation)
    with Image.open(io.BytesIO(content)) as file:
        expected = np.asarray(ImageOps.exif_transpose(file))
    stored = decode_stored(content, "x")
    np.testing.assert_array_equal(stored.pixels, expected)
    assert (stored.turned, stored.shape) == (orientation != 1, expected.shape)


@pytest.mark.parametrize("format", ["JPEG", "progressive", "grey", "WEBP"])
def test_photographs_are_decoded_as_others_decode_them(format: str):
    image = random.integers(0, 256, (37, 29, 3), dtype=np.uint8)
    content = saved(
        image[..., 0] if format == "grey" else image,
        "WEBP" if format == "WEBP" else "JPEG",
        quality=60,
        progressive=format == "progressive",
    )
    with Image.open(io.BytesIO(content)) as file:
        expected = np.asarray(file).reshape(37, 29, -1)
    np.testing.assert_array_equal(decode_image(content, "x"), expected)
    for length in (*range(20, len(content) - 2, 37), len(content) - 3):
        with pytest.raises(DataError, match="cannot be decoded"):
            decode_image(content[:length], "x")


def test_photographs_in_other_colours_are_refused():
    buffer = io.BytesIO()
    Image.new("CMYK", (5, 6)).save(buffer, "JPEG")
    with pytest.raises(DataError, match="8-bit RGB"):
        decode_image(buffer.getvalue(), "x")


def test_half_floats_are_read_exactly():
    image = random.random((6, 5, 3)).astype(np.float16)
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, image, photometric="rgb")
    for content in (buffer.getvalue(), npz(image=image)):
        stored = decode_stored(content, "x")
        assert (stored.dtype, stored.pixels.dtype) == (np.float16, np.float32)
        np.testing.assert_array_equal(stored.pixels, image.astype(np.float32))


LEVELS = {
    "letters": (np.array("GBRG"), "GBRG"),
    "bytes": (np.array([b"R", b"G", b"G", b"B"]), "RGGB"),
    "numbers": (np.array([[2, 1], [1, 0]]), "BGGR"),
}


@pytest.mark.parametrize("kind", LEVELS)
def test_raw_numbers_carry_their_levels(kind: str):
    cfa, phase = LEVELS[kind]
    content = npz(raw=WORDS, cfa=cfa, black_level=[64, 64, 65, 63], white_level=np.uint16(1023))
    stored = decode_stored(content, "x.npz")
    np.testing.assert_array_equal(stored.pixels[..., 0], WORDS)
    assert stored.levels == Levels(phase, (64.0, 64.0, 65.0, 63.0), 1023.0)
    assert stored.array_name == "raw"


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"cfa": np.array("XTRANS")}, "cfa 'XTRANS'"),
        ({"black_level": np.zeros(5)}, "black_level.npy of shape"),
        ({"black_level": np.array(["a"])}, "black_level that is no number"),
        ({"white_level": np.array([1.0, 2.0])}, "several white levels"),
        ({"white_level": np.nan}, "white_level that is no number"),
        ({"cfa": np.array({"a": 1})}, "cfa.npy of shape"),
    ],
)
def test_levels_that_are_none_are_refused(arrays: dict, words: str):
    with pytest.raises(DataError, match=words):
        decode_stored(npz(raw=WORDS, **arrays), "x.npz")


def test_what_a_png_says_of_itself_is_not_printed(capfd, tmp_path: Path):
    content = imagecodecs.png_encode(BYTES)
    noisy = (b"iCCP", b"x\0\0" + zlib.compress(b"no profile")), (b"gAMA", b"\0")
    np.testing.assert_array_equal(
        decode_image(content[:33] + chunks(*noisy) + content[33:], "x"), BYTES
    )
    assert capfd.readouterr() == ("", "")
