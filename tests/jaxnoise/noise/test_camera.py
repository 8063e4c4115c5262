"""The simulated camera's likelihood against dense covariances, its facts against their
statements.
"""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from jaxnoise.errors import UsageError
from jaxnoise.noise.camera import (
    BASE_ISO,
    CAMERAS,
    ISOS,
    MIXING,
    NEAR_TAPS,
    SIMULATIONS,
    WIDE_TAPS,
    causal_filter,
    draw,
    generator,
    get_simulation,
    noise_std,
    sensor_effects,
)

pytestmark = pytest.mark.fast

EXACT = [name for name, simulation in SIMULATIONS.items() if simulation.has_truth]


def dense_map(clean, camera, iso, taps) -> np.ndarray:
    """Matrix from white noise to noise, entry by entry from the definition."""
    height, width, channels = clean.shape
    matrix = np.zeros((height, width, channels, height, width, channels))
    for y in range(height):
        for x in range(width):
            for c in range(channels):
                std = np.sqrt(camera.shot_noise(iso) * clean[y, x, c] + camera.read_noise(iso))
                for (up, left), weight in taps.items():
                    if y - up >= 0 and 0 <= x - left < width:
                        matrix[y, x, c, y - up, x - left] += std * weight * MIXING[c]
    return matrix.reshape(clean.size, clean.size)


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize(("camera", "iso"), [(CAMERAS[0], 100), (CAMERAS[4], 3200)])
def test_truth_is_the_density_of_the_dense_covariance(name, camera, iso):
    taps = SIMULATIONS[name].taps
    # 7x6 pixels hold every tap of the widest filter at least once.
    clean = np.random.default_rng(0).random((7, 6, 4))
    noise, truth = draw(clean, camera, iso, taps=taps, random=generator(name, iso))
    matrix = dense_map(clean, camera, iso, taps)
    scale = 1e-3  # scipy drops eigenvalues relative to the largest: keep entries near 1
    covariance = matrix @ matrix.T / scale**2
    expected = -multivariate_normal(cov=covariance).logpdf(noise.ravel() / scale)
    expected += noise.size * np.log(scale)
    # float64 with a condition number below 1e5 leaves 1e-10 of a sum of about 1e3 nats.
    np.testing.assert_allclose(truth, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", EXACT)
def test_the_filter_has_unit_leading_tap_and_can_be_undone(name):
    taps = SIMULATIONS[name].taps
    assert taps[0, 0] == 1.0
    assert all(up > 0 or (up == 0 and left >= 0) for up, left in taps)
    assert sum(abs(weight) for weight in taps.values()) - 1.0 < 1.0


def test_the_filter_looks_left_and_above():
    impulse = np.zeros((5, 5, 1))
    impulse[2, 2] = 1.0
    expected = np.zeros((5, 5))
    expected[2, 2], expected[2, 3], expected[3, 2] = 1.0, 0.2, 0.2
    np.testing.assert_array_equal(causal_filter(impulse, NEAR_TAPS)[..., 0], expected)


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (9, 2)])
def test_taps_beyond_a_small_patch_see_zeros(size):
    white = np.random.default_rng(3).standard_normal((*size, 2))
    padded = np.zeros((size[0] + 10, size[1] + 20, 2))
    padded[10:, 10 : 10 + size[1]] = white
    full = causal_filter(padded, WIDE_TAPS)[10:, 10 : 10 + size[1]]
    np.testing.assert_allclose(causal_filter(white, WIDE_TAPS), full, atol=1e-14)


def test_noise_has_the_stated_standard_deviation_mixing_and_correlation():
    camera, iso, clean = CAMERAS[1], 800, np.full((200, 200, 4), 0.3)
    noise, _ = draw(clean, camera, iso, taps=NEAR_TAPS, random=generator("statistics"))
    unit = noise / noise_std(clean, camera, iso)
    flat = unit.reshape(-1, 4)
    covariance = flat.T @ flat / len(flat)
    power = sum(weight**2 for weight in NEAR_TAPS.values())
    # A sample covariance of n correlated pairs is off by about 2 / sqrt(n); five of those.
    np.testing.assert_allclose(
        covariance, power * MIXING @ MIXING.T, rtol=0, atol=5 * 2 / np.sqrt(len(flat))
    )
    lag = (unit[:, 1:] * unit[:, :-1]).mean() / (unit**2).mean()
    assert abs(lag - 0.2 / power) < 5 / np.sqrt(noise.size / 4)


def test_noise_grows_with_iso_and_cameras_differ():
    stds = np.array(
        [[noise_std(np.array([0.02, 0.5]), camera, iso) for iso in ISOS] for camera in CAMERAS]
    )
    assert (np.diff(stds, axis=1) > 0).all()
    for first in range(len(CAMERAS)):
        for second in range(first):
            assert (np.abs(np.log(stds[first] / stds[second])) > 0.05).all()
    shot = [camera.shot_noise(iso) for camera in CAMERAS for iso in ISOS]
    assert min(shot) >= 2e-4 and max(shot) <= 2e-2


def test_read_noise_is_a_constant_and_an_amplified_part():
    for camera in CAMERAS:
        amplified = [
            (camera.read_noise(iso) - camera.read_fixed) / (iso / BASE_ISO) ** 2 for iso in ISOS
        ]
        np.testing.assert_allclose(amplified, camera.read_gained)
        np.testing.assert_allclose(camera.shot_noise(3200) / camera.shot_noise(100), 32)


def test_mixing_is_mild():
    assert np.linalg.cond(MIXING) < 3
    assert (np.diag(MIXING) == 1).all()


def test_streams_depend_on_every_name_and_on_nothing_else():
    first = generator("exact", 0, "train", 7).random(4)
    np.testing.assert_array_equal(first, generator("exact", 0, "train", 7).random(4))
    for other in [("exact", 0, "train", 8), ("exact", 1, "train", 7), ("exact", "0", "train", 7)]:
        assert not np.array_equal(first, generator(*other).random(4))
    assert not np.array_equal(generator("a", "bc").random(2), generator("ab", "c").random(2))


class TestSensorEffects:
    camera = CAMERAS[3]
    clean = np.full((32, 32, 4), 0.5)

    def noisy(self, *, corner=(0, 0), noise=None, clean=None, seed=0):
        clean = self.clean if clean is None else clean
        noise = np.zeros_like(clean) if noise is None else noise
        return sensor_effects(
            clean, noise, self.camera, 400, corner=corner, random=generator("rows", seed)
        )

    def test_values_are_levels_of_the_converter_within_range(self):
        noisy = self.noisy(noise=np.random.default_rng(0).normal(0, 1, self.clean.shape))
        levels = noisy * (2**self.camera.bits - 1)
        np.testing.assert_allclose(levels, np.round(levels), atol=1e-9)
        assert noisy.min() == 0 and noisy.max() == 1

    def test_the_fixed_pattern_belongs_to_the_place_on_the_sensor(self):
        black = np.zeros_like(self.clean)
        level = np.full_like(self.clean, 0.5)
        # Twenty draws average the row noise away; what stays is the pattern.
        means = [
            np.mean([self.noisy(corner=corner, clean=level, seed=s) for s in seeds], axis=0)
            for corner, seeds in (
                ((8, 0), range(20)),
                ((0, 0), range(20, 40)),
                ((8, 0), range(40, 60)),
            )
        ]
        same = np.corrcoef(means[0].ravel(), means[2].ravel())[0, 1]
        shifted = np.corrcoef(means[0][:-8].ravel(), means[1][8:].ravel())[0, 1]
        elsewhere = np.corrcoef(means[0].ravel(), means[1].ravel())[0, 1]
        assert same > 0.8 and shifted > 0.8
        assert abs(elsewhere) < 5 / np.sqrt(black.size)

    def test_row_noise_is_shared_by_a_row_of_the_sensor(self):
        first, second = self.noisy(seed=1), self.noisy(seed=2)
        difference, working = first - second, (first > 0) & (first < 1)
        step = 1 / (2**self.camera.bits - 1)
        for channels in ((0, 1), (2, 3)):
            rows = np.where(working, difference, np.nan)[..., channels]
            # Each value is rounded twice, by at most half a step.
            assert (np.nanmax(rows, axis=(1, 2)) - np.nanmin(rows, axis=(1, 2)) < 2.5 * step).all()
        assert np.nanstd(difference.mean(axis=(1, 2))) > 0

    def test_few_pixels_are_stuck(self):
        wide = np.full((256, 256, 4), 0.5)
        noisy = self.noisy(clean=wide)
        stuck = ((noisy == 0) | (noisy == 1)).sum()
        expected = self.camera.defects * wide.size
        assert abs(stuck - expected) < 5 * np.sqrt(expected)

    def test_patches_may_reach_over_the_edge_of_the_sensor(self):
        assert self.noisy(corner=(250, 250)).shape == self.clean.shape


def test_an_unknown_simulation_is_named_with_the_known_ones():
    with pytest.raises(UsageError, match="exact-wide"):
        get_simulation("exakt")
