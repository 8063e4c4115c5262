from inspect import unwrap

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp

from jaxnoise.errors import UsageError
from jaxnoise.losses import info_nce

pytestmark = pytest.mark.fast

COMPONENTS = 128


def unit(count, seed, components=COMPONENTS):
    values = np.random.default_rng(seed).normal(size=(count, components))
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def oracle(queries, positives, queue, temperature, in_batch):
    """Each query's loss as the equation states it, for vectors of any length."""
    queries, positives, queue = (
        array / np.linalg.norm(array, axis=1, keepdims=True)
        for array in (queries, positives, queue)
    )
    losses = []
    for i, query in enumerate(queries):
        others = np.delete(positives, i, axis=0) if in_batch else positives[:0]
        logits = np.concatenate([positives[i : i + 1], others, queue]) @ query / temperature
        losses.append(logsumexp(logits) - logits[0])
    return np.mean(losses)


@pytest.mark.parametrize("in_batch", [True, False])
def test_value_and_gradient_are_those_of_the_equation(float64, in_batch):
    generator = np.random.default_rng(0)
    given = [generator.normal(size=(count, 3)) for count in (4, 4, 6)]

    def loss(*given):
        return info_nce(*given, temperature=0.1, in_batch_negatives=in_batch)

    value, gradients = jax.value_and_grad(loss, (0, 1, 2))(*map(jnp.asarray, given))
    assert value == pytest.approx(oracle(*given, 0.1, in_batch), rel=1e-13)
    step = 1e-6
    for which, gradient in enumerate(gradients):
        for place in np.ndindex(given[which].shape):
            ends = []
            for sign in (1, -1):
                moved = [array.copy() for array in given]
                moved[which][place] += sign * step
                ends.append(oracle(*moved, 0.1, in_batch))
            assert gradient[place] == pytest.approx((ends[0] - ends[1]) / (2 * step), abs=1e-7)


def test_random_embeddings_and_a_perfect_positive():
    queries, positives, queue = (unit(count, seed) for seed, count in enumerate((32, 32, 4096)))
    temperature, candidates = 0.1, 32 + 4096
    value = float(info_nce(*(jnp.float32(a) for a in (queries, positives, queue)), temperature=0.1))
    # Logits are nearly normal with variance 1 / (128 t^2): the log of the mean of their exponential
    # is half of it. The positive's own logit, a mean over 32 queries, is nearly all of the spread.
    variance = 1 / (COMPONENTS * temperature**2)
    expected = np.log(candidates) + variance / 2
    assert expected == pytest.approx(8.72, abs=0.005)
    assert abs(value - expected) < 4 * np.sqrt(variance / 32)
    # Less that logit, what stays is a mean over 4,128 candidates and the cosine's light tails.
    own = np.sum(queries * positives, axis=1).mean() / temperature
    spread = np.sqrt(np.expm1(variance) / candidates)
    tails = variance**2 / (4 * COMPONENTS)
    assert abs(value + own - expected) < 4 * spread + tails
    perfect = float(info_nce(jnp.float32(queries), jnp.float32(queries), queue, temperature=0.1))
    crowd = np.log1p(np.exp(1 / temperature - expected))  # the positive is a candidate itself
    assert abs(perfect - (expected - 1 / temperature + crowd)) < 4 * spread + tails
    without = float(oracle(queries, positives, queue, temperature, False))
    alone = info_nce(queries, positives, queue, temperature=0.1, in_batch_negatives=False)
    assert alone == pytest.approx(without, rel=1e-6)


def test_length_does_not_matter():
    queries, positives = unit(5, 0, 8), unit(5, 1, 8)
    value = info_nce(jnp.asarray(queries), jnp.asarray(positives), temperature=0.1)
    lengths = np.geomspace(1e-4, 1e4, 5)[:, None]
    scaled = info_nce(queries * lengths, positives / lengths, temperature=0.1)
    assert scaled == pytest.approx(float(value), rel=1e-5)


def test_a_zero_vector_has_a_finite_gradient():
    queries = jnp.asarray(unit(4, 0, 8)).at[0].set(0)
    value, gradients = jax.value_and_grad(
        lambda q, p: info_nce(q, p, temperature=0.1), argnums=(0, 1)
    )(queries, queries)
    assert jnp.isfinite(value) and all(jnp.isfinite(one).all() for one in gradients)


def test_no_gradient_reaches_what_is_stopped():
    queries, positives = jnp.asarray(unit(4, 0, 8)), jnp.asarray(unit(4, 1, 8))
    gradient = jax.grad(lambda p: info_nce(queries, jax.lax.stop_gradient(p), temperature=0.1))(
        positives
    )
    np.testing.assert_array_equal(gradient, 0)


def test_low_precision_is_computed_in_float32():
    given = [jnp.asarray(unit(4, seed), jnp.bfloat16) for seed in range(3)]
    value = info_nce(*given, temperature=0.1)
    assert value.dtype == jnp.float32
    assert value == info_nce(*(array.astype(jnp.float32) for array in given), temperature=0.1)


def test_bad_requests_are_refused_in_a_sentence():
    refused = unwrap(info_nce)
    ones = jnp.ones((3, 4))
    for given, options, words in (
        ((jnp.ones(3), ones), {}, "shapes"),
        ((ones, jnp.ones((2, 4))), {}, "one positive"),
        ((ones, ones, jnp.ones((6, 5))), {}, "same number"),
        ((ones, ones, jnp.ones((0, 4))), {}, "shapes"),
        ((ones, ones), {"in_batch_negatives": False}, "no negatives"),
        ((ones, ones), {"temperature": -1.0}, "positive number"),
        ((ones, ones.at[0].set(jnp.nan)), {}, "NaN"),
    ):
        with pytest.raises(UsageError, match=words):
            refused(*given, **{"temperature": 0.1, **options})


def test_under_jit_nan_comes_out():
    loss = jax.jit(lambda q, p, t: info_nce(q, p, temperature=t))
    ones = jnp.ones((3, 4))
    assert loss(ones, ones, 0.1) == pytest.approx(np.log(3), rel=1e-6)
    assert jnp.isnan(loss(ones, ones, 0.0))
    assert jnp.isnan(loss(ones, ones.at[0, 0].set(jnp.nan), 0.1))
