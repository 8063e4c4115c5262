"""Causal convolution: wavefront against raster order, least squares against known taps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnoise.causal import fit_taps, gram, half_plane, neighbours, predict, radius_of, solve


@pytest.mark.fast
@pytest.mark.parametrize("radius", [1, 2, 3, 5])
def test_half_plane_holds_what_raster_order_has_passed(radius):
    offsets = half_plane(radius)
    assert len(set(offsets)) == len(offsets) == 2 * radius * (radius + 1)
    assert all(dy > 0 or (dy == 0 and dx > 0) for dy, dx in offsets)
    assert max(max(abs(dy), abs(dx)) for dy, dx in offsets) == radius
    assert radius_of(len(offsets)) == radius


@pytest.mark.fast
def test_other_numbers_of_taps_are_refused():
    with pytest.raises(ValueError, match="2 R"):
        radius_of(5)


@pytest.mark.fast
def test_neighbours_are_zero_outside():
    image = jnp.arange(1.0, 7.0).reshape(2, 3, 1)
    seen = neighbours(image, 1)
    # Order: left, above right, above, above left.
    np.testing.assert_array_equal(seen[1, 1], [4, 3, 2, 1])
    np.testing.assert_array_equal(seen[0, 0], [0, 0, 0, 0])


@pytest.mark.parametrize("shape", [(1, 5, 7, 2), (2, 7, 4, 3), (1, 1, 6, 2), (1, 6, 1, 2)])
@pytest.mark.parametrize("radius", [1, 3])
def test_wavefront_is_raster_order(shape, radius, float64):
    generator = np.random.default_rng(0)
    offsets, channels = half_plane(radius), shape[-1]
    taps = generator.normal(size=(len(offsets), channels, channels)) / (2 * len(offsets))
    residual = generator.normal(size=shape)
    expected = np.zeros(shape)
    for y in range(shape[1]):
        for x in range(shape[2]):
            value = residual[:, y, x].copy()
            for (dy, dx), tap in zip(offsets, taps, strict=True):
                if 0 <= y - dy and 0 <= x - dx < shape[2]:
                    value += expected[:, y - dy, x - dx] @ tap.T
            expected[:, y, x] = value
    got = jax.jit(solve)(jnp.asarray(residual), jnp.asarray(taps))
    np.testing.assert_allclose(got, expected, atol=1e-12)
    np.testing.assert_allclose(got - predict(got, jnp.asarray(taps)), residual, atol=1e-12)


def test_least_squares_finds_the_taps():
    key, taps = jax.random.key(0), jnp.zeros((4, 2, 2))
    taps = taps.at[0].set(jnp.asarray([[0.4, 0.1], [0.0, 0.3]])).at[2].set(0.2 * jnp.eye(2))
    images = solve(jax.random.normal(key, (40, 32, 32, 2)), taps)
    sums, pixels = gram(images, jnp.zeros(40, jnp.int32), radius=1, keys=1)
    fitted, covariance = fit_taps(np.asarray(sums), np.asarray(pixels), channels=2)
    # The error of a regression coefficient on unit-variance regressors is near 1 / sqrt(n).
    bound = 5.0 / np.sqrt(40 * 32 * 32)
    np.testing.assert_allclose(fitted[0], taps, atol=bound)
    np.testing.assert_allclose(covariance[0], np.eye(2), atol=2 * bound)
    assert pixels[0] == 40 * 32 * 32


@pytest.mark.fast
def test_keys_without_data_take_the_shared_taps():
    images = jax.random.normal(jax.random.key(0), (4, 8, 8, 2))
    sums, pixels = gram(images, jnp.zeros(4, jnp.int32), radius=1, keys=2)
    taps, covariance = fit_taps(np.asarray(sums), np.asarray(pixels), channels=2, shrinkage=10.0)
    np.testing.assert_allclose(taps[1], taps[0], rtol=1e-4, atol=1e-6)
    assert np.isfinite(covariance).all()
