"""Moments and counts are those of photons and a normal; blocks of rows do not show."""

import numpy as np
import pytest
from scipy import stats

from jaxnoise.errors import UsageError
from jaxnoise.noise.shot_read import sample_image

pytestmark = pytest.mark.fast

SIDE = 500
SIGMAS = 5.0


def draw(light: float, shot: float, read: float, seed: int = 0) -> np.ndarray:
    clean = np.full((SIDE, SIDE, 4), light, np.float32)
    noise = sample_image(np.random.default_rng(seed), clean, shot=shot, read=read)
    assert noise.dtype == np.float32 and noise.shape == clean.shape
    return noise.astype(np.float64)


@pytest.mark.parametrize(
    ("light", "shot", "read"),
    [
        (0.3, 0.01, 4e-4),
        (0.9, 1e-4, 1e-6),
        (0.5, 0.2, 0.0),  # a handful of photons
        (0.5, 0.0, 1e-4),
        (0.0, 0.01, 1e-4),
        (0.7, 1e-11, 0.0),  # so many photons that they are drawn as normal
        (0.5, 3.0, 0.0),  # one photon is more than full scale
    ],
)
def test_mean_variance_and_skewness(light: float, shot: float, read: float):
    noise = draw(light, shot, read)
    light = float(np.float32(light))
    variance = shot * light + read
    # Cumulants of a photon count add up: the third and fourth are shot^2 and shot^3 times light.
    third, fourth = shot**2 * light, shot**3 * light
    assert abs(noise.mean()) < SIGMAS * np.sqrt(variance / noise.size)
    spread = np.sqrt((fourth + 2 * variance**2) / noise.size)
    assert abs((noise**2).mean() - variance) < SIGMAS * spread
    if fourth > 1e-3 * variance**2:
        cubes = noise**3
        assert abs(cubes.mean() - third) < SIGMAS * cubes.std() / np.sqrt(noise.size)


@pytest.mark.parametrize("rate", [0.4, 7.0, 60.0])
def test_shot_noise_counts_photons(rate: float):
    shot = 0.25 / rate
    counts = np.rint((draw(0.25, shot, 0.0, seed=3) + 0.25) / shot).astype(int)
    np.testing.assert_allclose(counts * shot - 0.25, draw(0.25, shot, 0.0, seed=3), atol=1e-6)
    values = np.arange(counts.max() + 1)
    expected = stats.poisson.pmf(values, rate) * counts.size
    observed = np.bincount(counts.ravel(), minlength=len(values))
    likely = expected >= 10
    observed = np.append(observed[likely], observed[~likely].sum())
    expected = np.append(expected[likely], counts.size - expected[likely].sum())
    assert stats.chisquare(observed, expected).pvalue > 1e-4


def test_read_noise_is_normal_and_independent_of_shot_noise():
    read_only, both = draw(0.3, 0.0, 1e-4), draw(0.3, 0.01, 1e-4)
    assert stats.kstest(read_only.ravel()[::10] / 1e-2, "norm").pvalue > 1e-4
    shot = both - read_only  # the same stream of read noise
    correlation = np.corrcoef(shot.ravel(), read_only.ravel())[0, 1]
    assert abs(correlation) < SIGMAS / np.sqrt(shot.size)


def test_rows_do_not_show_and_progress_ends_at_one():
    # With the second, half of the pixels are drawn as normal.
    light = np.linspace(0.0, 1.0, 37 * 11 * 3, dtype=np.float32)
    clean = np.random.default_rng(0).permutation(light).reshape(37, 11, 3)
    for shot in (0.05, 5e-10):
        seen: list[float] = []
        whole = sample_image(np.random.default_rng(5), clean, shot=shot, read=1e-3)
        parts = sample_image(
            np.random.default_rng(5), clean, shot=shot, read=1e-3, rows=4, progress=seen.append
        )
        np.testing.assert_array_equal(whole, parts)
        assert seen == sorted(seen) and len(seen) == 10 and seen[-1] == 1.0


def test_seeds_differ_and_nothing_gives_nothing():
    assert (draw(0.5, 0.01, 1e-4, seed=1) != draw(0.5, 0.01, 1e-4, seed=2)).mean() > 0.99
    assert (draw(0.5, 0.0, 0.0) == 0).all()


def test_negative_light_has_read_noise_only():
    dark = sample_image(
        np.random.default_rng(0), np.full((9, 9, 1), -0.5, np.float32), shot=0.1, read=0.0
    )
    assert (dark == 0).all()


@pytest.mark.parametrize(
    "wrong", [{"shot": -1.0}, {"read": -1e-9}, {"shot": np.inf}, {"read": np.nan}, {"rows": 0}]
)
def test_wrong_numbers_are_refused(wrong: dict):
    values = {"shot": 0.1, "read": 0.1, **wrong}
    with pytest.raises(UsageError, match="at least"):
        sample_image(np.random.default_rng(0), np.zeros((2, 2, 1), np.float32), **values)
