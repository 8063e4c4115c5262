"""Every pixel of every mosaic is packed once, at its colour, and comes back to its place."""

import itertools

import numpy as np
import pytest

from jaxnoise.errors import UsageError
from jaxnoise.raw.bayer import align, pack
from jaxnoise.raw.mosaic import PHASES, by_channel, mosaic_to_packed, packed_to_mosaic

pytestmark = pytest.mark.fast

SIZES = ((1, 1), (1, 2), (2, 1), (1, 5), (2, 2), (3, 3), (4, 6), (5, 4), (6, 7))
EVERY = list(itertools.product(PHASES, SIZES))


def numbered(height: int, width: int) -> np.ndarray:
    return np.arange(1, height * width + 1, dtype=np.uint16).reshape(height, width)


def colours(phase: str, height: int, width: int) -> np.ndarray:
    """The channel (0 R, 1 Gr, 2 Gb, 3 B) of each pixel; Gr is the green beside R in its row."""
    rows = [phase[:2], phase[2:]]
    channel = np.empty((height, width), int)
    for i, j in np.ndindex(height, width):
        row, letter = rows[i % 2], rows[i % 2][j % 2]
        channel[i, j] = {"R": 0, "B": 3}.get(letter, 1 if "R" in row else 2)
    return channel


@pytest.mark.parametrize(("phase", "size"), EVERY)
def test_the_mosaic_comes_back(phase: str, size: tuple[int, int]):
    mosaic = numbered(*size)
    packed = mosaic_to_packed(mosaic, phase)
    assert packed.dtype == mosaic.dtype
    np.testing.assert_array_equal(packed_to_mosaic(packed, phase, size), mosaic)


@pytest.mark.parametrize(("phase", "size"), EVERY)
def test_every_pixel_is_in_the_channel_of_its_colour(phase: str, size: tuple[int, int]):
    channels = packed_to_mosaic(
        np.broadcast_to(np.arange(4), mosaic_to_packed(numbered(*size), phase).shape), phase, size
    )
    np.testing.assert_array_equal(channels, colours(phase, *size))


@pytest.mark.parametrize("phase", PHASES)
def test_what_a_border_square_lacks_has_the_right_colour(phase: str):
    size = (5, 7)
    packed = mosaic_to_packed(colours(phase, *size), phase)
    np.testing.assert_array_equal(packed, np.broadcast_to(np.arange(4), packed.shape))


def test_a_border_square_repeats_its_nearest_neighbours():
    # The first red of GBRG lies in the second row: the row above repeats the one two below.
    packed = mosaic_to_packed(numbered(3, 2), "GBRG")
    assert packed[:, 0].tolist() == [[3, 4, 1, 2], [3, 4, 5, 6]]


def test_even_mosaics_of_phase_rggb_are_packed_as_ever():
    mosaic = numbered(4, 6)
    np.testing.assert_array_equal(mosaic_to_packed(mosaic, "RGGB"), pack(mosaic))


@pytest.mark.parametrize("phase", PHASES)
def test_inside_it_is_the_packing_of_the_mosaic_aligned_by_cropping(phase: str):
    mosaic = numbered(6, 8)
    inner = pack(align(mosaic, phase, by="crop"))
    packed = mosaic_to_packed(mosaic, phase)
    rows, columns = (a - b for a, b in zip(packed.shape[:2], inner.shape[:2], strict=True))
    start_row, start_column = rows // 2, columns // 2
    window = packed[start_row:, start_column:][: inner.shape[0], : inner.shape[1]]
    np.testing.assert_array_equal(window, inner)


def test_batch_axes_stay():
    mosaics = np.random.default_rng(0).random((2, 3, 5, 4))
    packed = mosaic_to_packed(mosaics, "BGGR")
    assert packed.shape == (2, 3, 3, 3, 4)
    np.testing.assert_array_equal(packed[1, 2], mosaic_to_packed(mosaics[1, 2], "BGGR"))
    np.testing.assert_array_equal(packed_to_mosaic(packed, "BGGR", (5, 4)), mosaics)


@pytest.mark.parametrize("phase", PHASES)
def test_levels_follow_their_colour(phase: str):
    # The levels of a 2x2 mosaic are what packing does to it.
    levels = [10.0, 20.0, 30.0, 40.0]
    square = np.array(levels).reshape(2, 2)
    channel = colours(phase, 2, 2)
    assert by_channel(levels, phase) == [square[channel == n].item() for n in range(4)]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: mosaic_to_packed(numbered(2, 2), "RGBG"), "RGGB"),
        (lambda: mosaic_to_packed(np.zeros((0, 4)), "RGGB"), "1x1"),
        (lambda: packed_to_mosaic(np.zeros((2, 2, 4)), "RGGB", (5, 4)), "5x4"),
        (lambda: packed_to_mosaic(np.zeros((2, 2, 4)), "BGGR", (4, 4)), r"\(3, 3, 4\)"),
        (lambda: by_channel([1.0, 2.0], "RGGB"), "four"),
    ],
)
def test_wrong_requests_are_refused(call, words: str):
    with pytest.raises(UsageError, match=words):
        call()
