import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxnoise.metrics import nll_per_dim, paired_difference, relative_improvement

pytestmark = pytest.mark.fast


def test_nll_per_dim_of_white_noise_is_that_of_scipy():
    noise = np.random.default_rng(0).normal(scale=0.03, size=(5, 4, 4, 3))
    log_density = stats.norm.logpdf(noise, scale=0.03)
    expected = -log_density.mean(axis=(1, 2, 3))
    result = nll_per_dim(log_density.sum(axis=(1, 2, 3)), (4, 4, 3))
    np.testing.assert_allclose(result, expected, rtol=1e-12)
    jitted = jax.jit(lambda value: nll_per_dim(value, (4, 4, 3)))
    np.testing.assert_allclose(
        jitted(jnp.asarray(log_density.sum(axis=(1, 2, 3)))), expected, rtol=1e-5
    )


def test_nll_per_dim_refuses_an_empty_image():
    with pytest.raises(ValueError, match="no dimensions"):
        nll_per_dim(np.zeros(3), (0, 4, 4))


@pytest.mark.parametrize(
    ("baseline", "nll", "percent"), [(-2.831, -3.521, 99.4), (-3.105, -3.521, 51.6)]
)
def test_relative_improvement_is_that_of_the_noise_flow_paper(baseline, nll, percent):
    # The likelihoods are printed to 0.001, so that the ratio is known to 0.001 * 2 relative.
    assert 100 * relative_improvement(baseline, nll) == pytest.approx(percent, abs=0.2)


def test_relative_improvement_of_half_the_density_is_minus_one_half():
    assert relative_improvement(0.0, np.log(2.0)) == pytest.approx(-0.5)


def test_paired_difference_is_the_paired_test_of_scipy():
    generator = np.random.default_rng(1)
    first = generator.normal(size=50)
    second = first + 0.1 + 0.01 * generator.normal(size=50)
    mean, error = paired_difference(first, second)
    expected = stats.ttest_rel(first, second)
    assert mean / error == pytest.approx(expected.statistic)
    assert error == pytest.approx(stats.sem(first - second))
    assert float(jax.jit(paired_difference)(first, second)[1]) == pytest.approx(error, rel=1e-4)


def test_paired_difference_of_one_image_has_no_standard_error():
    mean, error = paired_difference(np.array([2.0]), np.array([0.5]))
    assert mean == 1.5
    assert np.isnan(error)
