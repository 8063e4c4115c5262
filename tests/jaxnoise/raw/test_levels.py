"""Levels by hand, and that what goes through them comes back."""

import numpy as np
import pytest

from jaxnoise.errors import UsageError
from jaxnoise.raw import levels
from jaxnoise.raw.levels import add_noise, from_fraction, full_scale, to_fraction

pytestmark = pytest.mark.fast


def test_black_is_zero_and_white_is_one():
    stored = np.array([[[64], [1023], [0], [1982]]], np.uint16)
    fraction = to_fraction(stored, black_level=64, white_level=1023)
    assert fraction.dtype == np.float32
    np.testing.assert_allclose(fraction.ravel(), [0, 1, -64 / 959, 2], rtol=1e-7)


def test_each_channel_has_its_own_black():
    stored = np.full((2, 3, 4), 100, np.uint16)
    fraction = to_fraction(stored, black_level=np.array([0, 20, 60, 99]), white_level=100)
    assert (fraction == 1).all()
    fraction = to_fraction(stored, black_level=np.array([0, 20, 60, 99]), white_level=200)
    np.testing.assert_allclose(fraction[1, 2], [100 / 200, 80 / 180, 40 / 140, 1 / 101], rtol=1e-7)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_no_noise_changes_nothing(dtype):
    stored = (np.random.default_rng(0).random((9, 7, 3)) * full_scale(dtype)).astype(dtype)
    same = add_noise(
        stored, np.zeros(stored.shape, np.float32), black_level=0, white_level=full_scale(dtype)
    )
    assert same.dtype == dtype
    np.testing.assert_array_equal(same, stored)


def test_noise_is_scaled_rounded_and_clipped():
    # Full scale is 100 units, so noise of 0.004 is 0.4 units.
    stored = np.full((1, 7, 1), 50, np.uint8)
    noise = np.array([0.004, 0.006, -0.006, 0.49, 0.6, -0.5, -0.7], np.float32).reshape(1, 7, 1)
    noisy = add_noise(stored, noise, black_level=10, white_level=110)
    assert noisy.ravel().tolist() == [50, 51, 49, 99, 110, 0, 0]


def test_what_was_above_white_stays_reachable():
    stored = np.array([[[120], [50]]], np.uint8)
    noisy = add_noise(stored, np.full((1, 2, 1), 0.9, np.float32), black_level=10, white_level=110)
    assert noisy.ravel().tolist() == [120, 120]


def test_floats_are_not_clipped():
    stored = np.array([[[0.0], [1.0]]], np.float32)
    noise = np.array([[[-0.25], [0.25]]], np.float32)
    noisy = add_noise(stored, noise, black_level=0, white_level=1)
    assert noisy.ravel().tolist() == [-0.25, 1.25]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_fractions_go_back_to_what_was_stored(dtype):
    white = 0.7 * full_scale(dtype)
    stored = (np.random.default_rng(0).random((9, 7, 3)) * white).astype(dtype)
    known = {"black_level": np.array([0.0, 0.1, 0.2]) * white, "white_level": white}
    same = from_fraction(to_fraction(stored, **known), dtype, **known)
    assert same.dtype == dtype
    # A fraction has the precision of float32; integers are exact.
    np.testing.assert_allclose(same, stored, rtol=0, atol=2e-7 if same.dtype.kind == "f" else 0)


def test_fractions_are_rounded_and_clipped_where_integers_are_stored():
    # Full scale is 100 units, from 10 to 110.
    fraction = np.array([-0.5, -0.104, 0.404, 0.406, 1.0, 1.5], np.float32).reshape(1, 6, 1)
    stored = from_fraction(fraction, np.uint8, black_level=10, white_level=110)
    assert stored.ravel().tolist() == [0, 0, 50, 51, 110, 110]
    floats = from_fraction(fraction, np.float64, black_level=10, white_level=110)
    np.testing.assert_allclose(floats.ravel(), [-40, -0.4, 50.4, 50.6, 110, 160], rtol=1e-6)
    # No integer lies between the last one and a white level with a fraction.
    assert from_fraction(fraction, np.uint8, black_level=10, white_level=110.5).max() == 110


def test_blocks_do_not_show(monkeypatch):
    random = np.random.default_rng(1)
    stored = random.integers(0, 1000, (13, 5, 4), dtype=np.uint16)
    noise = random.normal(0, 0.1, stored.shape).astype(np.float32)
    known = {"black_level": np.array([1.0, 2.0, 3.0, 4.0]), "white_level": 900.0}

    def work():
        fraction = to_fraction(stored, **known)
        return (
            fraction,
            from_fraction(fraction, np.uint16, **known),
            add_noise(stored, noise, **known),
        )

    whole = work()
    monkeypatch.setattr(levels, "BLOCK_VALUES", 50)
    blocks = work()
    for one, other in zip(whole, blocks, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("black", "white", "words"),
    [
        (100, 100, "not below"),
        (np.array([0.0, 0.0, 100.0]), 100, "not below"),
        (np.array([0.0, 1.0]), 100, "do not fit 3 channel"),
        (0, 256, "255"),
        (-1, 100, "from 0"),
        (0, np.nan, "not below"),
    ],
)
def test_levels_that_fit_nothing_are_refused(black, white, words: str):
    stored = np.zeros((2, 2, 3), np.uint8)
    with pytest.raises(UsageError, match=words):
        to_fraction(stored, black_level=black, white_level=white)
    with pytest.raises(UsageError, match=words):
        add_noise(stored, np.zeros(stored.shape, np.float32), black_level=black, white_level=white)
    with pytest.raises(UsageError, match=words):
        from_fraction(stored / 255.0, np.uint8, black_level=black, white_level=white)
