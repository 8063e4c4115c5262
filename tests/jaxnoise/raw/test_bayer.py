"""Packing keeps every pixel at its colour; alignment finds the same colours in every phase."""

import numpy as np
import pytest

from jaxnoise.errors import UsageError
from jaxnoise.raw.bayer import align, mosaic_rgb, pack, unpack

pytestmark = pytest.mark.fast

PHASES = ("RGGB", "GRBG", "GBRG", "BGGR")


def colours_of(phase: str, height: int, width: int) -> np.ndarray:
    """Mosaic that holds at each pixel the letter of its filter."""
    tile = np.array(list(phase)).reshape(2, 2)
    return np.tile(tile, (height // 2, width // 2))


def test_channels_are_red_both_greens_and_blue():
    mosaic = np.arange(24).reshape(4, 6)
    packed = pack(mosaic)
    assert packed.shape == (2, 3, 4)
    # Pixel (1, 2) of the packed image is the square whose corner is row 2, column 4.
    assert packed[1, 2].tolist() == [16, 17, 22, 23]


def test_unpack_undoes_pack_with_batch_axes():
    mosaic = np.random.default_rng(0).integers(0, 4096, (3, 6, 8), dtype=np.uint16)
    assert pack(mosaic).dtype == np.uint16
    np.testing.assert_array_equal(unpack(pack(mosaic)), mosaic)


@pytest.mark.parametrize("by", ["flip", "crop"])
@pytest.mark.parametrize("phase", PHASES)
def test_every_phase_becomes_rggb(phase: str, by: str):
    aligned = align(colours_of(phase, 6, 8), phase, by=by)
    np.testing.assert_array_equal(aligned, colours_of("RGGB", *aligned.shape))


@pytest.mark.parametrize("phase", PHASES)
def test_flips_keep_every_pixel(phase: str):
    mosaic = np.arange(24).reshape(4, 6)
    assert sorted(align(mosaic, phase).ravel()) == list(range(24))


def test_crops_keep_the_orientation():
    mosaic = np.arange(24).reshape(4, 6)
    np.testing.assert_array_equal(align(mosaic, "BGGR", by="crop"), mosaic[1:-1, 1:-1])


def test_mosaic_keeps_one_colour_per_pixel():
    image = np.random.default_rng(1).random((4, 6, 3))
    red, green_red, green_blue, blue = np.moveaxis(pack(mosaic_rgb(image)), -1, 0)
    np.testing.assert_array_equal(red, image[0::2, 0::2, 0])
    np.testing.assert_array_equal(green_red, image[0::2, 1::2, 1])
    np.testing.assert_array_equal(green_blue, image[1::2, 0::2, 1])
    np.testing.assert_array_equal(blue, image[1::2, 1::2, 2])


def test_the_mosaic_of_an_odd_image_begins_that_of_a_larger_one():
    image = np.random.default_rng(1).random((4, 6, 3))
    np.testing.assert_array_equal(mosaic_rgb(image[:3, :5]), mosaic_rgb(image)[:3, :5])


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: pack(np.zeros((3, 4))), "even"),
        (lambda: align(np.zeros((4, 4)), "RGBG"), "RGGB"),
        (lambda: align(np.zeros((4, 4)), "RGGB", by="roll"), "crop"),
    ],
)
def test_wrong_requests_are_refused(call, word: str):
    with pytest.raises(UsageError, match=word):
        call()
