"""Lookup of cameras and ISO numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnoise.conditions import (
    camera_weights,
    check_conditions,
    fill_absent,
    iso_weights,
    nearest_rows,
    table_rows,
)
from jaxnoise.errors import UsageError

pytestmark = pytest.mark.fast
CAMERAS, ISOS = ("alder", "birch"), (0, 100, 400, 1600)


def test_known_iso_picks_its_row_and_between_is_linear_in_log_iso():
    weights = iso_weights(jnp.asarray([0.0, 100.0, 1600.0, 200.0]), ISOS)
    expected = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1], [0, 0.5, 0.5, 0]]
    np.testing.assert_allclose(weights, expected, atol=1e-6)


def test_unknown_is_nan_under_jit():
    weights = jax.jit(lambda iso: iso_weights(iso, ISOS))(jnp.asarray([50.0, 3200.0, 100.0]))
    assert np.isnan(weights[:2]).all() and np.isfinite(weights[2]).all()
    assert np.isnan(camera_weights(jnp.asarray([2, -1]), CAMERAS)).all()


def test_zero_is_unknown_unless_listed():
    assert np.isnan(iso_weights(jnp.asarray([0.0]), (100, 400))).all()


@pytest.mark.parametrize(
    ("camera", "iso", "message"),
    [
        ([2], [100], "0 to 1 for alder, birch"),
        ([-1], [100], "camera index -1 is unknown"),
        ([0], [3200], "ISO 3200 is unknown: this model knows not stated .0., 100, 400, 1600"),
        ([0], [50], "ISO 50 is unknown"),
    ],
)
def test_unknown_raises_outside_jit(camera, iso, message):
    with pytest.raises(UsageError, match=message):
        check_conditions(np.asarray(camera), np.asarray(iso), cameras=CAMERAS, isos=ISOS)


def test_known_passes():
    check_conditions(np.asarray([0, 1]), np.asarray([0, 250]), cameras=CAMERAS, isos=ISOS)


def test_table_rows_interpolate():
    table = jnp.arange(8.0).reshape(2, 4, 1)
    rows = table_rows(jnp.asarray([1, 0]), jnp.asarray([200, 0]), table, cameras=CAMERAS, isos=ISOS)
    np.testing.assert_allclose(rows, [[5.5], [0.0]], rtol=1e-6)


def test_nearest_row_in_log_iso():
    rows = nearest_rows(np.asarray([0, 1]), np.asarray([210, 100]), isos=(100, 400))
    np.testing.assert_array_equal(rows, [1, 2])


def test_absent_rows_come_from_the_same_camera_scaled_by_iso():
    table = np.log(np.asarray([[1.0, np.nan], [np.nan, np.nan]]))
    filled = np.exp(fill_absent(table, isos=(100, 400), power=2.0))
    np.testing.assert_allclose(filled, [[1.0, 16.0], [1.0, 16.0]])


def test_what_is_not_stated_is_near_to_nothing():
    table = np.log(np.asarray([[2.0, np.nan, 3.0], [5.0, np.nan, np.nan], [np.nan, 7.0, np.nan]]))
    filled = np.exp(fill_absent(table, isos=(0, 100, 200), power=1.0))
    np.testing.assert_allclose(filled, [[2.0, 1.5, 3.0], [5.0, 5.0, 5.0], [7.0, 7.0, 14.0]])
