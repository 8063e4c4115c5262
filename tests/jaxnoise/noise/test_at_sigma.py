"""Noise of a stated level: its mean variance is sigma^2, and it rises with light as its kind says.

Expectations are those of the distributions, from the pixels and scipy, and bounds are five standard
errors: sigma^2 is known, so that the mean of n^2 has the error sqrt(var(n^2) / number).
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxnoise.errors import UsageError
from jaxnoise.noise.at_sigma import KINDS, sample

SIGMAS = 5.0
SIZE = 192
RISING = ("nlf", "poisson", "poisson_gaussian")


def ramps(channels: int, images: int = 3) -> np.ndarray:
    """Images from dark to bright, of another mean each."""
    ramp = np.linspace(0.02, 0.9, SIZE, dtype=np.float32)[None, :, None, None]
    scale = np.linspace(0.4, 1.0, images, dtype=np.float32)[:, None, None, None]
    return np.broadcast_to(ramp * scale, (images, SIZE, SIZE, channels))


def drawn(kind: str, clean: np.ndarray, sigma: np.ndarray, seed: int = 0) -> np.ndarray:
    noise = sample(jax.random.key(seed), jnp.asarray(clean), jnp.asarray(sigma), kind=kind)
    assert noise.shape == clean.shape and noise.dtype == jnp.float32
    return np.asarray(noise, np.float64)


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_mean_variance_and_mean(kind: str, channels: int):
    clean, sigma = ramps(channels), np.array([10, 20, 30], np.float32) / 255
    noise = drawn(kind, clean, sigma)
    for image, level in zip(noise, sigma.astype(float), strict=True):
        squares = image**2
        assert abs(squares.mean() - level**2) < SIGMAS * squares.std() / np.sqrt(image.size)
        assert abs(image.mean()) < SIGMAS * level / np.sqrt(image.size)


def slope(noise: np.ndarray, clean: np.ndarray) -> tuple[float, float, float]:
    """Slope of n^2 on intensity, its standard error from residuals as they are, and n^2 at 0."""
    light, squares = clean.astype(float).ravel(), noise.ravel() ** 2
    centred = light - light.mean()
    found = (centred * squares).sum() / (centred**2).sum()
    start = squares.mean() - found * light.mean()
    rest = squares - start - found * light
    error = np.sqrt((centred**2 * rest**2).sum()) / (centred**2).sum()
    return found, error, start


def test_white_noise_has_no_slope():
    clean, sigma = ramps(4), np.full(3, 0.08, np.float32)
    for image, light in zip(drawn("awgn", clean, sigma), clean, strict=True):
        found, error, _ = slope(image, light)
        assert abs(found) < SIGMAS * error


def test_photons_have_the_whole_variance_in_the_slope():
    clean, sigma = ramps(3), np.full(3, 0.08, np.float32)
    for image, light in zip(drawn("poisson", clean, sigma), clean, strict=True):
        found, error, _ = slope(image, light)
        assert abs(found - 0.08**2 / light.mean()) < SIGMAS * error


@pytest.mark.parametrize("kind", ["nlf", "poisson_gaussian"])
def test_the_part_of_read_noise_is_uniform(kind: str):
    # The part of each of many small images, measured by their slope and start.
    sigma, images = 0.1, 400
    clean = np.broadcast_to(ramps(4, 1)[:, ::8, ::4], (images, SIZE // 8, SIZE // 4, 4))
    noise = drawn(kind, clean, np.full(images, sigma, np.float32))
    found, errors, _ = np.array([slope(*pair) for pair in zip(noise, clean, strict=True)]).T
    parts = 1 - found * clean[0].mean() / sigma**2
    errors = errors * clean[0].mean() / sigma**2
    assert parts.min() > -SIGMAS * errors.max() and parts.max() < 1 + SIGMAS * errors.max()
    # A uniform number has mean 1/2 and variance 1/12; the errors add theirs.
    expected = 1 / 12 + (errors**2).mean()
    assert abs(parts.mean() - 0.5) < SIGMAS * np.sqrt(expected / images)
    assert abs(parts.var() - expected) < SIGMAS * expected * np.sqrt(2 / images)
    assert len({round(part, 6) for part in parts}) == images


def test_photons_are_counts_of_a_poisson_number():
    clean, level = np.full((1, SIZE, SIZE, 4), 0.25, np.float32), 0.1
    value = level**2 / 0.25
    counts = (drawn("poisson", clean, np.full(1, level, np.float32)) + 0.25) / value
    np.testing.assert_allclose(counts, np.rint(counts), atol=1e-3)
    counts = np.rint(counts).astype(int)
    values = np.arange(counts.max() + 1)
    expected = stats.poisson.pmf(values, 0.25 / value) * counts.size
    observed, likely = np.bincount(counts.ravel()), expected >= 10
    observed = np.append(observed[likely], observed[~likely].sum())
    expected = np.append(expected[likely], counts.size - expected[likely].sum())
    assert stats.chisquare(observed, expected).pvalue > 1e-4


@pytest.mark.parametrize("kind", ["awgn", "nlf"])
def test_given_the_variance_it_is_normal(kind: str):
    flat = np.full((1, SIZE, SIZE, 3), 0.3, np.float32)
    noise = drawn(kind, flat, np.full(1, 0.05, np.float32)) / np.float64(np.float32(0.05))
    assert stats.kstest(noise.ravel(), "norm").pvalue > 1e-4


@pytest.mark.parametrize("kind", RISING)
def test_images_do_not_see_one_another_in_their_level(kind: str):
    clean = np.concatenate([ramps(4, 1), 0.01 * ramps(4, 1)])
    for image in drawn(kind, clean, np.full(2, 0.05, np.float32)):
        squares = image**2
        assert abs(squares.mean() - 0.05**2) < SIGMAS * squares.std() / np.sqrt(image.size)


@pytest.mark.parametrize("kind", KINDS)
def test_without_light_or_level(kind: str):
    clean = np.stack([np.zeros((64, 64, 4), np.float32), np.full((64, 64, 4), 0.5, np.float32)])
    clean[0, 0] = -0.1
    noise = drawn(kind, clean, np.array([0.1, 0.0], np.float32))
    assert (noise[1] == 0).all() and np.isfinite(noise).all()
    if kind == "poisson":
        assert (noise[0] == 0).all()
    else:
        bound = SIGMAS * np.sqrt(2 / noise[0].size)
        assert abs((noise[0] ** 2).mean() / 0.1**2 - 1) < bound


@pytest.mark.parametrize("kind", KINDS)
def test_keys_decide_and_jit_does_not(kind: str):
    # Bright and quiet: hundreds of photons, whose counts seldom agree by chance.
    clean, sigma = jnp.asarray(ramps(3)[:, -16:, -16:]), jnp.full(3, 0.04)
    first = sample(jax.random.key(1), clean, sigma, kind=kind)
    again = sample(jax.random.key(1), clean, sigma, kind=kind)
    other = sample(jax.random.key(2), clean, sigma, kind=kind)
    np.testing.assert_array_equal(first, again)
    assert (np.asarray(first) != np.asarray(other)).mean() > 0.5
    jitted = jax.jit(lambda *given: sample(*given, kind=kind))(jax.random.key(1), clean, sigma)
    np.testing.assert_allclose(jitted, first, rtol=1e-5, atol=1e-6)


@pytest.mark.fast
def test_what_cannot_be_is_refused():
    clean, key = jnp.full((2, 4, 4, 3), 0.5), jax.random.key(0)
    for sigma, kind, said in (
        (jnp.ones(2), "gauss", "unknown: use one of awgn, nlf, poisson, poisson_gaussian"),
        (jnp.array([0.1, -0.1]), "awgn", "negative"),
        (jnp.array([0.1, jnp.nan]), "nlf", "not finite"),
    ):
        with pytest.raises(UsageError, match=said):
            sample(key, clean, sigma, kind=kind)
