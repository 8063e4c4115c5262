from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnoise.distances import mmd2, mmd2_nodes, pairwise_mmd2
from jaxnoise.errors import UsageError

COUNT = 1000


def dense(x, y, widths, estimator="biased"):
    """Squared MMD as its definition: every kernel evaluated, in float64."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)

    def mean(u, v, pairs):
        squares = (u[:, None] - v) ** 2
        total = sum(np.exp(-squares / width**2).sum() for width in np.atleast_1d(widths))
        return (total / np.size(widths) - (len(u) if pairs < u.size * v.size else 0)) / pairs

    less = 1 if estimator == "unbiased" else 0
    within = sum(mean(u, u, len(u) * (len(u) - less)) for u in (x, y))
    return within - 2 * mean(x, y, x.size * y.size)


def dense_gradient(x, y, width):
    """Derivative of the biased squared MMD with respect to x."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)

    def slope(u, v):
        difference = u[:, None] - v
        return (-2 * difference / width**2 * np.exp(-((difference / width) ** 2))).mean(1)

    return 2 * (slope(x, x) - slope(x, y)) / len(x)


def samples(name, seed=0, count=COUNT):
    random = np.random.default_rng(seed)
    if name == "two-point":
        return random.choice([-1.0, 1.0], count)
    if name == "outliers":
        return np.where(random.random(count) < 0.01, 8, 1) * random.normal(size=count)
    return getattr(random, name)(size=count)


@pytest.mark.parametrize("span", [0.03, 0.5, 4.0, 30.0, 100.0])
@pytest.mark.parametrize("name", ["normal", "two-point", "outliers", "exponential"])
def test_equals_the_dense_form(name, span):
    x, y = samples(name).astype(np.float32), (1.3 * samples(name, 1) + 0.4).astype(np.float32)
    width = np.ptp(np.concatenate([x, y])) / span
    expected = dense(x, y, width)
    found = float(mmd2(x, y, bandwidth=width))
    assert found >= 0
    # float32 promises 1e-5 where the distance is above that of samples of one distribution.
    assert abs(found - expected) < max(1e-5 * expected, 1e-4 / COUNT)
    unbiased = float(mmd2(x, y, bandwidth=width, estimator="unbiased"))
    assert abs(unbiased - dense(x, y, width, "unbiased")) < max(1e-5 * expected, 1e-4 / COUNT)


def test_float64(float64):
    x, y = samples("normal"), 1.1 * samples("laplace", 1)
    for width in (0.3, 2.0, 200.0):
        expected = dense(x, y, width)
        assert abs(float(mmd2(x, y, bandwidth=width)) / expected - 1) < 2e-6


def test_several_widths_mean_the_mean_of_kernels():
    x, y, widths = samples("normal"), samples("laplace", 1), [0.7, 1.0, 2.0]
    found = float(mmd2(x, y, bandwidth=widths))
    assert abs(found / dense(x, y, widths) - 1) < 2e-5
    single = [float(mmd2(x, y, bandwidth=width)) for width in widths]
    assert abs(found / np.mean(single) - 1) < 2e-5


def test_all_pairs_of_unequal_numbers_and_sizes():
    xs = np.stack([samples("normal", seed, 300) for seed in range(3)]).astype(np.float32)
    ys = np.stack([samples("laplace", seed, 411) for seed in range(2)]).astype(np.float32)
    found = pairwise_mmd2(xs, ys, bandwidth=1.0, estimator="unbiased")
    expected = [[dense(x, y, 1.0, "unbiased") for y in ys] for x in xs]
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-7)


def test_closed_form_of_two_gaussians():
    """That is h(s, s) + h(t, t) - 2 h(s, t), h = (1 + 2 (s^2 + t^2) / delta^2)^(-1/2)."""
    quantiles = np.asarray(jax.scipy.special.ndtri((np.arange(40_000) + 0.5) / 40_000))
    s, t, width = 1.0, 1.5, 1.3
    h = [(1 + 2 * (a * a + b * b) / width**2) ** -0.5 for a, b in ((s, s), (t, t), (s, t))]
    found = float(mmd2(s * quantiles, t * quantiles, bandwidth=width))
    # The midpoints of n quantiles miss only the tails beyond the outermost, of mass 1/n.
    assert abs(found - (h[0] + h[1] - 2 * h[2])) < 4 / 40_000


def test_identical_symmetric_and_shifted():
    x, y = samples("normal").astype(np.float32), samples("laplace", 1).astype(np.float32)
    assert float(mmd2(x, x, bandwidth=1.0)) == 0
    forth, back = (float(mmd2(*pair, bandwidth=1.0)) for pair in ((x, y), (y, x)))
    assert abs(forth - back) < 1e-6 * forth
    # Shifted by 1000, values keep 6e-5 of a standard deviation: the oracle sees them so too.
    moved = [(part + 1000).astype(np.float32) for part in (x, y)]
    assert abs(float(mmd2(*moved, bandwidth=1.0)) / dense(*moved, 1.0) - 1) < 2e-5


@pytest.mark.parametrize("width", [0.4, 2.0, 60.0])
def test_gradient_is_that_of_the_dense_form(width):
    x, y = samples("normal").astype(np.float32), 1.2 * samples("normal", 1).astype(np.float32)
    nodes = mmd2_nodes(x, y, bandwidth=width)
    distance = partial(mmd2, bandwidth=width, nodes=nodes)
    found = jax.grad(distance, argnums=(0, 1))(x, y)
    for gradient, expected in zip(
        found, (dense_gradient(x, y, width), dense_gradient(y, x, width)), strict=True
    ):
        assert np.abs(gradient - expected).max() < 1e-4 * np.abs(expected).max()


def test_gradient_of_a_weighted_matrix():
    xs = np.stack([samples("normal", seed, 200) for seed in range(3)]).astype(np.float32)
    ys = np.stack([samples("laplace", seed, 200) for seed in range(4)]).astype(np.float32)
    weights = np.random.default_rng(0).normal(size=(3, 4))

    def total(xs, ys):
        return (pairwise_mmd2(xs, ys, bandwidth=1.0, nodes=32) * weights).sum()

    by_x, by_y = jax.jit(jax.grad(total, argnums=(0, 1)))(xs, ys)
    wanted_x = [
        sum(w * dense_gradient(x, y, 1) for w, y in zip(row, ys, strict=True))
        for row, x in zip(weights, xs, strict=True)
    ]
    wanted_y = [
        sum(w * dense_gradient(y, x, 1) for w, x in zip(row, xs, strict=True))
        for row, y in zip(weights.T, ys, strict=True)
    ]
    for found, wanted in ((by_x, wanted_x), (by_y, wanted_y)):
        assert np.abs(found - np.array(wanted)).max() < 1e-4 * np.abs(wanted).max()


def test_under_vmap_the_same():
    xs, ys = (np.stack([samples(name, s, 200) for s in range(3)]) for name in ("normal", "laplace"))
    distance = partial(mmd2, bandwidth=1.0, nodes=32)
    found = jax.vmap(distance)(xs, ys)
    np.testing.assert_allclose(found, jnp.diag(pairwise_mmd2(xs, ys, bandwidth=1.0)), rtol=1e-5)


def test_under_jit_what_cannot_be_known_is_nan():
    x, y = samples("normal").astype(np.float32), samples("normal", 1).astype(np.float32)
    distance = jax.jit(lambda x, y, width: mmd2(x, y, bandwidth=width))
    assert np.isfinite(distance(x, y, 1.0))
    assert np.isnan(distance(1000 * x, y, 1.0))  # 32 nodes do not suffice
    assert np.isnan(distance(x.copy() * np.nan, y, 1.0))
    assert np.isnan(distance(x, y, -1.0))


def test_a_few_steps_of_floating_point_are_a_range_too():
    """Values so close that their middle is rounded: the circle's sines are scaled by the reach."""
    step = np.float32(1000) * np.finfo(np.float32).eps
    for steps in (1, 3, 11):
        x, y = (np.float32(1000 + step * np.array(k)) for k in ([0, 0, 0], [0, 0, steps]))
        assert abs(float(mmd2(x, y, bandwidth=1.0)) / dense(x, y, 1.0) - 1) < 1e-3


def test_values_beyond_all_bandwidths_are_refused():
    with pytest.raises(UsageError, match="too many bandwidths"):
        mmd2_nodes(np.array([-3e38, 3e38]), np.zeros(1), bandwidth=1.0)


def test_outliers_are_left_to_the_exact_form():
    x, y = samples("normal", count=200), samples("normal", 1, count=200)
    x[0] = 1e5
    with pytest.warns(UserWarning, match="exact form takes over"):
        found = float(mmd2(x, y, bandwidth=1.0))
    assert abs(found / dense(x, y, 1.0) - 1) < 1e-5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": np.zeros(0)}, "empty"),
        ({"x": np.array([1.0, np.nan])}, "NaN"),
        ({"x": np.zeros((2, 3))}, "shape"),
        ({"x": np.zeros(3, complex)}, "complex"),
        ({"bandwidth": 0.0}, "positive"),
        ({"bandwidth": [1.0, -1.0]}, "positive"),
        ({"bandwidth": []}, "one number or a list"),
        ({"estimator": "best"}, "biased"),
        ({"nodes": 3}, "these data need"),
        ({"nodes": 0}, "positive"),
        ({"x": np.array([-3e38, 3e38]), "nodes": 8}, "these data need inf"),
        ({"x": np.zeros(1), "estimator": "unbiased"}, "too few"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(change, message):
    arguments = {"x": np.arange(5.0), "y": np.arange(4.0), "bandwidth": 1.0, **change}
    with pytest.raises(UsageError, match=message) as error:
        mmd2(**arguments)
    assert str(error.value).endswith(".")


def test_nodes_are_chosen_outside_jit():
    x = jnp.arange(4.0)
    with pytest.raises(UsageError, match="outside jit"):
        jax.jit(lambda x: x * mmd2_nodes(x, x, bandwidth=1.0))(x)
    with pytest.raises(UsageError, match=r"\(sets, samples\)"):
        pairwise_mmd2(np.zeros(3), np.zeros(3), bandwidth=1.0)
