from inspect import unwrap

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp

from jaxnoise.errors import UsageError
from jaxnoise.losses import contrastive

pytestmark = pytest.mark.fast

ROWS, COLUMNS, TEMPERATURE = 5, 7, 0.07


def distances(seed=0, scale=0.1):
    return np.random.default_rng(seed).exponential(scale, (ROWS, COLUMNS))


def mask(seed=1):
    kept = np.random.default_rng(seed).random((ROWS, COLUMNS)) < 0.6
    kept[2] = False
    return kept


def oracle(matrix, temperature, kept):
    """Each row's loss as the equation states it."""
    rows = []
    for i, row in enumerate(matrix):
        columns = [j for j in range(len(row)) if j == i or kept[i, j]]
        rows.append(row[i] / temperature + logsumexp(-row[columns] / temperature))
    return np.array(rows)


@pytest.mark.parametrize("kept", [None, mask()])
def test_value_and_gradient_are_those_of_the_equation(float64, kept):
    matrix = distances()
    everything = np.ones_like(matrix, bool) if kept is None else kept

    def total(matrix):
        return contrastive(matrix, temperature=TEMPERATURE, negatives=kept, reduction="sum")

    value, gradient = jax.value_and_grad(total)(jnp.asarray(matrix))
    np.testing.assert_allclose(value, oracle(matrix, TEMPERATURE, everything).sum(), rtol=1e-13)
    step = 1e-6
    for place in np.ndindex(matrix.shape):
        moved = [matrix.copy(), matrix.copy()]
        moved[0][place] += step
        moved[1][place] -= step
        ends = [oracle(one, TEMPERATURE, everything).sum() for one in moved]
        assert gradient[place] == pytest.approx((ends[0] - ends[1]) / (2 * step), abs=1e-7)


def test_equal_distances_leave_the_choice_open():
    matrix = jnp.full((ROWS, COLUMNS), 0.3)
    assert contrastive(matrix, temperature=TEMPERATURE) == pytest.approx(np.log(COLUMNS), rel=1e-6)
    total = contrastive(matrix, temperature=TEMPERATURE, reduction="sum")
    assert total == pytest.approx(ROWS * np.log(COLUMNS), rel=1e-6)


def test_a_clear_choice_costs_nothing_and_a_small_loss_keeps_its_digits():
    matrix = jnp.where(jnp.eye(4, dtype=bool), 0.0, 100.0)
    assert contrastive(matrix, temperature=1.0) == pytest.approx(3 * np.exp(-100), rel=1e-5)
    assert contrastive(10 * matrix, temperature=1.0) == 0


@pytest.mark.parametrize("scale", [1e-30, 1e-9, 1e6, 1e30])
def test_huge_and_tiny_distances(scale):
    matrix = (distances() * scale).astype(np.float32)
    value, gradient = jax.value_and_grad(lambda d: contrastive(d, temperature=1.0))(matrix)
    expected = oracle(matrix.astype(np.float64), 1.0, np.ones_like(matrix, bool)).mean()
    assert value == pytest.approx(expected, rel=1e-6)
    assert jnp.isfinite(gradient).all()


def test_a_query_without_negatives_adds_nothing():
    gradient = jax.grad(
        lambda d: contrastive(d, temperature=1.0, negatives=mask(), reduction="sum")
    )(distances())
    np.testing.assert_array_equal(gradient[2], 0)
    alone = contrastive(distances(), temperature=1.0, negatives=np.zeros_like(mask()))
    assert alone == 0


def test_what_is_masked_may_be_anything():
    kept = mask()
    matrix = distances().astype(np.float32)
    hidden = ~kept & ~np.eye(*kept.shape, dtype=bool)
    spoilt = np.where(hidden, np.nan, matrix)

    def loss(matrix):
        return contrastive(matrix, temperature=TEMPERATURE, negatives=kept)

    expected, expected_gradient = jax.value_and_grad(loss)(matrix)
    value, gradient = jax.value_and_grad(loss)(spoilt)
    assert value == expected == loss(spoilt)
    np.testing.assert_array_equal(gradient, expected_gradient)


def test_low_precision_is_computed_in_float32():
    matrix = jnp.asarray(distances(), jnp.bfloat16)
    value = contrastive(matrix, temperature=TEMPERATURE)
    assert value.dtype == jnp.float32
    assert value == contrastive(matrix.astype(jnp.float32), temperature=TEMPERATURE)


def test_bad_requests_are_refused_in_a_sentence():
    matrix = jnp.ones((3, 3))
    refused = unwrap(contrastive)
    for arguments, options, words in (
        (jnp.ones(3), {}, "shape"),
        (jnp.ones((3, 2)), {}, "as many candidates"),
        (matrix, {"reduction": "none"}, "reduction"),
        (matrix, {"temperature": 0.0}, "positive"),
        (matrix, {"temperature": jnp.nan}, "positive"),
        (matrix, {"temperature": jnp.ones(2)}, "one number"),
        (matrix, {"negatives": jnp.ones((3, 4), bool)}, "truth values"),
        (matrix, {"negatives": jnp.ones((3, 3))}, "truth values"),
        (matrix.at[0, 0].set(jnp.nan), {"negatives": jnp.zeros((3, 3), bool)}, "NaN"),
        (matrix.at[0, 1].set(jnp.nan), {}, "NaN"),
    ):
        with pytest.raises(UsageError, match=words):
            refused(arguments, **{"temperature": 1.0, **options})


def test_under_jit_nan_comes_out():
    matrix = jnp.ones((3, 3))
    loss = jax.jit(lambda d, t, n: contrastive(d, temperature=t, negatives=n))
    none = jnp.zeros((3, 3), bool)
    assert loss(matrix, 1.0, ~none) == pytest.approx(np.log(3), rel=1e-6)
    assert jnp.isnan(loss(matrix, 0.0, ~none))
    assert jnp.isnan(loss(matrix.at[0, 1].set(jnp.nan), 1.0, ~none))
    assert jnp.isnan(loss(matrix.at[0, 0].set(jnp.nan), 1.0, none))
