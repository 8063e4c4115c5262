"""Noise curves: interpolation, maximum likelihood against known variances and scipy."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

from jaxnoise.curve import (
    Curve,
    curve_table,
    evaluate,
    fit_curve,
    fit_linear_variance,
    hat_weights,
    intensity_moments,
)

pytestmark = pytest.mark.fast
SHOT, READ = 4e-3, 2e-5


def draw(seed=0, images=16, size=64, mean=0.0):
    generator = np.random.default_rng(seed)
    clean = generator.uniform(0, 1, (images, size, size, 2)) ** 2
    noise = np.sqrt(SHOT * clean + READ) * generator.normal(size=clean.shape) + mean
    return jnp.asarray(noise, jnp.float32), jnp.asarray(clean, jnp.float32)


def test_hat_weights_interpolate():
    intensity = np.asarray([-0.5, 0.0, 0.3, 1.0, 1.5])
    values = np.asarray([1.0, 5.0, 2.0])
    got = np.asarray(hat_weights(jnp.asarray(intensity), 3)) @ values
    np.testing.assert_allclose(got, np.interp(intensity, [0, 0.5, 1], values), rtol=1e-6)


def test_evaluate_adds_the_correction_to_shot_and_read():
    knots = jnp.zeros((1, 3)).at[0, 1].set(0.7)
    curve = Curve(jnp.log(jnp.asarray([SHOT])), jnp.log(jnp.asarray([READ])), knots, 0.1 * knots)
    log_std, mean = evaluate(curve, jnp.asarray([[[0.5]], [[0.0]]]))
    expected = [0.5 * np.log(SHOT / 2 + READ) + 0.7, 0.5 * np.log(READ)]
    np.testing.assert_allclose(log_std[:, 0, 0], expected, rtol=1e-5)
    np.testing.assert_allclose(mean[:, 0, 0], [0.07, 0.0], rtol=1e-5)


def test_linear_variance_is_the_maximum_of_the_likelihood():
    noise, clean = draw()
    moments = intensity_moments(noise, clean, jnp.zeros(16, jnp.int32), keys=1)
    shot, read = fit_linear_variance(moments)
    square, intensity = np.asarray(noise[..., 0]).ravel() ** 2, np.asarray(clean[..., 0]).ravel()

    def nll(logs):
        variance = np.exp(logs[0]) * intensity + np.exp(logs[1])
        return 0.5 * (np.log(variance) + square / variance).mean()

    best = scipy.optimize.minimize(nll, np.log([SHOT, READ]), method="Nelder-Mead", tol=1e-9)
    # Only the binning of intensities lies between the two; far less than the standard error.
    assert nll(np.log([shot[0, 0], read[0, 0]])) - best.fun < 1e-6
    # Four standard errors of a variance from n values: sqrt(2 / n) each.
    np.testing.assert_allclose(shot, SHOT, rtol=8 * np.sqrt(2 / square.size))


def test_keys_without_data_are_nan_and_filled_by_iso():
    noise, clean = draw()
    moments = intensity_moments(noise, clean, jnp.zeros(16, jnp.int32), keys=2)
    shot, _ = fit_linear_variance(moments)
    assert np.isnan(shot[1]).all()
    table = curve_table(moments, cameras=1, isos=(100, 400))
    np.testing.assert_allclose(table["log_shot"][0, 1] - table["log_shot"][0, 0], np.log(4))
    assert all(np.isfinite(values).all() for values in table.values())


def test_corrections_vanish_where_variance_is_linear():
    noise, clean = draw(images=32)
    moments = intensity_moments(noise, clean, jnp.zeros(32, jnp.int32), keys=1)
    curve = fit_curve(moments)
    # About 4,000 values a knot: the log standard deviation is known to 0.011, before shrinkage.
    assert np.abs(curve.log_std).max() < 5 * np.sqrt(0.5 * 17 / (32 * 64 * 64))


def test_means_are_found():
    noise, clean = draw(mean=0.01)
    moments = intensity_moments(noise, clean, jnp.zeros(16, jnp.int32), keys=1)
    np.testing.assert_allclose(fit_curve(moments).mean, 0.01, atol=2e-3)
