"""Mosaics of a moved sensor, as `jaxnoise.raw` makes them of the moved scene."""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnoise import raw
from jaxnoise.errors import UsageError
from jaxnoise.losses import mosaic2mosaic_error, packed_mosaic

pytestmark = pytest.mark.fast

SHIFTS = [*product((0, 1), repeat=2), (-1, 2), (-3, -2)]
SCENE = np.random.default_rng(0).uniform(size=(2, 30, 32, 3)).astype(np.float32)


def seen(shift, scene=SCENE, size=(20, 22)):
    """The part of the scene at (4, 4) and the shift, and its packed mosaic."""
    rows, columns = (slice(4 + by, 4 + by + side) for by, side in zip(shift, size, strict=True))
    part = scene[:, rows, columns]
    return part, raw.pack(raw.mosaic_rgb(part))


def error(estimate, other, shift):
    return mosaic2mosaic_error(jnp.asarray(estimate), jnp.asarray(other), shift=shift)


def test_the_mosaic_is_that_of_the_library():
    part, mosaic = seen((0, 0))
    np.testing.assert_array_equal(packed_mosaic(jnp.asarray(part)), mosaic)


@pytest.mark.parametrize("shift", SHIFTS)
def test_the_scene_itself_fits_each_mosaic(shift):
    clean, _ = seen((0, 0))
    _, other = seen(shift)
    assert float(error(clean, other, shift)) == 0
    wrong = (shift[0] + 1, shift[1])
    assert float(error(clean, other, wrong)) > 0.05


@pytest.mark.parametrize("shift", SHIFTS)
def test_against_the_mosaic_of_the_moved_estimate(shift):
    estimate = np.random.default_rng(1).uniform(size=SCENE.shape).astype(np.float32)
    _, other = seen(shift)
    border = max(1 if any(shift) else 0, (max(map(abs, shift)) + 1) // 2)
    inner = slice(border, -border or None)
    _, of_moved = seen(shift, estimate)
    expected = ((np.float64(of_moved) - other)[:, inner, inner] ** 2).mean()
    found = error(seen((0, 0), estimate)[0], other, shift)
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_in_expectation_it_is_the_variance_of_the_noise():
    scene = np.broadcast_to(SCENE[:1], (64, *SCENE.shape[1:]))
    clean, other = seen((0, 0), scene)[0], seen((1, 1), scene)[1]
    noise = 0.1 * np.random.default_rng(2).normal(size=other.shape)
    found = float(error(clean, np.float32(other + noise), (1, 1)))
    assert abs(found - 0.01) < 5 * 0.01 * np.sqrt(2 / noise[:, 1:-1, 1:-1].size)


def test_the_four_phases_see_every_colour_of_every_pixel():
    clean, other = seen((0, 0))

    def slope(shift):
        return np.abs(jax.grad(lambda image: error(image, other - 9, shift))(jnp.asarray(clean)))

    each = [slope(shift) > 0 for shift in product((0, 1), repeat=2)]
    assert np.sum(each, 0)[:, 3:-3, 3:-3].min() == 1
    assert each[0].mean() == pytest.approx(1 / 3)  # alone, one colour of each pixel


def test_images_no_larger_than_the_shift_are_refused():
    clean, other = seen((0, 0), size=(4, 8))
    with pytest.raises(UsageError, match=r"shift is \(2, 0\): give larger images"):
        error(clean, other, (2, 0))
