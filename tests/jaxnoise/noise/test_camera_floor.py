"""Floors against spectra, Gaussian likelihoods and a dense covariance."""

import numpy as np
import pytest

from jaxnoise.noise.camera import NEAR_TAPS, WHITE_TAPS, WIDE_TAPS, causal_filter
from jaxnoise.noise.camera_floor import predictor_excess, stationary_floor

pytestmark = pytest.mark.fast


@pytest.mark.parametrize("taps", [WHITE_TAPS, NEAR_TAPS, WIDE_TAPS])
def test_floor_is_half_the_log_of_the_mean_of_the_spectrum(taps):
    impulse = np.zeros((64, 64))
    for (up, left), weight in taps.items():
        impulse[up % 64, left % 64] += weight
    spectrum = np.abs(np.fft.fft2(impulse)) ** 2
    # The geometric mean of the spectrum of a causal filter with leading tap 1 is 1.
    np.testing.assert_allclose(np.log(spectrum).mean(), 0.0, atol=1e-9)
    np.testing.assert_allclose(stationary_floor(taps), 0.5 * np.log(spectrum.mean()), atol=1e-12)


def test_floor_of_the_default_filter():
    np.testing.assert_allclose(stationary_floor(NEAR_TAPS), 0.5 * np.log(1.08), atol=1e-15)


@pytest.mark.parametrize("taps", [NEAR_TAPS, WIDE_TAPS])
def test_floor_of_a_patch_counts_the_zeros_outside(taps):
    size = 12
    columns = np.eye(size * size).reshape(-1, size, size, 1)
    matrix = np.stack([causal_filter(column, taps).ravel() for column in columns], axis=1)
    variance = np.trace(matrix @ matrix.T) / size**2
    np.testing.assert_allclose(
        stationary_floor(taps, patch_size=size), 0.5 * np.log(variance), atol=1e-12
    )


def test_the_predictor_reaches_the_conditional_variance_of_the_dense_covariance():
    size, radius = 15, 2
    columns = np.eye(size * size).reshape(-1, size, size, 1)
    matrix = np.stack([causal_filter(column, WIDE_TAPS).ravel() for column in columns], axis=1)
    covariance = matrix @ matrix.T
    # The predicted pixel and its past all see five pixels of filter inside the patch.
    row, column = 8, 7
    past = [
        (row - up) * size + column - left
        for up in range(radius + 1)
        for left in range(-radius, radius + 1)
        if up > 0 or left > 0
    ]
    now = row * size + column
    inner = covariance[np.ix_(past, past)]
    error = (
        covariance[now, now] - covariance[now, past] @ np.linalg.inv(inner) @ covariance[past, now]
    )
    np.testing.assert_allclose(predictor_excess(WIDE_TAPS, radius), 0.5 * np.log(error), atol=1e-12)


def test_white_noise_needs_no_predictor_and_no_sight_reaches_the_floor():
    assert predictor_excess(WHITE_TAPS, 3) == 0.0
    np.testing.assert_allclose(
        predictor_excess(WIDE_TAPS, 0), stationary_floor(WIDE_TAPS), atol=1e-15
    )


def test_the_wide_filter_is_within_reach_of_radius_three_and_no_less():
    excess = [predictor_excess(WIDE_TAPS, radius) for radius in (1, 2, 3)]
    assert excess[0] > excess[1] > excess[2]
    assert 0.0005 < excess[2] < 0.002
    assert excess[0] > 0.003
    assert max(max(up, abs(left)) for up, left in WIDE_TAPS) == 5
