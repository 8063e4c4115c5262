"""Packed raw as colour images: by hand, and the slope where there would be none."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnoise.errors import UsageError
from jaxnoise.raw.rendering import FLOOR, packed_to_rgb

pytestmark = pytest.mark.fast


def grey(values):
    """Values as images of one pixel, the same in all four channels."""
    return jnp.broadcast_to(jnp.asarray(values)[:, None, None, None], (len(values), 1, 1, 4))


def test_channels_go_to_their_colours():
    packed = jnp.asarray([0.1, 0.2, 0.6, 0.9])[None, None, None]
    np.testing.assert_allclose(packed_to_rgb(packed), [[[[0.1, 0.4, 0.9]]]], rtol=1e-6)
    packed = jnp.asarray(np.random.default_rng(0).normal(size=(2, 3, 5, 4)), jnp.float32)
    rgb = packed_to_rgb(packed)
    # Linear everywhere, values outside [0, 1] too.
    expected = np.stack([packed[..., 0], packed[..., 1:3].mean(-1), packed[..., 3]], -1)
    np.testing.assert_allclose(rgb, expected, rtol=1e-6, atol=1e-6)


def test_the_curve_is_a_power_above_the_floor(float64):
    values = np.array([FLOOR, 0.01, 0.2, 1.0, 1.7])
    curve = packed_to_rgb(grey(values), gamma=2.2)[:, 0, 0]
    np.testing.assert_allclose(curve, np.repeat(values[:, None] ** (1 / 2.2), 3, 1), rtol=1e-12)


def test_the_curve_goes_on_along_its_tangent(float64):
    def curve(value):
        return packed_to_rgb(jnp.full((1, 1, 1, 4), value), gamma=2.2)[0, 0, 0, 0]

    tangent = FLOOR ** (1 / 2.2 - 1) / 2.2
    for value in (FLOOR / 2, 0.0, -0.3):
        expected = FLOOR ** (1 / 2.2) + tangent * (value - FLOOR)
        assert float(curve(value)) == pytest.approx(expected, rel=1e-12)
        assert float(jax.grad(curve)(value)) == pytest.approx(tangent, rel=1e-12)
    assert float(curve(0.0)) == pytest.approx(0.044, abs=5e-4)
    # As steep on the other side.
    assert float(jax.grad(curve)(FLOOR * (1 + 1e-9))) == pytest.approx(tangent, rel=1e-7)


@pytest.mark.parametrize("gamma", [1.0, 2.2, 0.5])
def test_every_pixel_has_a_gradient(gamma):
    values = grey(np.array([-2.0, -1e-7, 0.0, 1e-30, 1e-7, FLOOR, 0.5, 1.0, 3.0], np.float32))
    slope = jax.grad(lambda packed: packed_to_rgb(packed, gamma=gamma).sum())(values)
    assert np.isfinite(slope).all() and (slope > 0).all()


def test_gamma_must_be_positive():
    for gamma in (0.0, -1.0, np.nan):
        with pytest.raises(UsageError, match="give a number above 0"):
            packed_to_rgb(grey([0.5]), gamma=gamma)
    assert jax.jit(packed_to_rgb)(grey([0.5]), gamma=2.0).shape == (1, 1, 1, 3)
