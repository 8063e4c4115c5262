"""Each inverse step undoes its forward formula, written here from the paper."""

import numpy as np
import pytest

from jaxnoise.raw.isp import (
    COLOUR_MATRIX,
    inverse_colour_matrix,
    inverse_gamma,
    inverse_smoothstep,
    inverse_white_balance,
    unprocess,
)

pytestmark = pytest.mark.fast

# A few roundings of float64 through a power and a cubic whose slope is at least 0.1 in between.
CLOSE = 1e-12


def smoothstep(x):
    return 3 * x**2 - 2 * x**3


def gamma(x):
    return np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)


def test_tone_curve_is_undone():
    x = np.linspace(0.02, 0.98, 97)
    np.testing.assert_allclose(inverse_smoothstep(smoothstep(x)), x, atol=CLOSE)
    np.testing.assert_allclose(
        inverse_smoothstep(np.array([0.0, 0.5, 1.0])), [0, 0.5, 1], atol=1e-8
    )


def test_gamma_is_undone_on_both_sides_of_the_linear_part():
    # The published constants of the two parts meet only to 1e-7.
    x = np.array([0.0, 1e-4, 0.003, 0.0032, 0.01, 0.2, 0.9, 1.0])
    np.testing.assert_allclose(inverse_gamma(gamma(x)), x, atol=1e-7)


def test_colour_matrix_is_undone_and_keeps_grey():
    np.testing.assert_allclose(COLOUR_MATRIX.sum(axis=1), 1.0, atol=CLOSE)
    camera = np.random.default_rng(0).uniform(0.3, 0.6, (5, 7, 3))
    linear = camera @ COLOUR_MATRIX.T
    np.testing.assert_allclose(inverse_colour_matrix(linear), camera, atol=CLOSE)
    grey = np.full((2, 3), 0.4)
    np.testing.assert_allclose(inverse_colour_matrix(grey), grey, atol=CLOSE)


def test_gains_are_divided_out_of_dark_pixels():
    image = np.full((1, 3), 0.5)
    raw = inverse_white_balance(image, red_gain=2.0, blue_gain=1.6, rgb_gain=1.25)
    np.testing.assert_allclose(raw, [[0.2, 0.4, 0.25]], atol=CLOSE)


def test_white_stays_white():
    raw = inverse_white_balance(np.ones((1, 3)), red_gain=2.0, blue_gain=1.6, rgb_gain=1.25)
    np.testing.assert_allclose(raw, 1.0, atol=CLOSE)


def test_gains_below_one_never_leave_the_range_of_the_plain_division():
    image = np.full((1, 3), 0.5)
    raw = inverse_white_balance(image, red_gain=0.8, blue_gain=1.0)
    np.testing.assert_allclose(raw, [[0.625, 0.5, 0.5]], atol=CLOSE)


def test_a_photograph_becomes_raw_within_range_and_without_chance():
    image = np.random.default_rng(1).random((8, 6, 3))
    raw = unprocess(image, red_gain=2.0, blue_gain=1.7)
    assert raw.shape == image.shape
    assert raw.min() >= 0 and raw.max() <= 1
    np.testing.assert_array_equal(raw, unprocess(image, red_gain=2.0, blue_gain=1.7))


def test_processing_the_result_gives_the_photograph_back():
    camera = np.random.default_rng(2).uniform(0.25, 0.35, (4, 4, 3))
    balanced = camera * np.array([1.5, 1.0, 1.2])
    photograph = smoothstep(gamma(balanced @ COLOUR_MATRIX.T))
    keep = ((photograph > 0.01) & (photograph < 0.99)).all() and (balanced.mean(-1) < 0.9).all()
    assert keep
    np.testing.assert_allclose(
        unprocess(photograph, red_gain=1.5, blue_gain=1.2), camera, atol=1e-7
    )
