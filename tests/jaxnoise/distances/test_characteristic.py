from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnoise.distances import characteristic as module
from jaxnoise.distances.characteristic import group_size

CENTRE, PERIOD = 0.25, 9.0


@partial(jax.jit, static_argnums=1)
def compiled(values, nodes, centre, period):
    reach = jnp.abs(values - centre).max()
    return module.characteristic(values, centre, reach, period, nodes)


def characteristic(values, nodes):
    return compiled(values, nodes, *(jnp.asarray(x, values.dtype) for x in (CENTRE, PERIOD)))


def stated(values, nodes):
    """Means of cos - 1 and sin by numpy in float64."""
    frequency = 2 * np.pi * np.arange(1, nodes + 1) / PERIOD
    angle = (np.asarray(values, np.float64) - CENTRE)[:, None] * frequency[:, None]
    return (np.cos(angle) - 1).mean(-1), np.sin(angle).mean(-1)


def normal(shape, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).normal(CENTRE, 1.0, shape).clip(-4, 4).astype(dtype)


@pytest.mark.parametrize(("nodes", "count"), [(5, 1000), (64, 256), (96, 4500)])
def test_means_are_those_of_numpy(nodes, count):
    values = normal((3, count))
    found = characteristic(jnp.asarray(values), nodes)
    for means, expected in zip(found, stated(values, nodes), strict=True):
        # An angle is right to 2^-24 of itself, and grows with the frequency; errors average out.
        assert np.abs(means - expected).max() < 4e-8 * nodes


def test_a_narrow_range_keeps_its_digits():
    values = 0.02 * (normal((2, 5000)) - CENTRE) + np.float32(CENTRE)
    found, expected = characteristic(jnp.asarray(values), 3), stated(values, 3)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-4)
    np.testing.assert_allclose(found[1], expected[1], atol=1e-6 * np.abs(expected[1]).max())


def test_float64(float64):
    values = normal((2, 700), np.float64)
    found = characteristic(jnp.asarray(values), 96)
    for means, expected in zip(found, stated(values, 96), strict=True):
        np.testing.assert_allclose(means, expected, atol=2e-14)


@pytest.mark.parametrize(("nodes", "count"), [(5, 1000), (96, 2100)])
def test_gradient_is_the_derivative(nodes, count):
    values = normal((2, count))
    along = np.random.default_rng(1).standard_normal((2, 2, nodes)).astype(np.float32)

    def total(values):
        found = characteristic(values, nodes)
        return sum((part * weight).sum() for part, weight in zip(found, along, strict=True))

    frequency = 2 * np.pi * np.arange(1, nodes + 1) / PERIOD
    angle = (values.astype(np.float64) - CENTRE)[:, None] * frequency[:, None]
    slope = along[1][..., None] * np.cos(angle) - along[0][..., None] * np.sin(angle)
    expected = (slope * frequency[:, None]).sum(1) / count
    found = jax.grad(total)(jnp.asarray(values))
    assert np.abs(found - expected).max() < 2e-5 * np.abs(expected).max()


def test_sums_are_exact_at_the_ends_of_the_circle():
    """Every cosine is 1 or -1 there: integers that overflow would show."""
    values = jnp.full((1, module.SUMMED), CENTRE, jnp.float32)
    less_one, sine = characteristic(values, 4)
    assert (less_one == 0).all() and (sine == 0).all()
    opposite = values + jnp.float32(PERIOD / 2)
    less_one, _ = characteristic(opposite, 4)
    np.testing.assert_allclose(less_one[0], [-2, 0, -2, 0], atol=1e-5)


def test_many_values_at_the_far_side_of_the_circle():
    """Every cosine is -1 there, or by rounding a little less: the least that a sum can be."""
    steps = np.arange(-40, 40).repeat(16)
    values = CENTRE + PERIOD * (steps + 0.5) / 109
    less_one, _ = characteristic(jnp.asarray(values, jnp.float32)[None], 128)
    assert abs(less_one[0, 108] + 2) < 1e-5


def test_group_size_divides():
    assert [group_size(nodes) for nodes in (1, 64, 96, 128, 97)] == [1, 64, 48, 64, 1]
