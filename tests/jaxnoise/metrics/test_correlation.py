"""Correlations against filters whose correlation is known, and numpy's corrcoef."""

import numpy as np
import pytest

from jaxnoise.errors import UsageError
from jaxnoise.metrics import channel_correlation, lag_one

pytestmark = pytest.mark.fast


def white(*shape):
    return np.random.default_rng(0).normal(size=shape)


def test_white_noise_has_none():
    noise = white(4, 64, 64, 3)
    # Of N products of independent values with variance 1, the mean has a deviation of N^-1/2.
    assert np.all(np.abs(lag_one(noise)) < 5 * noise.size**-0.5)


def test_a_moving_average_has_that_of_its_taps():
    noise = white(8, 64, 65, 4)
    smooth = noise[:, :, 1:] + 0.5 * noise[:, :, :-1]
    right, down = lag_one(smooth.astype(np.float32))
    bound = 6 * smooth.size**-0.5
    assert abs(right - 0.5 / 1.25) < bound and abs(down) < bound


def test_the_mean_of_a_channel_does_not_count():
    noise = white(2, 32, 32, 2)
    np.testing.assert_allclose(lag_one(noise + [3.0, -7.0]), lag_one(noise), atol=1e-12)


def test_channels_agree_with_numpy():
    noise = white(3, 16, 16, 3)
    noise[..., 1] += 0.7 * noise[..., 0]
    expected = np.corrcoef(noise.reshape(-1, 3).T)
    np.testing.assert_allclose(channel_correlation(noise), expected, atol=1e-12)


def test_constant_noise_has_no_correlation():
    assert np.isnan(lag_one(np.ones((1, 4, 4, 1)))).all()
    assert np.isnan(channel_correlation(np.ones((1, 4, 4, 2)))).all()


@pytest.mark.parametrize("shape", [(4, 4, 3), (1, 1, 4, 3), (0, 4, 4, 3)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(UsageError, match="noise has shape"):
        lag_one(np.zeros(shape))
