import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnoise.distances import sorting
from jaxnoise.distances.sorting import sorted_rows, sorted_rows_and_order, unsorted_columns


def hard_sets(count):
    """20 sets: smooth, tied, constant, reversed, piled up closely, with infinities and zeros."""
    random = np.random.default_rng(0)
    sets = random.normal(size=(20, count))
    sets[0] = 1.5
    sets[1] = np.arange(count)[::-1]
    sets[2] = np.round(2 * sets[2])
    sets[3] = np.where(random.random(count) < 0.5, 0.0, -0.0)
    sets[4] = 1 + 1e-6 * sets[4]
    sets[5, 0] = 1e30
    sets[6, 0], sets[7, -1] = np.inf, -np.inf
    sets[8] = np.exp(20 * sets[7])
    return sets.astype(np.float32)


@pytest.mark.parametrize("count", [1, 2, 3, 100, 128])
def test_rows_are_sorted_and_order_leads_back(count):
    values = jnp.asarray(hard_sets(count))
    expected = np.sort(np.asarray(values), axis=1).T
    np.testing.assert_array_equal(jax.jit(sorted_rows)(values), expected)
    rows, order = jax.jit(sorted_rows_and_order)(values)
    np.testing.assert_array_equal(rows, expected)
    np.testing.assert_array_equal(np.sort(order, axis=0), np.tile(np.arange(count), (20, 1)).T)
    np.testing.assert_array_equal(unsorted_columns(rows, order), values)


def test_values_that_share_a_place_are_sorted_too(monkeypatch):
    """Coarse places that say nothing leave all the work to XLA's sort."""
    monkeypatch.setattr(
        sorting, "_coarse", lambda values, bits: jnp.zeros(values.T.shape, jnp.int32)
    )
    values = jnp.asarray(hard_sets(100))
    rows, order = sorted_rows_and_order(values)
    np.testing.assert_array_equal(rows, np.sort(np.asarray(values), axis=1).T)
    np.testing.assert_array_equal(unsorted_columns(rows, order), values)


def test_few_sets_and_float64(float64):
    for dtype in (np.float32, np.float64):
        values = jnp.asarray(hard_sets(100)[5:8].astype(dtype))
        expected = np.sort(np.asarray(values), axis=1).T
        np.testing.assert_array_equal(sorted_rows(values), expected)
        rows, order = sorted_rows_and_order(values)
        np.testing.assert_array_equal(rows, expected)
        np.testing.assert_array_equal(unsorted_columns(rows, order), values)


def test_nan_comes_last():
    values = jnp.asarray(hard_sets(100)).at[9, 4].set(jnp.nan)
    rows = sorted_rows(values)
    assert np.isnan(rows[-1, 9]) and np.isfinite(rows[:-1, 9]).all()
