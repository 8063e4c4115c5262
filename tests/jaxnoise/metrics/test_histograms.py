import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxnoise.metrics import (
    NOISE_EDGES,
    grouped_counts,
    kl_from_counts,
    ks,
    ks_from_counts,
    marginal_kl,
    noise_counts,
    patch_marginal_kl,
)

# The bins as Noise Flow states them; numpy's histogram is the oracle for counting.
STATED_EDGES = np.concatenate([[-1000], np.linspace(-0.1, 0.1, 65), [1000]])


def gaussian(scale, shape, seed=0):
    return np.random.default_rng(seed).normal(scale=scale, size=shape)


@pytest.mark.fast
def test_edges_are_those_of_noise_flow():
    assert len(NOISE_EDGES) == 65
    np.testing.assert_allclose(np.diff(NOISE_EDGES), 0.003125, rtol=1e-9)


@pytest.mark.fast
def test_counts_are_those_of_numpy_with_open_tails():
    noise = gaussian(0.06, (3, 8, 8, 4))
    expected = np.histogram(noise, STATED_EDGES)[0]
    assert expected[0] > 0 and expected[-1] > 0
    np.testing.assert_array_equal(noise_counts(noise), expected)
    per_patch = noise_counts(noise, per_patch=True)
    for patch, counts in zip(noise, per_patch, strict=True):
        np.testing.assert_array_equal(counts, np.histogram(patch, STATED_EDGES)[0])
    jitted = jax.jit(lambda values: noise_counts(values, per_patch=True))(jnp.asarray(noise))
    np.testing.assert_array_equal(jitted, per_patch)


@pytest.mark.fast
def test_a_value_on_an_edge_belongs_above_it_and_infinity_to_a_tail():
    values = np.array([0.0, 1.0, np.inf, -np.inf, np.nan])
    for array in (values, jnp.asarray(values)):
        np.testing.assert_array_equal(noise_counts(array, edges=np.array([0.0, 1.0])), [1, 1, 2])


@pytest.mark.fast
def test_grouped_counts_are_counts_of_each_group():
    noise = gaussian(0.05, (500,))
    groups = np.random.default_rng(1).integers(0, 3, 500)
    counts = grouped_counts(noise, groups, 4)
    for group in range(4):
        np.testing.assert_array_equal(counts[group], noise_counts(noise[groups == group]))


@pytest.mark.fast
def test_kl_worked_by_hand():
    real, synthetic = np.array([3, 1, 0]), np.array([1, 2, 1])
    # Smoothed: p = (4, 2, 1) / 7 and q = (2, 3, 2) / 7.
    smoothed = (4 * np.log(2) + 2 * np.log(2 / 3) + np.log(1 / 2)) / 7
    # Dropped: the third bin has no real count; p = (3, 1) / 4 and q = (1, 2) / 4.
    dropped = (3 * np.log(3) + np.log(1 / 2)) / 4
    assert kl_from_counts(real, synthetic) == pytest.approx(smoothed)
    assert kl_from_counts(real, synthetic, variant="dropped") == pytest.approx(dropped)


@pytest.mark.fast
def test_dropped_kl_can_be_negative_and_smoothed_kl_is_that_of_scipy():
    real, synthetic = np.array([2, 2, 0]), np.array([3, 0, 1])
    assert kl_from_counts(real, synthetic, variant="dropped") == pytest.approx(0.5 * np.log(2 / 3))
    expected = stats.entropy((real + 1) / 7, (synthetic + 1) / 7)
    assert kl_from_counts(real, synthetic) == pytest.approx(expected)


@pytest.mark.fast
@pytest.mark.parametrize("variant", ["smoothed", "dropped"])
def test_kl_is_of_the_real_noise_relative_to_the_synthetic(variant):
    real, synthetic = gaussian(0.01, (20_000,)), gaussian(0.03, (20_000,), seed=1)
    forward = marginal_kl(real, synthetic, variant=variant)
    # Closed form of KL(N(0, s1) || N(0, s2)); binning loses some of it and never adds to it.
    exact = np.log(3) + 0.5 * (1 / 9 - 1)
    assert forward == pytest.approx(exact, rel=0.05)
    assert marginal_kl(synthetic, real, variant=variant) > forward


@pytest.mark.parametrize("variant", ["smoothed", "dropped"])
def test_identical_data_give_zero(variant):
    noise = gaussian(0.02, (4, 8, 8, 4))
    assert marginal_kl(noise, noise, variant=variant) == 0
    np.testing.assert_array_equal(patch_marginal_kl(noise, noise, variant=variant), 0)
    assert ks(noise, noise) == 0
    assert float(marginal_kl(jnp.asarray(noise), jnp.asarray(noise), variant=variant)) == 0


@pytest.mark.parametrize("variant", ["smoothed", "dropped"])
def test_jit_gives_what_numpy_gives(variant):
    real = gaussian(0.02, (3, 8, 8, 4)).astype(np.float32)
    synthetic = gaussian(0.025, (3, 8, 8, 4), seed=1).astype(np.float32)
    for function in (marginal_kl, patch_marginal_kl):
        jitted = jax.jit(lambda a, b, f=function: f(a, b, variant=variant))(real, synthetic)
        np.testing.assert_allclose(
            jitted, function(real, synthetic, variant=variant), rtol=1e-4, atol=1e-6
        )
    np.testing.assert_allclose(jax.jit(ks)(real, synthetic), ks(real, synthetic), atol=1e-6)


@pytest.mark.fast
def test_a_patch_is_compared_with_its_own_synthetic_patch():
    real, synthetic = gaussian(0.02, (3, 8, 8, 1)), gaussian(0.03, (3, 8, 8, 1), seed=1)
    values = patch_marginal_kl(real, synthetic)
    expected = [float(marginal_kl(a, b)) for a, b in zip(real, synthetic, strict=True)]
    np.testing.assert_allclose(values, expected)


@pytest.mark.fast
def test_nan_noise_gives_nan():
    real, broken = gaussian(0.02, (2, 4, 4, 1)), gaussian(0.02, (2, 4, 4, 1), seed=1)
    broken[1, 0, 0, 0] = np.nan
    assert np.isnan(marginal_kl(real, broken))
    assert np.isnan(ks(real, broken))
    np.testing.assert_array_equal(np.isnan(patch_marginal_kl(real, broken)), [False, True])


@pytest.mark.fast
def test_an_empty_histogram_has_no_kl():
    assert np.isnan(kl_from_counts(np.zeros(3, int), np.array([1, 0, 2])))
    assert np.isnan(ks_from_counts(np.zeros(3, int), np.array([1, 0, 2])))


@pytest.mark.fast
def test_real_and_synthetic_noise_may_differ_in_amount():
    real, synthetic = gaussian(0.02, (3, 8, 8, 4)), gaussian(0.02, (1000,), seed=1)
    expected = kl_from_counts(noise_counts(real), noise_counts(synthetic))
    assert marginal_kl(real, synthetic) == expected
    assert 0 < ks(real, synthetic) < 1


@pytest.mark.fast
def test_an_unknown_variant_is_an_error():
    with pytest.raises(ValueError, match="smoothed"):
        marginal_kl(np.zeros(3), np.zeros(3), variant="exact")


@pytest.mark.fast
def test_ks_is_that_of_scipy_up_to_the_bins():
    real, synthetic = gaussian(0.2, (5000,)), gaussian(0.3, (5000,), seed=1)
    exact = float(stats.ks_2samp(real, synthetic)[0])  # type: ignore[arg-type]
    # Within one bin each cumulative distribution moves by at most density * width.
    slack = 2 * stats.norm.pdf(0, scale=0.2) * 2 / 256
    assert exact - slack <= ks(real, synthetic) <= exact + 1e-12


@pytest.mark.fast
def test_ks_of_disjoint_noise_is_one_and_of_shifted_counts_by_hand():
    assert ks(np.full(10, -0.5), np.full(10, 0.5)) == 1
    assert ks_from_counts(np.array([2, 2, 0]), np.array([1, 1, 2])) == pytest.approx(0.5)
    with pytest.warns(UserWarning, match="100 % of the values of real"):
        assert ks(np.full(10, 5.0), np.full(10, 0.999)) == 0, "values beyond count in the last bin"
