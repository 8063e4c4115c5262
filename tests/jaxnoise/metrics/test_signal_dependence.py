"""Noise by intensity, against noise whose variance is linear in it."""

import numpy as np
import pytest

from jaxnoise.errors import UsageError
from jaxnoise.metrics import bright_over_dark, intensity_slope, square_by_intensity

pytestmark = pytest.mark.fast

SHOT, READ = 4e-3, 1e-3


def shot_and_read(count=200_000):
    random = np.random.default_rng(0)
    clean = random.uniform(size=(count, 2))
    return np.sqrt(SHOT * clean + READ) * random.normal(size=clean.shape), clean


def test_the_curve_is_that_of_the_noise():
    noise, clean = shot_and_read()
    curve = square_by_intensity(noise.astype(np.float32), clean.astype(np.float32), bins=10)
    assert curve.pixels.shape == (2, 10) and curve.pixels.sum() == clean.size
    np.testing.assert_allclose(curve.clean, (np.arange(10) + 0.5) / 10 * np.ones((2, 1)), atol=2e-3)
    # A mean of n squares of Gaussians is off by (2 / n)^1/2 of itself.
    error = np.abs(curve.square / (SHOT * curve.clean + READ) - 1)
    assert np.all(error < 5 * np.sqrt(2 / curve.pixels))


def test_an_interval_without_pixels_has_no_square_and_ends_take_what_lies_beyond():
    curve = square_by_intensity(np.full((2, 1), 3.0), np.array([[-0.1], [1.2]]), bins=4)
    assert curve.pixels.tolist() == [[1, 0, 0, 1]]
    assert curve.square[0, 0] == 9 and np.isnan(curve.square[0, 1])


def test_the_slope_is_the_shot_noise_within_its_error():
    noise, clean = shot_and_read()
    slope, error = intensity_slope(noise, clean)
    assert abs(slope - SHOT) < 4 * error < SHOT / 5
    flat, error = intensity_slope(np.random.default_rng(1).normal(size=clean.shape), clean)
    assert abs(flat) < 4 * error


def test_the_stated_error_is_that_of_many_draws():
    random = np.random.default_rng(2)
    clean = random.uniform(size=500)
    found = [
        intensity_slope(np.sqrt(SHOT * clean + READ) * random.normal(size=500), clean)
        for _ in range(400)
    ]
    slopes, errors = np.array(found).T
    # The deviation of 400 draws is known to 1 / (2 * 400)^1/2 of itself.
    assert abs(slopes.std() / errors.mean() - 1) < 5 / 800**0.5


def test_bright_over_dark():
    noise, clean = shot_and_read()
    low, high = np.quantile(clean, [0.1, 0.9])
    expected = np.sqrt((SHOT * high + READ) / (SHOT * low + READ))
    # Squares of 80,000 values on either side.
    assert abs(bright_over_dark(noise, clean) / expected - 1) < 5 / 80_000**0.5


def test_bad_arguments_are_refused():
    for call in (square_by_intensity, intensity_slope, bright_over_dark):
        with pytest.raises(UsageError, match="same shape"):
            call(np.zeros((2, 3)), np.zeros((2, 2)))
    with pytest.raises(UsageError, match="share"):
        bright_over_dark(np.zeros(3), np.zeros(3), share=0.7)
    with pytest.raises(UsageError, match="interval"):
        square_by_intensity(np.zeros((3, 1)), np.zeros((3, 1)), bins=0)
    slope, error = intensity_slope(np.ones(3), np.zeros(3))
    assert np.isnan(slope) and np.isnan(error)
