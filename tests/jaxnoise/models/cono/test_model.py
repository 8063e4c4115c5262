"""The generator: its size, its equations written out with NumPy, its inverse, its level."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxnoise
from jaxnoise.errors import UsageError
from jaxnoise.io import save_model
from jaxnoise.models import cono
from tests.jaxnoise.models.cono import by_hand
from tests.jaxnoise.models.cono.conftest import moved

KEY = jax.random.key(5)
SIGMA = np.array([10, 20, 30], np.float32) / 255
ROUNDING = 1e-5
"""Of a largest value of noise: some hundred operations in single precision."""
to_noise = jax.jit(cono.to_noise, static_argnums=1)
to_latent = jax.jit(cono.to_latent, static_argnums=1)
sample = jax.jit(cono.sample, static_argnums=2)
sample_and_update = jax.jit(cono.sample_and_update, static_argnums=2)


def near(found, expected):
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=ROUNDING * scale)


@pytest.mark.fast
@pytest.mark.parametrize("kernels", [(3, 1, 3), (1, 3, 1)])
def test_it_has_4312_parameters(kernels):
    variables = cono.init(KEY, cono.Config(kernels=kernels))
    assert cono.parameter_count(variables) == 4312
    fusion = {"params": variables["params"]["fusion"]}
    block = {"params": variables["params"]["block_3"]}
    assert (cono.parameter_count(fusion), cono.parameter_count(block)) == (1400, 364)


@pytest.mark.parametrize("kernels", [(3, 1, 3), (1, 3, 1)])
@pytest.mark.parametrize("level", ["each image", "each pixel"])
@pytest.mark.parametrize("units", ["image", "level"])
def test_it_is_that_of_the_equations(clean, kernels, level, units):
    config = cono.Config(kernels=kernels, units=units, blocks=3)
    variables = moved(cono.init(KEY, config), by=0.2)
    sigma = SIGMA
    if level == "each pixel":
        sigma = np.sqrt(0.01 * np.asarray(clean) + 0.001).astype(np.float32)
    latent = jax.random.normal(KEY, clean.shape)
    expected = by_hand.noise(latent, clean, sigma, variables, config)
    near(to_noise(variables, config, latent, clean, sigma), expected)
    near(sample(KEY, variables, config, clean, sigma), expected)
    halved = by_hand.noise(0.5 * latent, clean, sigma, variables, config)
    near(sample(KEY, variables, config, clean, sigma, temperature=0.5), halved)


def test_training_mode_takes_and_keeps_the_batch_s_statistics(model, clean):
    config, variables = model
    noise, after = sample_and_update(KEY, variables, config, clean, SIGMA)
    latent = jax.random.normal(KEY, clean.shape)
    near(noise, by_hand.noise(latent, clean, SIGMA, variables, config, train=True))
    _, batch = by_hand.factor(clean, variables, train=True)
    before = variables["batch_stats"]["fusion"]
    expected = jax.tree.map(lambda old, new: 0.9 * old + 0.1 * new, before, batch)
    jax.tree.map(
        partial(np.testing.assert_allclose, rtol=1e-5), after["batch_stats"]["fusion"], expected
    )
    for kind in ("params", "constants"):
        jax.tree.map(np.testing.assert_array_equal, after[kind], variables[kind])


def test_the_latent_comes_back(model, clean):
    config, variables = model
    latent = jax.random.normal(KEY, clean.shape)
    for sigma in (SIGMA, np.sqrt(0.01 * np.asarray(clean) + 0.001)):
        noise = to_noise(variables, config, latent, clean, sigma)
        back = to_latent(variables, config, noise, clean, sigma)
        np.testing.assert_allclose(back, latent, atol=1e-4)
        near(to_noise(variables, config, back, clean, sigma), noise)


def test_the_inverse_has_the_inverse_jacobian(model):
    config, variables = model
    clean, latent = jax.random.uniform(KEY, (2, 1, 2, 3, 4))
    sigma = SIGMA[:1]

    def jacobian(function, at):
        own = jax.jacobian(lambda image: function(variables, config, image, clean, sigma))(at)
        return np.float64(own.reshape(24, 24))

    there = jacobian(to_noise, latent)
    back = jacobian(to_latent, to_noise(variables, config, latent, clean, sigma))
    np.testing.assert_allclose(there @ back, np.eye(24), atol=1e-3)
    assert abs(np.linalg.slogdet(there)[1] + np.linalg.slogdet(back)[1]) < 1e-3


def test_another_latent_is_another_noise(clean):
    config = cono.Config(blocks=3)
    variables = cono.init(KEY, config)
    first, second = (sample(key, variables, config, clean, SIGMA) for key in jax.random.split(KEY))
    assert abs(np.corrcoef(np.ravel(first), np.ravel(second))[0, 1]) < 5 / first.size**0.5


def test_fresh_noise_is_white_and_of_the_level():
    """Of variance (exp(-2) x + 1) sigma^2, for 65,536 values a case right to 1.5 %."""
    config = cono.Config()
    variables = cono.init(KEY, config)
    clean = jnp.broadcast_to(jnp.array([0.0, 0.5, 1.0])[:, None, None, None], (3, 128, 128, 4))
    noise = np.asarray(sample(KEY, variables, config, clean, SIGMA))
    expected = np.sqrt(np.exp(-2) * np.array([0, 0.5, 1]) + 1)
    np.testing.assert_allclose(noise.std((1, 2, 3)) / SIGMA, expected, rtol=0.015)
    assert (0.8 < expected).all() and (expected < 1.3).all()
    of_channels = np.corrcoef(noise[0].reshape(-1, 4).T) - np.eye(4)
    assert np.abs(of_channels).max() < 5 / 128


def test_noise_in_units_of_the_level_is_proportional_to_it(clean):
    for units, exact in (("level", True), ("image", False)):
        config = cono.Config(units=units)
        variables = moved(cono.init(KEY, config))
        one = sample(KEY, variables, config, clean, SIGMA)
        two = sample(KEY, variables, config, clean, 2 * SIGMA)
        off = float(jnp.abs(two - 2 * one).max() / jnp.abs(two).max())
        assert (off < 1e-6) == exact
    fresh = cono.init(KEY, config)
    one, two = (sample(KEY, fresh, config, clean, factor * SIGMA) for factor in (1, 2))
    near(two, 2 * one)


def test_gradients_are_finite(model):
    config, variables = model
    for clean in (jnp.zeros((1, 4, 4, 4)), jnp.ones((1, 4, 4, 4)), -0.1 * jnp.ones((1, 4, 4, 4))):

        @jax.jit
        def power(params, clean):
            own = {**variables, "params": params}
            noise, _ = cono.sample_and_update(KEY, own, config, clean, SIGMA[:1])
            return (noise**2).mean()

        gradients = jax.grad(power, argnums=(0, 1))(variables["params"], clean)
        assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(gradients))


def test_what_is_no_level_is_refused_and_under_jit_nan(clean):
    config = cono.Config(blocks=1)
    variables = cono.init(KEY, config)
    dark = np.zeros(clean.shape, np.float32)
    assert not np.any(cono.sample(KEY, variables, cono.Config(blocks=0), clean, dark))
    for wrong in (0 * SIGMA, -SIGMA, SIGMA * np.nan, dark - 1e-6):
        with pytest.raises(UsageError, match="sigma must be above 0, and at a pixel at least 0"):
            cono.sample(KEY, variables, config, clean, wrong)
        assert np.isnan(sample(KEY, variables, config, clean, wrong)).all()


@pytest.mark.fast
@pytest.mark.parametrize(
    ("field", "value"),
    [("channels", 1), ("blocks", -1), ("kernels", (3, 3, 3)), ("units", "255"), ("width", 0)],
)
def test_a_configuration_is_checked(field, value):
    with pytest.raises(UsageError, match=f"{field} is .*: use"):
        cono.Config(**{field: value})


def test_it_is_saved_and_loaded(model, clean, tmp_path):
    config, variables = model
    save_model(tmp_path / "model", "cono", config, variables)
    loaded = jaxnoise.load(tmp_path / "model")
    assert loaded.config == config
    expected = sample(KEY, variables, config, clean, SIGMA)
    near(loaded.sample(np.asarray(clean), key=KEY, sigma=SIGMA), expected)
