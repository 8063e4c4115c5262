"""Simple noise models leave out what a mask leaves out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxnoise.errors import UsageError
from jaxnoise.noise import autoregressive, awgn, nlf, poisson, poisson_gaussian

SHOT, READ = 2e-3, 1e-5
DENSITIES = (awgn, nlf, autoregressive)
FITTED = (*DENSITIES, poisson, poisson_gaussian)


def clipped(number=128):
    """Scenes of which 30 % are so dark that a sensor gives 0 in every shot; the mask says where."""
    random = np.random.default_rng(0)
    clean = random.uniform(0.02, 1.0, (number, 20, 20, 4))
    noise = np.sqrt(SHOT * clean + READ) * random.normal(size=clean.shape)
    clean[:, :, :6] = noise[:, :, :6] = 0.0
    valid = np.ones((number, 20, 20, 1), bool)
    valid[:, :, :6] = False
    images = (jnp.asarray(part, jnp.float32) for part in (noise, clean))
    return *images, jnp.zeros(number, jnp.int32), jnp.full(number, 100), jnp.asarray(valid)


def config_of(model):
    return model.Config(channels=4, cameras=("a",), isos=(100,))


def read_variance(variables):
    return np.exp(np.asarray(variables["log_read"]).astype(float)).ravel()


def test_a_noise_level_function_recovers_the_variances_by_the_mask():
    *shots, valid = clipped()
    config = config_of(nlf)
    variables = nlf.fit(config, *shots, valid=valid)
    # 143 000 values; the errors of Fisher's information, four of them.
    clean = np.asarray(shots[1])[np.broadcast_to(valid, shots[1].shape)].astype(float)
    rows = np.stack([clean, np.ones_like(clean)]) / (SHOT * clean + READ)
    errors = 4.0 * np.sqrt(np.diag(np.linalg.inv(0.5 * rows @ rows.T)))
    assert abs(float(jnp.exp(variables["log_shot"][0, 0])) - SHOT) < errors[0]
    assert abs(read_variance(variables)[0] - READ) < errors[1] < READ
    assert read_variance(nlf.fit(config, *shots))[0] < 1e-12


def test_a_curve_recovers_the_dark_end_by_the_mask():
    *shots, valid = clipped()
    config = config_of(autoregressive)
    fits = [autoregressive.fit(config, *shots, **mask) for mask in ({"valid": valid}, {})]
    good, bad = (read_variance(fit) for fit in fits)
    # A quarter of the data each: twice the error of the test above.
    assert (abs(good - READ) < 0.9 * READ).all()
    assert (bad < 1e-12).all()
    # The taps of white noise are 0 up to the error of a mean of some 20 000 complete pixels.
    assert float(jnp.abs(fits[0]["taps"]).max()) < 6.0 / np.sqrt(20_000)


@pytest.mark.parametrize("model", FITTED)
@pytest.mark.parametrize("garbage", [3.0, np.nan, np.inf])
def test_what_other_pixels_hold_does_not_matter(model, garbage):
    noise, clean, *conditions, valid = clipped(4)
    valid = valid & (jax.random.uniform(jax.random.key(0), valid.shape) < 0.99)
    spoilt = (jnp.where(valid, part, garbage) for part in (noise, clean))
    config = config_of(model)
    variables = model.fit(config, noise, clean, *conditions, valid=valid)
    same = model.fit(config, *spoilt, *conditions, valid=valid)
    for one, other in zip(jax.tree.leaves(same), jax.tree.leaves(variables), strict=True):
        assert np.isfinite(one).all()
        np.testing.assert_array_equal(one, other)
    if model not in DENSITIES:
        return

    def total(variables, noise, clean):
        nats = model.log_prob(variables, config, noise, clean, *conditions, valid=valid)
        return nats.sum(), nats

    spoilt = [jnp.where(valid, part, garbage) for part in (noise, clean)]
    function = jax.value_and_grad(total, (0, 1), has_aux=True)
    got, expected = function(variables, *spoilt), function(variables, noise, clean)
    for one, other in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        assert np.isfinite(one).all()
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("model", DENSITIES)
def test_a_mask_of_all_is_no_mask(model):
    noise, clean, *conditions, valid = clipped(4)
    config, everything = config_of(model), jnp.ones_like(valid)
    variables = model.fit(config, noise, clean, *conditions, valid=valid)
    given = config, noise + 0.01, clean, *conditions
    # Sums of 1600 terms in single precision.
    np.testing.assert_allclose(
        model.log_prob(variables, *given, valid=everything),
        model.log_prob(variables, *given),
        rtol=1e-5,
    )


def test_independent_pixels_have_the_densities_of_scipy():
    noise, clean, *conditions, valid = clipped(4)
    for model in (awgn, nlf):
        config = config_of(model)
        variables = model.fit(config, noise, clean, *conditions, valid=valid)
        variance = (
            variables["variance"]
            if model is awgn
            else nlf.variance(variables, config, clean, *conditions)
        )
        density = stats.norm.logpdf(noise, scale=np.sqrt(variance))
        got = model.log_prob(variables, config, noise, clean, *conditions, valid=valid)
        np.testing.assert_allclose(got, np.where(valid, density, 0).sum((1, 2, 3)), rtol=1e-5)


def test_a_prediction_has_the_density_of_the_pixels_that_count(float64):
    """By the dense Jacobian of the white errors by the valid noise, the rest at its mean."""
    random = np.random.default_rng(4)
    config = autoregressive.Config(channels=2, cameras=("a",), isos=(100,), radius=1, knots=3)
    shape = (1, 4, 4, 2)
    clean, noise = (jnp.asarray(random.uniform(0, 1, shape)) for _ in range(2))
    conditions = jnp.zeros(1, int), jnp.full(1, 100.0)
    valid = jnp.asarray(random.uniform(size=(1, 4, 4, 1)) < 0.6)
    variables = {
        "log_shot": jnp.full((1, 1, 2), np.log(1e-2)),
        "log_read": jnp.full((1, 1, 2), np.log(1e-3)),
        "log_std": jnp.asarray(random.normal(size=(1, 1, 2, 3))),
        "mean": jnp.asarray(random.normal(size=(1, 1, 2, 3))),
        "taps": 0.3 * jnp.asarray(random.normal(size=(1, 1, 4, 2, 2))),
        "factor": jnp.asarray([[[[1.2, 0.0], [0.4, 0.8]]]]),
    }
    place = np.flatnonzero(np.broadcast_to(valid, shape))
    everything = config, noise, clean, *conditions
    # By the noise alone the log density is a quadratic; the mean of the rest leaves a residual 0.
    nats = lambda values: autoregressive.log_prob(  # noqa: E731
        variables,
        config,
        jnp.zeros(noise.size).at[place].set(values).reshape(shape),
        clean,
        *conditions,
        valid=valid,
    )[0]
    values = noise.ravel()[place]
    precision = -jax.hessian(nats)(values)
    step = np.linalg.solve(precision, jax.grad(nats)(values))
    peak = nats(values + step)
    # A normal density is its peak's height, which its precision alone decides.
    _, log_det = np.linalg.slogdet(precision)
    expected = 0.5 * log_det - 0.5 * len(values) * np.log(2.0 * np.pi)
    np.testing.assert_allclose(peak, expected, rtol=1e-9)
    np.testing.assert_allclose(
        autoregressive.log_prob(variables, *everything, valid=valid)[0], nats(values), rtol=1e-12
    )


@pytest.mark.parametrize("model", (awgn, nlf, autoregressive, poisson_gaussian))
def test_no_variance_is_below_the_stated_floor(model):
    _, clean, *conditions, _ = clipped(4)
    config = config_of(model)
    floor = (1 / 255) ** 2 / 12
    noise = 1e-6 * jax.random.normal(jax.random.key(0), clean.shape)
    variables = model.fit(config, noise, clean, *conditions, variance_floor=floor)
    key = jax.random.key(1)
    for level in (-0.1, 0.0, 0.3, 1.0, 1.5):
        drawn = model.sample(key, variables, config, jnp.full_like(clean, level), *conditions)
        if model is poisson_gaussian:
            drawn = drawn - drawn.mean()
        # 6400 values: their variance is within 8 % of the truth, four times its error.
        assert float(drawn.var()) > 0.92 * floor
    loose = model.fit(config, noise, clean, *conditions)
    assert float(model.sample(key, loose, config, 0 * clean, *conditions).var()) < 1e-3 * floor


def test_fits_to_nothing_are_refused():
    noise, clean, *conditions, valid = clipped(2)
    for model in (nlf, autoregressive):
        with pytest.raises(UsageError, match="No pixel is valid"):
            model.fit(config_of(model), noise, clean, *conditions, valid=jnp.zeros_like(valid))
    scattered = jnp.zeros_like(valid).at[:, ::2, ::2].set(True)
    with pytest.raises(UsageError, match="larger valid regions"):
        autoregressive.fit(
            config_of(autoregressive),
            noise + 0.01,
            clean,
            *conditions,
            valid=scattered.at[:, :1].set(False),
        )
