"""The loss of pairs of patches: double sums in double precision, masks, who is whose negative."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnoise.errors import UsageError
from jaxnoise.losses import alignment
from jaxnoise.models import cono

SHAPE = (4, 6, 8, 4)
SIGMA = np.full(4, 20 / 255, np.float32)
OPTIONS = {"sigma_queries": SIGMA, "sigma_candidates": SIGMA}


def noises(seed=0, spread=(0.5, 1.0, 1.5, 2.0)):
    random = np.random.default_rng(seed)
    levels = 20 / 255 * np.array(spread)[:, None, None, None]
    return [(levels * random.normal(size=SHAPE)).astype(np.float32) for _ in range(2)]


def objective(*arrays, clean=None, **options):
    """That of the model, of arrays of NumPy."""
    clean = clean if clean is None else tuple(map(jnp.asarray, clean))
    return cono.objective(*map(jnp.asarray, arrays), clean=clean, **options)


def double_sum(first, second, width):
    """Eq. 10, every pair of values."""
    p, q = (np.float64(noise.ravel()) for noise in (first, second))

    def mean_kernel(u, v):
        return np.exp(-(((u[:, None] - v) / width) ** 2)).mean()

    return mean_kernel(p, p) + mean_kernel(q, q) - 2 * mean_kernel(p, q)


def cross_entropy(distances, negatives, temperature=0.07):
    """Eq. 6, every query by itself."""
    rows = []
    for number, own in enumerate(distances):
        counts = negatives[number].copy()
        counts[number] = True
        shares = np.exp(-(own - own[number]) / temperature)
        rows.append(np.log(shares[counts].sum()))
    return np.array(rows)


@pytest.mark.parametrize("bandwidth", ["sigma", "median", 0.05])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_it_is_the_double_sum(bandwidth, reduction):
    queries, candidates = noises()
    if bandwidth == "sigma":
        width = np.sqrt(2) * 20 / 255
    elif bandwidth == "median":
        some = np.concatenate([noise.ravel()[::97] for noise in (queries, candidates)])
        apart = np.abs(some[:, None] - some)[np.triu_indices(len(some), 1)]
        width = np.sqrt(2) * np.median(apart)
    else:
        width = bandwidth
    right = np.array([[double_sum(p, q, width) for q in candidates] for p in queries])
    found = cono.noise_mmd2(
        jnp.asarray(queries), jnp.asarray(candidates), SIGMA, SIGMA, bandwidth=bandwidth
    )
    np.testing.assert_allclose(found, right, rtol=1e-5, atol=1e-7)
    negatives = ~np.eye(4, dtype=bool)
    negatives[0, 2] = negatives[3, 1] = False
    terms = objective(
        queries,
        candidates,
        **OPTIONS,
        negatives=negatives,
        bandwidth=bandwidth,
        reduction=reduction,
    )
    rows = cross_entropy(right, negatives)
    expected = rows.mean() if reduction == "mean" else rows.sum()
    assert float(terms.contrastive) == pytest.approx(expected, rel=1e-5)


def test_the_terms_are_summed_by_their_weights():
    queries, candidates = noises()
    weights = cono.Weights(2.0, 3.0, 0.5)
    terms = objective(queries, candidates, **OPTIONS, perceptual=1.5, weights=weights)
    both = jnp.asarray(np.concatenate([queries, candidates]))
    aligned = alignment(both, jnp.asarray(np.tile(SIGMA, 2)))
    assert float(terms.alignment) == pytest.approx(float(aligned), rel=1e-5)
    total = 2 * terms.contrastive + 3 * terms.alignment + 0.75
    assert float(terms.total) == pytest.approx(float(total), rel=1e-6)
    only = objective(queries, candidates, **OPTIONS, weights=cono.Weights(0.0, 1.0, 0.0))
    assert (float(only.contrastive), float(only.total)) == (0.0, float(only.alignment))


def test_equal_distances_give_the_logarithm_of_their_number():
    noise, _ = noises(spread=(1, 1, 1, 1))
    same = np.repeat(noise[:1], 4, 0)
    terms = objective(same, same, **OPTIONS)
    assert float(terms.contrastive) == pytest.approx(np.log(4), abs=1e-6)
    terms = objective(same, same, **OPTIONS, reduction="sum")
    assert float(terms.contrastive) == pytest.approx(4 * np.log(4), abs=1e-5)


def test_negatives_are_second_patches():
    """What other first patches hold is no business of a query, what second ones hold is."""
    queries, candidates = noises()

    def own_row(queries, candidates):
        only = np.zeros((4, 4), bool)
        only[0, 1:] = True
        options = {**OPTIONS, "negatives": only, "reduction": "sum"}
        return float(objective(queries, candidates, **options).contrastive)

    before = own_row(queries, candidates)
    others = queries.copy()
    others[1:] *= 0.3
    assert own_row(others, candidates) == pytest.approx(before, rel=1e-6)
    others = candidates.copy()
    others[1:] *= 0.3
    assert abs(own_row(queries, others) - before) > 1e-3


def test_neither_order_of_values_nor_of_pairs_counts():
    queries, candidates = noises()
    before = objective(queries, candidates, **OPTIONS)
    random = np.random.default_rng(4)
    shuffled = [
        np.stack([random.permutation(own.ravel()).reshape(own.shape) for own in noise])
        for noise in (queries, candidates)
    ]
    order = random.permutation(4)
    for changed in (shuffled, [queries[order], candidates[order]]):
        after = objective(*changed, **OPTIONS)
        np.testing.assert_allclose(after, before, rtol=1e-5)


def test_a_level_at_each_pixel():
    queries, candidates = noises()
    maps = [np.broadcast_to(SIGMA[:, None, None, None], SHAPE).copy() for _ in range(2)]
    before = objective(queries, candidates, **OPTIONS)
    after = objective(queries, candidates, *maps)
    np.testing.assert_allclose(after, before, rtol=1e-5)
    with_bins = objective(
        queries, candidates, *maps, clean=(np.abs(queries), np.abs(candidates)), scope="batch"
    )
    assert float(with_bins.alignment) != pytest.approx(float(after.alignment), rel=0.01)


def test_noise_gone_astray_has_a_loss_and_a_gradient():
    queries, candidates = map(jnp.asarray, noises())

    @jax.jit
    def loss(scale):
        return objective(scale * queries, candidates, **OPTIONS).total

    for scale in (1.0, 50.0, 1e4):
        value, slope = jax.value_and_grad(loss)(scale)
        assert np.isfinite(value) and np.isfinite(slope) and slope > 0
    assert np.isnan(loss(jnp.nan))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"bandwidth": "wide"}, "bandwidth is 'wide': use sigma or median, or a number above 0"),
        ({"nodes": 65}, "nodes is 65: use 12 to 64"),
        ({"sigma_candidates": 0 * SIGMA}, "sigma must be above 0"),
    ],
)
def test_what_does_not_fit_is_refused(options, sentence):
    with pytest.raises(UsageError, match=sentence):
        objective(*noises(), **{**OPTIONS, **options})
