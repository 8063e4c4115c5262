"""Random levels have the distributions that their equations state."""

import math

import numpy as np
import pytest
from scipy import stats

from jaxnoise.errors import UsageError
from jaxnoise.noise.random_levels import PRESETS, draw

pytestmark = pytest.mark.fast

COUNT = 20_000
MANY_SIGMAS = 5.0


def levels(preset: str, **options) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    drawn = np.array([draw(random, preset, **options) for _ in range(COUNT)])
    return drawn[:, 0], drawn[:, 1]


def test_uniform_roots_are_uniform_and_independent():
    shot, read = levels("uniform", highest=0.1)
    for variance in (shot, read):
        assert 0 < variance.min() and variance.max() <= 0.1**2
        assert stats.kstest(np.sqrt(variance) / 0.1, "uniform").pvalue > 1e-4
    correlation = np.corrcoef(np.sqrt(shot), np.sqrt(read))[0, 1]
    assert abs(correlation) < MANY_SIGMAS / math.sqrt(COUNT)


def test_the_default_is_20_of_255():
    shot, _ = levels("uniform")
    assert stats.kstest(np.sqrt(shot) * 255 / 20, "uniform").pvalue > 1e-4


@pytest.mark.parametrize("mean", [0.4, 0.01, 0])
def test_normalised_levels_are_uniform_at_the_mean(mean):
    shot, read = levels("normalised", highest=0.2, mean=mean)
    sigma = np.sqrt(shot * mean + read)
    assert sigma.max() <= 0.2 * (1 + 1e-12) and np.isfinite(shot).all()
    assert stats.kstest(sigma / 0.2, "uniform").pvalue > 1e-4
    # What the two are to each other is as before: the ratio of two uniform numbers, squared.
    ratio = np.sqrt(shot / read)
    assert abs((ratio < 1).mean() - 0.5) < MANY_SIGMAS * 0.5 / math.sqrt(COUNT)


@pytest.mark.parametrize(
    ("preset", "low", "high"), [("paper", 1e-3, 0.12), ("brooks", 1e-4, 0.012)]
)
def test_read_noise_follows_shot_noise(preset, low, high):
    shot, read = map(np.log, levels(preset))
    assert math.log(low) <= shot.min() and shot.max() <= math.log(high)
    spread = math.log(high / low)
    assert stats.kstest((shot - math.log(low)) / spread, "uniform").pvalue > 1e-4
    # The errors of a regression with a residual of 0.26 and a uniform abscissa.
    found = stats.linregress(shot, read)
    error = 0.26 / (spread / math.sqrt(12)) / math.sqrt(COUNT)
    assert abs(found.slope - 2.18) < MANY_SIGMAS * error
    centre = 2.18 * shot.mean() + 1.2
    assert abs(read.mean() - centre) < MANY_SIGMAS * 0.26 / math.sqrt(COUNT)
    assert abs(found.intercept - 1.2) < MANY_SIGMAS * error * math.sqrt((shot**2).mean())
    residual = read - 2.18 * shot - 1.2
    assert abs(residual.std() - 0.26) < MANY_SIGMAS * 0.26 / math.sqrt(2 * COUNT)
    assert stats.kstest(residual / 0.26, "norm").pvalue > 1e-4


@pytest.mark.parametrize("preset", PRESETS)
def test_equal_generators_draw_equal_levels(preset):
    one, same, other = (draw(np.random.default_rng(seed), preset, mean=0.5) for seed in (1, 1, 2))
    assert one == same and one != other and all(isinstance(value, float) for value in one)


@pytest.mark.parametrize(
    ("preset", "options", "sentence"),
    [
        ("strong", {}, "levels are 'strong': use uniform, normalised, paper, brooks"),
        ("uniform", {"highest": 0}, "highest is 0"),
        ("uniform", {"highest": math.nan}, "highest is nan"),
        ("normalised", {}, "give the mean"),
        ("normalised", {"mean": -0.1}, "mean is -0.1"),
        ("normalised", {"mean": math.inf}, "mean is inf"),
    ],
)
def test_wrong_numbers_are_refused(preset, options, sentence):
    with pytest.raises(UsageError, match=sentence):
        draw(np.random.default_rng(0), preset, **options)
