from inspect import unwrap

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnoise.distances.bhattacharyya import bhattacharyya, pairwise_bhattacharyya
from jaxnoise.errors import UsageError


def residuals(sets, count, seed, scale=1.0, offset=0.0):
    generator = np.random.default_rng(seed)
    scales = generator.uniform(0.8, 1.2, (sets, 1)) * scale
    values = offset + scales * (generator.normal(size=(sets, count)) + 0.1)
    return values.astype(np.float32)


def oracle(x, y):
    """The equation of the paper, in float64."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    p, q = x.var(ddof=1), y.var(ddof=1)
    return np.log((p / q + q / p + 2) / 4) / 4 + (x.mean() - y.mean()) ** 2 / (p + q) / 4


def analytic_gradient(x, y):
    """Gradient with respect to x, by the derivatives with respect to mean and variance."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    p, q, shift = x.var(ddof=1), y.var(ddof=1), x.mean() - y.mean()
    by_mean = shift / (p + q) / 2
    by_variance = (1 / (p + q) - 1 / (2 * p)) / 2 - shift**2 / (p + q) ** 2 / 4
    return by_mean / len(x) + by_variance * 2 * (x - x.mean()) / (len(x) - 1)


@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_pairs_and_their_gradients_are_those_of_the_equation(offset):
    xs, ys = residuals(3, 1000, 0, offset=offset), residuals(4, 777, 1, offset=offset)
    matrix = pairwise_bhattacharyya(xs, ys)
    expected = [[oracle(x, y) for y in ys] for x in xs]
    # Both means are right to one part in 10^7 of a deviation, and the distance is their square.
    np.testing.assert_allclose(matrix, expected, rtol=1e-5)
    for x, y, entry in zip(xs, ys, jnp.diagonal(matrix), strict=False):
        assert bhattacharyya(x, y) == pytest.approx(float(entry), rel=1e-5)
    weights = np.random.default_rng(2).normal(size=matrix.shape)

    def total(xs, ys):
        return (weights * pairwise_bhattacharyya(xs, ys)).sum()

    for gradient, side, other, table in zip(
        jax.grad(total, (0, 1))(jnp.asarray(xs), jnp.asarray(ys)),
        (xs, ys),
        (ys, xs),
        (weights, weights.T),
        strict=True,
    ):
        wanted = [
            sum(
                weight * analytic_gradient(one, two) for weight, two in zip(row, other, strict=True)
            )
            for row, one in zip(table, side, strict=True)
        ]
        np.testing.assert_allclose(gradient, wanted, atol=2e-5 * np.abs(wanted).max())


def test_gaussians_have_the_closed_form():
    # Zero-mean Gaussians: ln((s^2 + t^2) / (2 s t)) / 2, whose two logarithms of a sample standard
    # deviation each have variance 1 / (2 n).
    count, ratio = 4096, 1.5
    x = np.random.default_rng(0).normal(size=count)
    y = ratio * np.random.default_rng(1).normal(size=count)
    slope = abs(ratio**2 - 1) / (ratio**2 + 1) / 2
    error = 4 * slope * np.sqrt(1 / count)
    assert abs(bhattacharyya(x, y) - np.log((1 + ratio**2) / (2 * ratio)) / 2) < error


def test_a_set_is_at_distance_0_of_itself_and_order_does_not_matter():
    xs = residuals(3, 500, 0)
    matrix = pairwise_bhattacharyya(xs, xs)
    # Each variance is rounded to one part in 10^7, and the distance is of second order.
    np.testing.assert_allclose(jnp.diagonal(matrix), 0, atol=1e-13)
    np.testing.assert_allclose(matrix, matrix.T, rtol=1e-6)
    assert (matrix >= 0).all()
    gradients = jax.grad(lambda x, y: bhattacharyya(x, y), (0, 1))(xs[0], xs[0])
    for gradient in gradients:
        np.testing.assert_allclose(gradient, 0, atol=1e-7 / xs.shape[1])


def test_constant_residuals_have_finite_values_and_gradients():
    constant, other = jnp.zeros(100), jnp.ones(100)
    both = jax.value_and_grad(bhattacharyya, (0, 1))
    for x, y in ((constant, constant), (constant, other), (constant, residuals(1, 100, 0)[0])):
        value, gradients = both(x, y)
        assert jnp.isfinite(value) and all(jnp.isfinite(one).all() for one in gradients)
    # (1 - 0)^2 over twice the floor of the variance, over 4.
    assert both(constant, other)[0] == pytest.approx(1 / (2e-12) / 4, rel=1e-5)


@pytest.mark.parametrize("scale", [1e-4, 1e4])
def test_the_unit_does_not_matter(scale):
    x, y = residuals(1, 500, 0)[0], residuals(1, 500, 1)[0]
    assert bhattacharyya(scale * x, scale * y) == pytest.approx(
        float(bhattacharyya(x, y)), rel=1e-4
    )


def test_low_precision_is_computed_in_float32():
    x = jnp.asarray(residuals(1, 5000, 0)[0], jnp.bfloat16)
    value = bhattacharyya(x, 2 * x)
    assert value.dtype == jnp.float32
    assert value == pytest.approx(oracle(x, 2 * x), rel=1e-5)


def test_bad_requests_are_refused_in_a_sentence():
    x = jnp.ones(3)
    for given, words in (((x, x[:1]), "at least 2"), ((x, x.at[0].set(jnp.nan)), "NaN")):
        with pytest.raises(UsageError, match=words):
            bhattacharyya(*given)
    with pytest.raises(UsageError, match="shape"):
        unwrap(pairwise_bhattacharyya)(x, x)
    spoilt = jax.jit(bhattacharyya)(x, x.at[0].set(jnp.nan))
    assert jnp.isnan(spoilt)
