"""What a sensor clipped is left out by place, not by what its noise happened to be."""

import numpy as np
import pytest

from datasets.clipping import (
    SHARE,
    WINDOW,
    has_clipping,
    is_clipped,
    valid_pixels,
)

pytestmark = pytest.mark.fast


def shots_of(clean, spread, *, count=2, seed=0):
    random = np.random.default_rng(seed)
    noisy = [clean + spread * random.normal(size=clean.shape) for _ in range(count)]
    return [np.clip(shot, 0, 1).astype(np.float32) for shot in noisy]


def test_both_ends_of_every_type_are_clipped():
    for values in (
        np.array([0, 1, 254, 255], np.uint8),
        np.array([0, 1, 65534, 65535], np.uint16),
        np.array([0.0, 1e-6, 0.999, 1.0], np.float32),
    ):
        expected = [True, False, False, True]
        assert is_clipped(values.reshape(4, 1))[:, 0].tolist() == expected
    # Unclipped raw goes below black, which is no end of its scale.
    assert not is_clipped(np.array([[-0.01]], np.float32)).any()
    assert is_clipped(np.array([[0.5, 0.0, 0.5]], np.float32)).all()


def test_the_window_is_that_of_a_plain_count():
    random = np.random.default_rng(0)
    shot = random.random((2, 12, 9, 1), np.float32)
    shot[random.random(shot.shape) < 0.03] = 0.0
    found = valid_pixels([shot])
    half = WINDOW // 2
    for n, y, x in np.ndindex(2, 12, 9):
        part = shot[n, max(y - half, 0) : y + half + 1, max(x - half, 0) : x + half + 1, 0]
        expected = shot[n, y, x, 0] != 0 and (part == 0).mean() <= SHARE
        assert found[n, y, x, 0] == expected
    assert 0.2 < found.mean() < 0.9


def test_what_is_left_has_the_variance_of_the_noise():
    clean = np.linspace(0, 0.05, 64)[None, :, None, None] * np.ones((32, 64, 64, 1))
    spread = np.sqrt(2e-3 * clean + 1e-5)
    first, second = shots_of(clean, spread)
    valid = valid_pixels([first, second])
    assert has_clipping([first, second])
    of_difference = (first - second) ** 2 / 2 / spread**2
    # Dark rows are out altogether, and elsewhere hardly anything is missing.
    assert not valid[:, :2].any() and valid[:, 32:].mean() > 0.99
    kept = of_difference[valid]
    assert kept.mean() == pytest.approx(1, abs=5 * np.sqrt(2 / kept.size) + 0.04)
    # Leaving out the clipped pixels alone would not do: half of the noise is missing there.
    unclipped = ~(is_clipped(first) | is_clipped(second))
    assert of_difference[unclipped & (clean < 0.004)].mean() < 0.8


def test_unclipped_images_and_rare_accidents_count_in_full():
    random = np.random.default_rng(1)
    noisy = random.normal(0.5, 0.1, (40, 64, 64, 4)).astype(np.float32)
    noisy[0, 0, 0, 0] = 0.0
    assert not has_clipping([noisy])
    assert valid_pixels([noisy[1:]]).all()
