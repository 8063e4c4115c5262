"""The generator: its size, its equations written out with NumPy, its inverse, its level."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxnoise
from jaxnoise.io import save_model
from jaxnoise.models import cono

KEY = jax.random.key(5)
SIGMA = np.array([10, 20, 30], np.float32) / 255


@pytest.mark.fast
@pytest.mark.parametrize("kernels", [(3, 1, 3), (1, 3, 1)])
def test_it_has_4312_parameters(kernels):
    variables = cono.init(KEY, cono.Config(kernels=kernels))
    assert cono.parameter_count(variables) == 4312


def test_it_is_saved_and_loaded(model, clean, tmp_path):
    config, variables = model
    save_model(tmp_path / "model", "cono", config, variables)
    loaded = jaxnoise.load(tmp_path / "model")
    assert loaded.config == config
    noise = loaded.sample(clean, key=KEY, sigma=SIGMA)
    expected = cono.sample(KEY, variables, config, jnp.asarray(clean), jnp.asarray(SIGMA))
    np.testing.assert_allclose(noise, expected, rtol=1e-5, atol=1e-6)


def test_the_latent_comes_back(model, clean):
    config, variables = model
    latent = jax.random.normal(KEY, clean.shape)
    noise = cono.to_noise(variables, config, latent, clean, SIGMA)
    back = cono.to_latent(variables, config, noise, clean, SIGMA)
    np.testing.assert_allclose(back, latent, atol=1e-4)


def test_training_mode_updates_the_statistics_alone(model, clean):
    config, variables = model
    noise, after = cono.sample_and_update(KEY, variables, config, clean, SIGMA)
    assert noise.shape == clean.shape
    for kind in ("params", "constants"):
        jax.tree.map(np.testing.assert_array_equal, after[kind], variables[kind])
    same = jax.tree.map(np.array_equal, after["batch_stats"], variables["batch_stats"])
    assert not any(jax.tree.leaves(same))
