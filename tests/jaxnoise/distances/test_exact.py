from functools import cache
from inspect import unwrap

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnoise.distances.exact import mmd2_exact, pairwise_mmd2_exact
from jaxnoise.errors import UsageError

COUNT, OTHER, BLOCK = 89, 77, 2  # the block divides neither, and is small to compile fast


def noise(*shape, seed=0, scale=1.0):
    return (scale * np.random.default_rng(seed).normal(size=shape)).astype(np.float32)


def kernels(u, v, bandwidth):
    """Kernel and its gradient with respect to u, by the definition, in float64."""
    u, v = (np.asarray(a, np.float64).reshape(len(a), -1) for a in (u, v))
    differences = u[:, None] - v
    squared = (differences**2).sum(-1)
    total, slope = np.zeros_like(squared), np.zeros_like(differences)
    for width in np.atleast_1d(np.asarray(bandwidth, np.float64)):
        # Less one: the ones cancel in every estimate, and float64 has digits to lose too.
        total += np.expm1(-squared / width**2) / np.size(bandwidth)
        kernel = np.exp(-squared / width**2) / np.size(bandwidth)
        slope += -2 / width**2 * differences * kernel[..., None]
    return total, slope


def oracle(x, y, bandwidth, estimator):
    """Squared MMD and its gradient with respect to x, by the double sum."""
    n, m = len(x), len(y)
    pairs = (n * n, m * m) if estimator == "biased" else (n * (n - 1), m * (m - 1))
    (xx, slope), (yy, _), (xy, cross) = (
        kernels(*two, bandwidth) for two in ((x, x), (y, y), (x, y))
    )
    value = xx.sum() / pairs[0] + yy.sum() / pairs[1] - 2 * xy.sum() / (n * m)
    gradient = 2 * slope.sum(1) / pairs[0] - 2 * cross.sum(1) / (n * m)
    return value, gradient.reshape(np.shape(x))


@cache
def compiled(estimator="biased"):
    """Value and gradients of one pair; the cache saves compiling again for every bandwidth."""

    def distance(x, y, bandwidth):
        return mmd2_exact(x, y, bandwidth=bandwidth, estimator=estimator, block=BLOCK)

    return jax.jit(jax.value_and_grad(distance, (0, 1)))


CASES = [(1.0, 100.0), (1.0, 1.0), (1.2, 100.0), (1.2, 10.0), (1.2, 1.0), (1.2, 0.1)]


@pytest.mark.parametrize(
    ("estimator", "vectors"), [("biased", False), ("unbiased", False), ("unbiased", True)]
)
def test_value_and_gradient_are_those_of_the_double_sum(estimator, vectors):
    shape = (3,) if vectors else ()
    x = noise(COUNT, *shape)
    for scale, bandwidth in CASES:
        y = noise(OTHER, *shape, seed=1, scale=scale)
        value, gradients = compiled(estimator)(x, y, bandwidth)
        expected, wanted = oracle(x, y, bandwidth, estimator)
        # Rounding is that of kernels as high as 1. Of wide ones the constant and, as it is summed
        # in closed form, the first order cancel: what is left has the height of the second.
        height = min(1, (2 / bandwidth) ** 2)
        assert value == pytest.approx(expected, rel=1e-5, abs=3e-7 * height)
        for gradient, side in zip(
            gradients, (wanted, oracle(y, x, bandwidth, estimator)[1]), strict=True
        ):
            np.testing.assert_allclose(gradient, side, atol=2e-5 * np.abs(side).max())


def test_sets_of_one_size_keep_more_digits():
    x, y = noise(COUNT), noise(COUNT, seed=1)
    value, _ = compiled()(x, y, 1.0)
    assert value == pytest.approx(oracle(x, y, 1.0, "biased")[0], rel=2e-6)


def test_pairs_are_those_of_single_sets():
    xs, ys = noise(2, COUNT), noise(3, OTHER, seed=1)
    weights = jnp.asarray(noise(2, 3, seed=2))

    def total(xs, ys):
        matrix = pairwise_mmd2_exact(xs, ys, bandwidth=[0.5, 2.0], block=BLOCK)
        return (weights * matrix).sum(), matrix

    (_, matrix), gradients = jax.value_and_grad(total, (0, 1), has_aux=True)(xs, ys)
    table = [[oracle(x, y, [0.5, 2.0], "biased") for y in ys] for x in xs]
    np.testing.assert_allclose(matrix, [[cell[0] for cell in row] for row in table], atol=3e-7)
    wanted = [
        sum(weight * cell[1] for weight, cell in zip(row, cells, strict=True))
        for row, cells in zip(np.asarray(weights), table, strict=True)
    ]
    np.testing.assert_allclose(gradients[0], wanted, atol=2e-5 * np.abs(wanted).max())
    wanted = [
        sum(weights[i, j] * oracle(ys[j], x, [0.5, 2.0], "biased")[1] for i, x in enumerate(xs))
        for j in range(3)
    ]
    np.testing.assert_allclose(gradients[1], wanted, atol=2e-5 * np.abs(wanted).max())


def test_gaussians_have_the_closed_form():
    count, first, second, delta = 2000, 1.0, 1.5, 1.4
    quantiles = jax.scipy.special.ndtri((np.arange(count) + 0.5) / count)

    def height(a, b):
        return (1 + 2 * (a**2 + b**2) / delta**2) ** -0.5

    exact = height(first, first) + height(second, second) - 2 * height(first, second)
    # The midpoints of n quantiles miss only the tails beyond the outermost, of mass 1 / n.
    found = mmd2_exact(first * quantiles, second * quantiles, bandwidth=delta, block=BLOCK)
    assert abs(found - exact) < 4 / count < 0.1 * exact
    x, y = noise(count), noise(count, seed=1, scale=second)
    unbiased = mmd2_exact(x, y, bandwidth=delta, estimator="unbiased", block=BLOCK)
    assert unbiased == pytest.approx(oracle(x, y, delta, "unbiased")[0], rel=1e-5)


def test_a_common_shift_and_a_common_unit_change_nothing():
    def distance(x, y, bandwidth):
        return float(compiled()(x, y, bandwidth)[0])

    x, y = noise(COUNT), noise(OTHER, seed=1, scale=1.2)
    value = distance(x, y, 1.0)
    shifted = [x + np.float32(1000), y + np.float32(1000)]
    assert distance(*shifted, 1.0) == pytest.approx(oracle(*shifted, 1.0, "biased")[0], rel=2e-5)
    for unit in (1e-6, 1e6):
        assert distance(unit * x, unit * y, unit) == pytest.approx(value, rel=1e-5)
    # Among equal counts, which one compilation takes either way round.
    y = noise(COUNT, seed=1)
    assert distance(x, y, 1.0) == pytest.approx(distance(y, x, 1.0), rel=1e-6)


def test_the_same_set_is_at_distance_0_with_gradient_0():
    x = noise(COUNT)
    for bandwidth in (1.0, 100.0):
        value, gradients = compiled()(x, x, bandwidth)
        assert 0 <= value < 1e-9
        np.testing.assert_allclose(gradients[0], 0, atol=1e-7 / bandwidth / COUNT)


def test_long_vectors():
    x, y = noise(40, 50), noise(30, 50, seed=1, scale=1.1)
    expected, wanted = oracle(x, y, 10.0, "biased")
    value, gradients = compiled()(x, y, 10.0)
    assert value == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(gradients[0], wanted, atol=2e-5 * np.abs(wanted).max())


def test_the_memory_is_linear_and_kernels_are_never_stored():
    count = 30_000
    sets = jax.ShapeDtypeStruct((1, count), jnp.float32)

    def loss(xs, ys):
        return pairwise_mmd2_exact(xs, ys, bandwidth=1.0, block=BLOCK).sum()

    memory = jax.jit(jax.grad(loss, (0, 1))).lower(sets, sets).compile().memory_analysis()
    assert memory.temp_size_in_bytes < 100 * 4 * count


def test_bad_requests_are_refused_in_a_sentence():
    x = jnp.arange(3.0)
    refused = unwrap(mmd2_exact)
    for given, options, words in (
        ((x, x), {"bandwidth": 0.0}, "bandwidth"),
        ((x, x), {"estimator": "median"}, "estimator"),
        ((x, x), {"block": 0}, "block"),
        ((x, x[:1]), {"estimator": "unbiased"}, "at least 2"),
        ((x, x[:, None]), {}, "differ"),
        ((x, x.at[0].set(jnp.nan)), {}, "NaN"),
    ):
        with pytest.raises(UsageError, match=words):
            refused(*given, **{"bandwidth": 1.0, **options})


def test_under_jit_nan_comes_out():
    x, y = noise(COUNT), noise(OTHER)
    distance = compiled()
    for given in ((x, y, 0.0), (x, np.where(y > 1, np.nan, y), 1.0)):
        value, _ = distance(*given)
        assert jnp.isnan(value)
