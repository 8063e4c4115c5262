from inspect import unwrap

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from jaxnoise.distances.sliced import (
    pairwise_sliced_emd,
    pairwise_sliced_mmd2,
    random_directions,
    sliced_emd,
    sliced_mmd2,
)
from jaxnoise.errors import UsageError

SETS, COUNT, DIMENSION = 2, 60, 3


def vectors(seed, scale=1.0, offset=0.0):
    values = np.random.default_rng(seed).normal(size=(SETS, COUNT, DIMENSION))
    return (offset + scale * values).astype(np.float32)


def directions(number=4):
    return random_directions(jax.random.key(0), number, DIMENSION)


def kernel_mean(u, v, bandwidth):
    return np.expm1(-(((u[:, None] - v) / bandwidth) ** 2)).mean()


def projected_mmd2(x, y, direction, bandwidth):
    u, v = (np.asarray(one, np.float64) @ np.asarray(direction, np.float64) for one in (x, y))
    pairs = ((u, u), (v, v), (u, v))
    first, second, mixed = (kernel_mean(*pair, bandwidth) for pair in pairs)
    return first + second - 2 * mixed


@pytest.mark.parametrize("offset", [0.0, 10_000.0])
def test_mmd2_is_the_mean_over_directions(offset):
    xs, ys = vectors(0, offset=offset), vectors(1, 1.5, offset)
    expected = [
        [np.mean([projected_mmd2(x, y, u, 1.4) for u in directions()]) for y in ys] for x in xs
    ]
    matrix = pairwise_sliced_mmd2(xs, ys, directions=directions(), bandwidth=1.4)
    np.testing.assert_allclose(matrix, expected, rtol=2e-5)


def test_emd_is_the_mean_over_directions():
    xs, ys = vectors(0), vectors(1, 1.5)
    expected = [
        [
            np.mean([wasserstein_distance(x @ u, y @ u) for u in np.asarray(directions())])
            for y in ys
        ]
        for x in xs
    ]
    matrix = pairwise_sliced_emd(xs, ys, directions=directions())
    np.testing.assert_allclose(matrix, expected, rtol=1e-5)
    one = sliced_emd(xs[0], ys[1], directions=directions())
    assert one == pytest.approx(expected[0][1], rel=1e-5)


def test_the_gradient_is_that_of_the_projections(float64):
    xs, ys = (jnp.asarray(values, jnp.float64) for values in (vectors(0), vectors(1, 1.5)))
    weights = jnp.array([[1.0, -2.0], [0.5, 3.0]])

    def loss(xs):
        matrix = pairwise_sliced_mmd2(xs, ys, directions=directions(), bandwidth=9.0, nodes=16)
        return (weights * matrix).sum()

    step = 1e-6 * np.random.default_rng(2).normal(size=xs.shape)
    ends = [float(loss(xs + sign * step)) for sign in (1, -1)]
    along = float((jax.grad(loss)(xs) * step).sum())
    assert (ends[0] - ends[1]) / 2 == pytest.approx(along, rel=1e-6)


def test_directions_are_unit_vectors_all_around():
    number = 2000
    many = np.asarray(random_directions(jax.random.key(1), number, DIMENSION))
    assert many.shape == (number, DIMENSION) and many.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(many, axis=1), 1, rtol=1e-6)
    # A component has mean 0 and mean square 1 / 3, with variances 1 / 3 and 4 / 45.
    assert np.abs(many.mean(0)).max() < 4 * np.sqrt(1 / 3 / number)
    assert np.abs((many**2).mean(0) - 1 / 3).max() < 4 * np.sqrt(4 / 45 / number)
    np.testing.assert_array_equal(many, random_directions(jax.random.key(1), number, DIMENSION))


def test_bad_requests_are_refused_in_a_sentence():
    x, y = vectors(0)
    with pytest.raises(UsageError, match="at least 1"):
        random_directions(jax.random.key(0), 0, 3)
    for options, words in (
        ({"directions": jnp.ones((4, 2))}, "shape"),
        ({"directions": jnp.full((4, 3), jnp.nan)}, "directions"),
        ({"bandwidth": 0.0}, "bandwidth"),
        ({"bandwidth": 1e-3 / 4096}, "bandwidths"),
        ({"bandwidth": 0.05, "nodes": 8}, "too few"),
        ({"estimator": "median"}, "estimator"),
    ):
        with pytest.raises(UsageError, match=words):
            arguments = {"directions": directions(), "bandwidth": 1.4, **options}
            unwrap(pairwise_sliced_mmd2)(x[None], y[None], **arguments)
    with pytest.raises(UsageError, match="NaN"):
        sliced_emd(x, np.where(y > 1, np.nan, y), directions=directions())


def test_under_jit_the_value_is_the_same_and_nan_comes_out():
    distance = jax.jit(
        lambda x, y, bandwidth: sliced_mmd2(x, y, directions=directions(), bandwidth=bandwidth)
    )
    x, y = vectors(0)[0], vectors(1, 1.5)[0]
    expected = np.mean([projected_mmd2(x, y, u, 1.4) for u in directions()])
    assert distance(x, y, 1.4) == pytest.approx(expected, rel=2e-5)
    for given in ((x, y, 0.0), (x, y, 1e-3), (x, np.where(y > 1, np.nan, y), 1.4)):
        assert jnp.isnan(distance(*given))
