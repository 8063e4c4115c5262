import numpy as np
import pytest

from jaxnoise.metrics import (
    floor_from_counts,
    marginal_kl,
    marginal_kl_floor,
    noise_counts,
    patch_marginal_kl,
)

pytestmark = pytest.mark.fast

VALUES, PATCHES = 4096, 400
# Reference floors: standard deviation of a Gaussian, then the mean KL between two draws of VALUES
# values of it, dropped and smoothed, rounded to 0.0001. The mean of 4000 pairs of another seed is
# within 0.0002 of each.
KNOWN = [(0.006, 0.0031, 0.0031), (0.012, 0.0060, 0.0063), (0.035, 0.0160, 0.0151)]
KNOWN += [(0.07, 0.0158, 0.0153)]


def standard_error(bins, pairs):
    """Of the mean KL of pairs: n KL is chi-squared with bins - 1 degrees of freedom."""
    return np.sqrt(2 * (bins - 1) / pairs) / VALUES


@pytest.mark.parametrize(("scale", "dropped", "smoothed"), KNOWN)
def test_two_draws_differ_by_the_known_floor(scale, dropped, smoothed):
    first, second = np.random.default_rng(0).normal(scale=scale, size=(2, PATCHES, VALUES))
    occupied = int((noise_counts(first[0]) > 0).sum())
    # Checked: the mean of PATCHES pairs is the reference. Both are means of independent pairs, so
    # that their difference has the root of the summed squares of their standard errors; the
    # reference is allowed that of 100 pairs (0.00013 to 0.00028), which its distance of 0.0002
    # from 4000 pairs keeps to, and half a step of its rounding.
    bound = 4 * np.hypot(standard_error(occupied, PATCHES), standard_error(occupied, 100)) + 5e-5
    for variant, known in (("dropped", dropped), ("smoothed", smoothed)):
        measured = patch_marginal_kl(first, second, variant=variant).mean()
        assert abs(measured - known) < bound, (variant, measured)
        counts = np.asarray(noise_counts(first, per_patch=True))
        drawn = floor_from_counts(counts, variant=variant, repeats=1)
        # Bins that one draw leaves empty stay empty in draws from its histogram: a little lower.
        assert abs(drawn.mean() - known) < bound + 2 / VALUES, (variant, drawn.mean())


def test_the_floor_of_a_large_sample_is_occupied_bins_over_values():
    counts = np.full(66, 100_000)
    floor = floor_from_counts(counts, repeats=64)
    expected = 65 / counts.sum()
    assert abs(floor - expected) < 4 * np.sqrt(2 / 65 / 64) * expected


def test_a_second_draw_is_used_where_there_is_one():
    real, second = np.random.default_rng(0).normal(scale=0.02, size=(2, 5000))
    assert marginal_kl_floor(real, second) == pytest.approx(marginal_kl(real, second))
    occupied = int((noise_counts(real) > 0).sum())
    expected = (occupied - 1) / 5000
    assert marginal_kl_floor(real) == pytest.approx(
        expected, rel=4 * np.sqrt(2 / occupied / 16) + 0.1
    )


def test_the_floor_is_a_function_of_its_seed():
    real = np.random.default_rng(0).normal(scale=0.02, size=1000)
    assert marginal_kl_floor(real, seed=1) == marginal_kl_floor(real, seed=1)
    assert marginal_kl_floor(real, seed=1) != marginal_kl_floor(real, seed=2)


def test_an_empty_histogram_has_no_floor():
    counts = np.array([[0, 0, 0], [5, 5, 0]])
    np.testing.assert_array_equal(np.isnan(floor_from_counts(counts)), [True, False])
