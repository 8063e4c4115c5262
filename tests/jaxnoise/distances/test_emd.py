from functools import partial

import jax
import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from jaxnoise.distances import emd, pairwise_emd
from jaxnoise.errors import UsageError


def noise(sets, count, seed=0, scale=1.0):
    random = np.random.default_rng(seed)
    return (scale * random.normal(size=(sets, count))).astype(np.float32)


def stated(xs, ys):
    return np.array([[wasserstein_distance(x, y) for y in ys] for x in xs])


@pytest.mark.parametrize("sizes", [(100, 100), (100, 137), (7, 1000)])
@pytest.mark.parametrize("sets", [(2, 3), (20, 18)])
def test_equals_scipy(sizes, sets):
    xs, ys = noise(sets[0], sizes[0]), noise(sets[1], sizes[1], 1, scale=1.2)
    np.testing.assert_allclose(pairwise_emd(xs, ys), stated(xs, ys), rtol=1e-6)


def test_quantised_values_with_many_ties():
    xs, ys = np.round(3 * noise(20, 100)), np.round(3 * noise(20, 100, 1))
    np.testing.assert_allclose(pairwise_emd(xs, ys), stated(xs, ys), rtol=1e-6)


def test_closed_form_of_two_gaussians():
    """That is |s - t| sqrt(2 / pi)."""
    quantiles = np.asarray(jax.scipy.special.ndtri((np.arange(20_000) + 0.5) / 20_000))
    found = float(emd(1.0 * quantiles, 1.5 * quantiles))
    assert abs(found - 0.5 * np.sqrt(2 / np.pi)) < 1e-3


@pytest.mark.parametrize("sizes", [(100, 100), (100, 137)])
def test_gradient_off_ties_is_that_of_the_definition(sizes):
    xs, ys = noise(9, sizes[0]), noise(8, sizes[1], 1, scale=1.2)
    weights = np.random.default_rng(2).normal(size=(9, 8)).astype(np.float32)

    def total(xs, ys):
        return (pairwise_emd(xs, ys) * weights).sum()

    by_x, by_y = jax.jit(jax.grad(total, argnums=(0, 1)))(xs, ys)
    np.testing.assert_allclose(by_x, definition(xs, ys, weights), atol=2e-6)
    np.testing.assert_allclose(by_y, definition(ys, xs, weights.T), atol=2e-6)


def definition(xs, ys, weights):
    """Integral of the sign of the quantile functions' difference over each value's own step."""
    n, m = xs.shape[1], ys.shape[1]
    middles = (np.arange(n * m) + 0.5) / (n * m)
    gradient = np.zeros(xs.shape)
    for i, x in enumerate(xs):
        order = np.argsort(x)
        for y, weight in zip(ys, weights[i], strict=True):
            difference = x[order][(middles * n).astype(int)] - np.sort(y)[(middles * m).astype(int)]
            steps = np.sign(difference).reshape(n, m).sum(1) / (n * m)
            gradient[i, order] += weight * steps
    return gradient


def test_gradient_of_ties_is_right_in_sum():
    """Moving all values that are equal moves the distance by the sum of their gradients."""
    xs, ys = np.round(3 * noise(20, 100)), noise(20, 100, 1, scale=3.3)
    gradient = jax.grad(lambda xs: pairwise_emd(xs, ys).sum())(xs)
    tied, step = xs[0] == 1.0, 1e-3
    moved = [stated([xs[0] + sign * step * tied], ys).sum() for sign in (1, -1)]
    assert abs((moved[0] - moved[1]) / (2 * step) - gradient[0][tied].sum()) < 0.02


def test_no_distance_no_gradient():
    xs = noise(20, 100)
    distance, gradient = jax.value_and_grad(lambda xs: pairwise_emd(xs, xs[:1])[0, 0])(xs)
    assert distance == 0 and (gradient == 0).all()


def test_under_vmap_and_in_float64(float64):
    xs, ys = noise(3, 50).astype(np.float64), noise(3, 50, 1).astype(np.float64)
    found = jax.vmap(emd)(xs, ys)
    np.testing.assert_allclose(found, np.diag(stated(xs, ys)), rtol=1e-12)


@pytest.mark.parametrize(
    ("x", "message"),
    [(np.zeros(0), "empty"), (np.array([np.nan, 1.0]), "NaN"), (np.zeros((2, 2)), "shape")],
)
def test_bad_input_is_refused_in_a_sentence(x, message):
    with pytest.raises(UsageError, match=message):
        emd(x, np.arange(3.0))


def test_nan_under_jit_stays_with_its_set():
    xs, ys = noise(20, 100), noise(18, 100, 1)
    xs[3, 7] = np.nan
    found = np.asarray(jax.jit(partial(pairwise_emd))(xs, ys))
    assert np.isnan(found[3]).all() and np.isfinite(np.delete(found, 3, axis=0)).all()
