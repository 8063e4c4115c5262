"""Distances and losses of residuals: scipy and sums in double precision, and what must be equal."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jaxnoise.errors import UsageError
from jaxnoise.models import rcl

SHAPE = (4, 6, 8, 3)
LEVELS = np.array([2, 5, 10, 20])[:, None, None, None] / 255


def residuals(seed=0):
    random = np.random.default_rng(seed)
    return [(LEVELS * random.normal(size=SHAPE)).astype(np.float32) for _ in range(2)]


def by_hand(distance, p, q, width):
    """Eqs. 6 to 8 in double precision, of all values of two crops."""
    p, q = (255 * np.float64(own.ravel()) for own in (p, q))
    if distance == "emd":
        return scipy.stats.wasserstein_distance(p, q)
    if distance == "bhattacharyya":
        a, b = p.var(ddof=1), q.var(ddof=1)
        return np.log((a / b + b / a + 2) / 4) / 4 + (p.mean() - q.mean()) ** 2 / (a + b) / 4
    apart = [np.exp(-(((u[:, None] - v) / width) ** 2)).mean() for u, v in ((p, p), (q, q), (p, q))]
    return apart[0] + apart[1] - 2 * apart[2]


def median_width(*parts):
    values = 255 * np.float64(np.concatenate([own.ravel() for own in parts]))
    apart = np.abs(values[:, None] - values)[np.triu_indices(len(values), 1)]
    return np.sqrt(2) * np.median(apart)


def distances(first, second, **options):
    return rcl.residual_distances(jnp.asarray(first), jnp.asarray(second), **options)


@pytest.mark.parametrize(
    ("distance", "bandwidth"),
    [("emd", None), ("bhattacharyya", None), ("mmd", None), ("mmd", 12.0)],
)
def test_distances_and_loss_by_hand(distance, bandwidth):
    first, second = residuals()
    width = bandwidth or median_width(first, second)
    right = np.array([[by_hand(distance, p, q, width) for q in second] for p in first])
    options = {"distance": distance, "bandwidth": bandwidth}
    np.testing.assert_allclose(distances(first, second, **options), right, rtol=2e-5, atol=1e-6)
    # Eq. 5, every row by itself: a shift of a row's distances does not matter.
    negatives = ~np.eye(4, dtype=bool)
    negatives[0, 2] = negatives[3, 1] = False
    shares = np.exp(-(right - np.diag(right)[:, None]) / 0.5)
    rows = np.log(1 + (shares * negatives).sum(1))
    for reduction, expected in (("mean", rows.mean()), ("sum", rows.sum())):
        found = rcl.residual_loss(
            jnp.asarray(first),
            jnp.asarray(second),
            temperature=0.5,
            negatives=negatives,
            reduction=reduction,
            **options,
        )
        assert float(found) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("distance", rcl.DISTANCES)
def test_the_noisy_image_itself_is_told_by_no_distance(distance):
    """The identity has no residual: the loss is log(N), and its gradient is finite."""
    zeros = jnp.zeros(SHAPE)
    for loss in (rcl.residual_loss, jax.jit(rcl.residual_loss, static_argnames="distance")):
        value, slope = jax.value_and_grad(
            lambda one, loss=loss: loss(one, zeros, distance=distance)
        )(zeros)
        assert float(value) == pytest.approx(np.log(4), rel=1e-6)
        assert np.isfinite(slope).all()


@pytest.mark.parametrize("distance", rcl.DISTANCES)
def test_true_noise_is_told_apart(distance):
    first, second = map(jnp.asarray, residuals())
    terms = rcl.objective(first, second, consistency=0.0, distance=distance)
    assert float(terms.contrastive) < 0.9 * np.log(4)
    assert (np.asarray(rcl.gaps(distances(first, second, distance=distance))) > 0).all()


def test_a_row_does_not_depend_on_the_order_of_the_others():
    first, second = residuals()
    order = [0, 3, 1, 2]
    only = np.zeros((4, 4), bool)
    only[0, 1:] = True

    def row(first, second):
        return float(
            rcl.residual_loss(
                jnp.asarray(first), jnp.asarray(second), temperature=5.0, negatives=only
            )
        )

    assert row(first, second) == pytest.approx(row(first[order], second[order]), rel=1e-5)
    assert abs(row(first, second[[0, 1, 1, 1]]) - row(first, second)) > 1e-3
    transposed = distances(second, first)
    np.testing.assert_allclose(transposed, distances(first, second).T, rtol=1e-5)


@pytest.mark.parametrize("distance", rcl.DISTANCES)
def test_places_of_values_do_not_matter(distance):
    first, second = residuals()
    random = np.random.default_rng(4)
    shuffled = np.stack([random.permutation(own.ravel()).reshape(own.shape) for own in first])
    before, after = (distances(one, second, distance=distance) for one in (first, shuffled))
    np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-6)


def test_the_scale_is_that_of_the_distance():
    first, second = residuals()
    grey, fraction = (distances(first, second, scale=scale) for scale in (255.0, 1.0))
    np.testing.assert_allclose(grey, 255 * fraction, rtol=1e-5)
    # Figure 2: of zero-mean normal noise sqrt(2 / pi) |s1 - s2|, to the error of so few values.
    large = [np.random.default_rng(1).normal(0, s / 255, (1, 200, 200, 3)) for s in (5, 20)]
    found = distances(*(one.astype(np.float32) for one in large))
    assert float(found[0, 0]) == pytest.approx(np.sqrt(2 / np.pi) * 15, rel=0.02)


def test_the_objective_is_the_weighted_sum():
    first, second = map(jnp.asarray, residuals())
    loss = float(rcl.residual_loss(first, second))
    terms = rcl.objective(first, second, consistency=0.25)
    assert float(terms.contrastive) == pytest.approx(loss)
    assert float(terms.total) == pytest.approx(1e-3 * loss + 0.25, rel=1e-6)
    terms = rcl.objective(first, second, consistency=0.25, alpha=0.0)
    assert tuple(map(float, terms)) == (0.25, 0.0, 0.25)


@pytest.mark.parametrize("distance", rcl.DISTANCES)
def test_residuals_gone_astray_have_a_loss_and_a_gradient(distance):
    first, second = map(jnp.asarray, residuals())

    @jax.jit
    def loss(scale):
        return rcl.residual_loss(
            first.at[0, 0, 0].multiply(scale), second, distance=distance, temperature=1.0
        )

    for scale in (1.0, 100.0, 1e4):
        assert all(map(np.isfinite, jax.value_and_grad(loss)(scale)))
    assert np.isnan(loss(jnp.nan))


@pytest.mark.fast
def test_gaps_by_hand():
    matrix = np.array([[1.0, 4.0, 2.0], [3.0, 2.0, 7.0], [0.0, 5.0, 5.0]], np.float32)
    np.testing.assert_allclose(rcl.gaps(matrix), [2.0, 3.0, -2.5])
    single = rcl.differences(matrix)
    np.testing.assert_array_equal(single, [[np.nan, 3, 1], [1, np.nan, 5], [-5, 0, np.nan]])
    negatives = np.array([[True, True, False], [True, False, False], [False] * 3])
    np.testing.assert_array_equal(rcl.gaps(matrix, negatives), [3.0, 1.0, np.nan])


@pytest.mark.fast
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"distance": "kl"}, "distance is 'kl': use emd, bhattacharyya, mmd"),
        ({"alpha": -1.0}, "alpha is -1.0"),
        ({"temperature": 0.0}, "temperature is 0.0"),
        ({"reduction": "max"}, "reduction"),
    ],
)
def test_what_does_not_fit_is_refused(options, sentence):
    with pytest.raises(UsageError, match=sentence):
        rcl.objective(*map(jnp.asarray, residuals()), consistency=0.0, **options)
