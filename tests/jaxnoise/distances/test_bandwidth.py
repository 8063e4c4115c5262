from inspect import unwrap

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.distance import pdist

from jaxnoise.distances.bandwidth import median_bandwidth
from jaxnoise.errors import UsageError


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("counts", [(2, 0), (3, 0), (40, 7), (101, 30)])
def test_it_is_the_median_over_all_pairs(counts):
    # One pair, an odd and an even number of pairs.
    first, second = normal(counts[0]), 3 * normal(counts[1], seed=1) + 1
    pooled = np.concatenate([first, second])
    distances = np.abs(pooled[:, None] - pooled)[np.triu_indices(len(pooled), 1)]
    expected = np.sqrt(2) * np.median(distances)
    assert median_bandwidth(first, second) == pytest.approx(float(expected), rel=3e-7)


@pytest.mark.fast
def test_ties_count_as_the_pairs_that_they_are():
    values = np.repeat([0.0, 1.0, 5.0], [4, 3, 2])
    distances = np.abs(values[:, None] - values)[np.triu_indices(9, 1)]
    assert median_bandwidth(values) == pytest.approx(np.sqrt(2) * np.median(distances), rel=1e-6)


def test_all_shapes_are_pooled_and_float64_is_kept(float64):
    values = np.random.default_rng(0).normal(size=(4, 5, 6))
    expected = np.sqrt(2) * np.median(pdist(values.reshape(-1, 1)))
    width = median_bandwidth(jnp.asarray(values))
    assert width.dtype == jnp.float64
    assert width == pytest.approx(expected, rel=1e-14)
    assert median_bandwidth(jnp.float32(values[:2]), values[2:]) == pytest.approx(
        expected, rel=1e-6
    )


def test_order_statistics_stand_for_many_samples():
    values = normal(20_000)
    # Of a Gaussian, 0.6745 sqrt(2) is the median distance; that of the sample is nearer still.
    whole = float(median_bandwidth(values, at_most=20_000))
    part = float(median_bandwidth(values, at_most=500))
    assert part == pytest.approx(whole, rel=2 / 500)
    assert whole == pytest.approx(2 * 0.67449, rel=4 / np.sqrt(2 * len(values)))
    assert part == float(median_bandwidth(values[::-1], at_most=500))


@pytest.mark.fast
def test_vectors_are_as_far_apart_as_their_differences_are_long():
    first, second = normal(30, 4), normal(2, 9, 4, seed=1)
    expected = np.sqrt(2) * np.median(pdist(np.concatenate([first, second.reshape(-1, 4)])))
    assert median_bandwidth(first, second, vectors=True) == pytest.approx(expected, rel=1e-6)
    places = ((2 * np.arange(10) + 1) * 30) // 20
    expected = np.sqrt(2) * np.median(pdist(first[places]))
    assert median_bandwidth(first, vectors=True, at_most=10) == pytest.approx(expected, rel=1e-6)


@pytest.mark.fast
def test_unit_and_offset():
    values = normal(200)
    width = float(median_bandwidth(values))
    assert median_bandwidth(1e-6 * values) == pytest.approx(1e-6 * width, rel=1e-6)
    assert median_bandwidth(values + 1000) == pytest.approx(width, rel=1e-4)


def test_no_gradient_flows():
    gradient = jax.grad(lambda x: median_bandwidth(x) * x.sum())(jnp.asarray(normal(50)))
    np.testing.assert_allclose(gradient, median_bandwidth(normal(50)), rtol=1e-6)


@pytest.mark.fast
def test_bad_requests_are_refused_in_a_sentence():
    few = jnp.arange(3.0)
    for samples, options, words in (
        ((), {}, "at least one array"),
        ((few[:1],), {}, "two samples"),
        ((few,), {"at_most": 1}, "at_most"),
        ((few,), {"at_most": 10**6}, "at_most"),
        ((few, few[:2]), {"vectors": True}, "last axis"),
        ((few.at[0].set(jnp.inf),), {}, "infinity"),
        ((jnp.ones(4),), {}, "median distance is 0"),
    ):
        with pytest.raises(UsageError, match=words):
            unwrap(median_bandwidth)(*samples, **options)


@pytest.mark.fast
def test_under_jit_nan_comes_out():
    width = jax.jit(lambda x: median_bandwidth(x))
    values = jnp.asarray(normal(40))
    assert width(values) == pytest.approx(float(median_bandwidth(values)), rel=1e-6)
    for spoilt in (jnp.ones(40), values.at[3].set(jnp.nan), values.at[3].set(jnp.inf)):
        assert jnp.isnan(width(spoilt))
