"""Demosaicing in bands is that of the whole, keeps what was measured, and does not swell."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.ndimage import convolve
from skimage import data

from jaxnoise.errors import UsageError
from jaxnoise.raw import bayer, demosaicing
from jaxnoise.raw.demosaicing import demosaic, demosaic_bands
from jaxnoise.raw.mosaic import PHASES

whole = demosaicing._menon()
"""The package's own function, on all rows at once."""
BILINEAR = {
    "R": np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 4,
    "G": np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]]) / 4,
}


def mosaics() -> dict[str, np.ndarray]:
    """Mosaics whose directions are decided by chance, by edges, and by next to nothing."""
    random = np.random.default_rng(0)
    blocks = np.kron(random.random((14, 9)), np.ones((5, 5)))[:67, :41]
    photograph = data.astronaut()[100:167, 60:101] / 255
    return {
        "noise": random.random((67, 41)),
        "edges": blocks + 1e-3 * random.random(blocks.shape),
        "flat": np.full((67, 41), 0.5) + 1e-9 * random.random((67, 41)),
        "photograph": bayer.mosaic_rgb(photograph),
    }


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("kind", mosaics())
def test_bands_are_the_whole(kind: str, phase: str):
    mosaic = mosaics()[kind]
    expected = whole(mosaic, phase)
    for rows in (1, 2, 7, 16, 100):
        np.testing.assert_array_equal(demosaic(mosaic, phase=phase, rows=rows), expected)
    single = mosaic.astype(np.float32)
    found = demosaic(single, phase=phase, rows=8)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, whole(single, phase).astype(np.float32))


class Descending:
    """Rows of a mosaic, none of which may be asked for when one below it was the first."""

    def __init__(self, mosaic: np.ndarray):
        self._mosaic, self._first, self.shape = mosaic, 0, mosaic.shape

    def __getitem__(self, rows: slice) -> np.ndarray:
        assert self._first <= rows.start < rows.stop <= len(self._mosaic)
        self._first = rows.start
        return self._mosaic[rows]


@pytest.mark.parametrize("rows", [1, 2, 16, 67])
def test_a_mosaic_may_come_in_rows_from_the_top(rows: int):
    mosaic = mosaics()["noise"].astype(np.float32)
    expected, end = whole(mosaic, "RGGB").astype(np.float32), 0
    for band, colours in demosaic_bands(Descending(mosaic), rows=rows):
        assert band.start == end and colours.dtype == np.float32
        np.testing.assert_array_equal(colours, expected[band])
        end = band.stop
    assert end == len(mosaic)


def test_with_less_around_them_they_are_not(monkeypatch: pytest.MonkeyPatch):
    mosaic = mosaics()["noise"]
    monkeypatch.setattr(demosaicing, "REACH", 6)
    assert (demosaic(mosaic, rows=16) != whole(mosaic)).any()


def test_no_row_depends_on_more_than_ten_around_it():
    # Rows that change when one does: over many mosaics, nearer than the bands see.
    random, furthest = np.random.default_rng(1), 0
    for _ in range(60):
        before = random.random((61, 41))
        after = before.copy()
        row = random.integers(29, 33)
        after[row] = random.random(41)
        changed = np.flatnonzero((whole(before) != whole(after)).any((1, 2)))
        furthest = max(furthest, *abs(changed - row))
    assert 4 < furthest <= 10 < demosaicing.REACH


@pytest.mark.parametrize("size", [(2, 2), (2, 9), (3, 2), (5, 5), (30, 3), (31, 40)])
@pytest.mark.parametrize("phase", PHASES)
def test_every_pixel_keeps_the_colour_that_it_had(size: tuple[int, int], phase: str):
    mosaic = np.random.default_rng(2).random(size)
    image = demosaic(mosaic, phase=phase)
    assert image.shape == (*size, 3) and np.isfinite(image).all()
    for place, colour in enumerate(phase):
        at = slice(place // 2, None, 2), slice(place % 2, None, 2)
        if mosaic[at].size:
            np.testing.assert_array_equal(image[(*at, "RGB".index(colour))], mosaic[at])


@pytest.mark.parametrize("level", [0.0, 0.3])
def test_grey_stays_grey(level: float):
    np.testing.assert_allclose(demosaic(np.full((9, 12), level)), level, atol=1e-15)


def test_photographs_come_back_nearer_than_by_bilinear_interpolation():
    image = data.astronaut()[:256, :256] / 255
    mosaic = bayer.mosaic_rgb(image)
    sites = np.zeros(image.shape)
    sites[::2, ::2, 0] = sites[::2, 1::2, 1] = sites[1::2, ::2, 1] = sites[1::2, 1::2, 2] = 1
    bilinear = np.stack(
        [
            convolve(mosaic * sites[..., colour], BILINEAR["G" if colour == 1 else "R"])
            for colour in range(3)
        ],
        -1,
    )
    inside = slice(8, -8), slice(8, -8)
    errors = [((found - image)[inside] ** 2).mean() for found in (demosaic(mosaic), bilinear)]
    assert errors[0] < 0.5 * errors[1]


def test_bands_cover_the_rows_in_order():
    mosaic = np.random.default_rng(3).random((21, 10)).astype(np.float32)
    covered = [band for band, _ in demosaic_bands(mosaic, rows=5)]  # 6: an even number
    assert covered == [slice(0, 6), slice(6, 12), slice(12, 18), slice(18, 21)]


PROGRAM = """
import resource, sys
import numpy as np
sys.modules["matplotlib"] = None  # which nothing here requires
before = np.get_printoptions()
from jaxnoise.raw.demosaicing import demosaic
demosaic(np.zeros((4, 4)))
assert np.get_printoptions() == before
start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
mosaic = np.random.default_rng(0).random((3000, 4000), np.float32)
image = demosaic(mosaic)
unit = 2**20 if sys.platform == "darwin" else 2**10
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start) / unit)
"""


def test_a_12_megapixel_image_stays_in_little_memory_and_nothing_is_said():
    command = [sys.executable, "-W", "error", "-c", PROGRAM]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0 and run.stderr == "", run.stderr
    # MiB: 46 of the mosaic, 137 of the image, and a band; all rows at once take 2,100 more.
    assert float(run.stdout) < 183 + 150


def test_without_the_package_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "colour_demosaicing", None)
    demosaicing._menon.cache_clear()
    with pytest.raises(UsageError, match="pip install colour-demosaicing"):
        demosaic(np.zeros((4, 4)))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: demosaic(np.zeros((1, 9))), r"\(1, 9\).*at least 2x2"),
        (lambda: demosaic(np.zeros((9, 1))), "at least 2x2"),
        (lambda: demosaic(np.zeros((4, 4)), phase="RGBG"), "choose one of RGGB"),
        (lambda: demosaic(np.zeros((4, 4)), rows=0), "at least 1, not 0"),
    ],
)
def test_wrong_requests_are_refused(call, said: str):
    with pytest.raises(UsageError, match=said):
        call()
