"""A batch of no images has a likelihood of no images, and noise for none."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnoise import models, noise
from jaxnoise.errors import UsageError
from jaxnoise.loaded import Loaded

KEY = jax.random.key(0)
SHAPE = (0, 8, 6, 4)
NONE = jnp.zeros(SHAPE)
CAMERA, ISO = jnp.zeros(0, jnp.int32), jnp.zeros(0)
KNOWN = {"cameras": ("a", "b"), "isos": (100, 800)}


@pytest.mark.parametrize(("arch", "normalisation"), [("S-Ax1-G", "batch"), ("N-Q-Ax1", "none")])
def test_of_a_flow(arch, normalisation):
    flow = models.get("noiseflow")
    config = flow.Config(arch=arch, normalisation=normalisation, **KNOWN)
    variables = flow.init(KEY, config)
    loaded = Loaded("noiseflow", config, variables)
    images, mask = np.zeros(SHAPE, np.float32), np.ones((0, 8, 6, 1), bool)
    assert loaded.sample(images, key=KEY, camera=[], iso=[]).shape == SHAPE
    assert loaded.log_prob(images, images, camera=CAMERA, iso=ISO, valid=mask).shape == (0,)
    assert loaded.log_prob(images, images, camera="a", iso=100).shape == (0,)
    given = variables, config, NONE, NONE, CAMERA, ISO
    with pytest.raises(UsageError, match=r"\(0, 8, 6, 4\).*at least 1"):
        flow.nll_and_update(*given)  # statistics of no image would spoil the running ones


def test_of_simple_models():
    some, clean = 0.01 * jax.random.normal(KEY, (2, 2, 16, 16, 4))
    where = jnp.zeros(2, jnp.int32), jnp.full(2, 100.0)
    for name in noise.__all__:
        module = getattr(noise, name)
        config = module.Config(**KNOWN)
        variables = module.fit(config, some, 0.5 + clean, *where)
        assert module.sample(KEY, variables, config, NONE, CAMERA, ISO).shape == SHAPE
        if hasattr(module, "log_prob"):
            assert module.log_prob(variables, config, NONE, NONE, CAMERA, ISO).shape == (0,)
        with pytest.raises(UsageError, match=r"\(0, 8, 6, 4\).*at least 1"):
            module.fit(config, NONE, NONE, CAMERA, ISO)


def test_of_a_denoiser():
    denoiser = models.get("denoiser")
    config = denoiser.Config(features=2, depth=2)
    variables = denoiser.init(KEY, config)
    assert denoiser.denoise(variables, config, NONE).shape == SHAPE
    assert Loaded("denoiser", config, variables).denoise(NONE).shape == SHAPE


def test_of_a_restorer():
    rcl = models.get("rcl")
    config = rcl.Config(task="jdd", denoiser={"features": 2, "depth": 2})
    variables = rcl.init(KEY, config)
    assert rcl.restore(variables, config, NONE).shape == (0, 16, 12, 3)
    assert Loaded("rcl", config, variables).restore(NONE).shape == (0, 16, 12, 3)
    with pytest.raises(UsageError, match=r"\(0, 8, 6, 4\).*at least 1"):
        rcl.restore_and_update(variables, config, NONE)


def test_of_a_sampler_by_level():
    cono = models.get("cono")
    config = cono.Config(blocks=1)
    variables = cono.init(KEY, config)
    assert cono.sample(KEY, variables, config, NONE, ISO).shape == SHAPE
    assert cono.to_latent(variables, config, NONE, NONE, NONE).shape == SHAPE
    loaded = Loaded("cono", config, variables)
    for sigma in (0.1, [], NONE):
        assert loaded.sample(NONE, key=KEY, sigma=sigma).shape == SHAPE
    with pytest.raises(UsageError, match=r"\(0, 8, 6, 4\).*at least 1"):
        cono.sample_and_update(KEY, variables, config, NONE, ISO)
