"""Errors against numpy in double precision, and what they mean for noisy targets."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnoise.losses import (
    absolute_error,
    half_sum_per_image,
    noise2noise_error,
    squared_error,
    two_shot_mse,
)

SHAPE = (3, 5, 4, 2)


@pytest.fixture
def four():
    random = np.random.default_rng(0)
    return [random.normal(size=SHAPE).astype(np.float32) for _ in range(4)]


def test_values_are_those_of_numpy(four):
    a, b, c, d = (np.asarray(one, np.float64) for one in four)
    given = [jnp.asarray(one) for one in four]
    np.testing.assert_allclose(squared_error(*given[:2]), (a - b) ** 2, rtol=1e-5, atol=1e-7)
    both = 0.5 * (a - d) ** 2 + 0.5 * (b - c) ** 2
    np.testing.assert_allclose(noise2noise_error(*given), both, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(two_shot_mse(*given[:2], *given[:1:-1]), both.mean(), rtol=1e-6)
    # Worked out image by image.
    halves = [0.5 * sum(image.ravel()) for image in both]
    loss = half_sum_per_image(jnp.asarray(both, jnp.float32))
    np.testing.assert_allclose(loss, np.mean(halves), rtol=1e-6)


def test_the_gradient_is_the_residual(four):
    estimate, target = (jnp.asarray(one) for one in four[:2])
    gradient = jax.grad(lambda x: half_sum_per_image(squared_error(x, target)))(estimate)
    # Half a squared residual has the residual as its derivative; the mean is over three images.
    np.testing.assert_allclose(gradient, (four[0] - four[1]) / 3, rtol=1e-5, atol=1e-7)


def test_absolute_errors_are_those_of_numpy_where_they_count(four):
    a, b = (np.asarray(one, np.float64) for one in four[:2])
    given = [jnp.asarray(one) for one in four[:2]]
    np.testing.assert_allclose(absolute_error(*given), np.abs(a - b), rtol=1e-5, atol=1e-7)
    valid = np.random.default_rng(2).uniform(size=(*SHAPE[:3], 1)) < 0.6
    blank = jnp.where(valid, given[0], jnp.nan)
    found = absolute_error(blank, given[1], valid=jnp.asarray(valid))
    np.testing.assert_allclose(found, np.abs(a - b) * valid, rtol=1e-5, atol=1e-7)


def test_the_gradient_of_absolute_errors_is_half_the_sign(four):
    estimate, target = (jnp.asarray(one) for one in four[:2])
    gradient = jax.grad(lambda x: half_sum_per_image(absolute_error(x, target)))(estimate)
    np.testing.assert_allclose(gradient, np.sign(estimate - target) / 6, rtol=1e-5, atol=1e-7)


def test_shots_are_exchangeable(four):
    one, other = (jnp.asarray(image) for image in four[:2])
    shots = [jnp.asarray(image) for image in four[2:]]
    np.testing.assert_array_equal(
        noise2noise_error(one, other, *shots), noise2noise_error(other, one, *shots[::-1])
    )


def test_a_noisy_target_adds_its_variance_and_nothing_else():
    random, count, std = np.random.default_rng(1), 200_000, 0.3
    clean = random.uniform(size=(1, count, 1, 1))
    first, second = (clean + std * random.normal(size=clean.shape) for _ in range(2))
    arrays = [jnp.asarray(one, jnp.float32) for one in (0.9 * first, 0.9 * second, first, second)]
    against_shot = float(noise2noise_error(*arrays).mean())
    against_clean = 0.5 * (((0.9 * first - clean) ** 2) + (0.9 * second - clean) ** 2).mean()
    # Per pixel the two differ by a variable of mean std^2, of variance 2 (std^2)^2 / 2 from the
    # squares and at most 4 std^2 E[(estimate - clean)^2] from the products.
    spread = np.sqrt((std**4 + 4 * std**2 * against_clean) / count)
    assert abs(against_shot - against_clean - std**2) < 5 * spread
