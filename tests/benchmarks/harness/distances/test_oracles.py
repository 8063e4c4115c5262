"""What the benchmarks of distances compare with is right."""

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from benchmarks.harness.distances import oracles
from benchmarks.harness.distances.cases import CHANGES, DISTRIBUTIONS, pair

pytestmark = pytest.mark.fast

RANDOM = np.random.default_rng(3)
X, Y = RANDOM.standard_normal(60), 1.3 * RANDOM.standard_normal(45) + 0.2


def by_definition(x, y, width, *, unbiased):
    """The double sums, term by term."""

    def mean(u, v, same):
        terms = [
            np.exp(-(((a - b) / width) ** 2))
            for i, a in enumerate(u)
            for j, b in enumerate(v)
            if not (same and unbiased and i == j)
        ]
        return np.mean(terms)

    return mean(x, x, True) + mean(y, y, True) - 2 * mean(x, y, False)


def test_mmd_is_its_definition_for_the_mean_of_two_kernels():
    truth = oracles.mmd2(X, Y, np.array([0.7, 2.0]))
    for value, unbiased in ((truth.biased, False), (truth.unbiased, True)):
        kernels = [by_definition(X, Y, width, unbiased=unbiased) for width in (0.7, 2.0)]
        np.testing.assert_allclose(value, np.mean(kernels), rtol=1e-12)


def test_the_gradient_of_mmd_is_its_finite_difference():
    truth, step = oracles.mmd2(X, Y, 0.8), 1e-5
    for side, gradient in enumerate(truth.gradients):
        for index in (0, 17, 44):
            values = []
            for sign in (1, -1):
                samples = [X.copy(), Y.copy()]
                samples[side][index] += sign * step
                values.append(oracles.mmd2(*samples, 0.8).biased)
            difference = (values[0] - values[1]) / (2 * step)
            np.testing.assert_allclose(gradient[index], difference, rtol=1e-6, atol=1e-10)
        assert np.abs(gradient).max() <= truth.steepest / gradient.size


@pytest.mark.parametrize("span", [0.1, 1.0, 10.0, 100.0])
def test_mmd_by_frequencies_is_the_double_sum(span):
    width = 8 / span
    truth = oracles.mmd2(X, Y, width).biased
    np.testing.assert_allclose(oracles.mmd2_by_frequencies(X, Y, width), truth, rtol=1e-9)


def test_emd_is_that_of_scipy_also_with_ties():
    np.testing.assert_allclose(oracles.emd(X, Y), wasserstein_distance(X, Y), rtol=1e-12)
    x, y = pair("two values", "scale", 50)
    np.testing.assert_allclose(oracles.emd(x, y), wasserstein_distance(x, y), rtol=1e-12)


def test_bhattacharyya_of_equal_moments_is_zero_and_of_scales_is_known():
    assert oracles.bhattacharyya(X, X[::-1], ddof=1) == pytest.approx(0, abs=1e-15)
    centred = X - X.mean()
    expected = 0.5 * np.log((1 + 4) / (2 * 2))
    assert oracles.bhattacharyya(centred, 2 * centred, ddof=0) == pytest.approx(expected)


def test_every_case_is_two_samples_of_finite_values_that_differ():
    for distribution in DISTRIBUTIONS:
        for change in CHANGES:
            x, y = pair(distribution, change, 200)
            assert x.shape == y.shape == (200,) and x.dtype == y.dtype == np.float32
            assert np.isfinite([x, y]).all() and oracles.emd(x, y) > 0
            again = pair(distribution, change, 200)
            assert (x == again[0]).all() and (y == again[1]).all()
