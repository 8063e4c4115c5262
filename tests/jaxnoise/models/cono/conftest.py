"""A generator whose every part does something, as after training."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnoise.models import cono


def moved(variables, *, by=0.05):
    """Every trained number moved, and the running statistics as of a batch that was seen."""
    random = np.random.default_rng(0)
    leaves, tree = jax.tree.flatten(variables["params"])
    leaves = [leaf + by * random.normal(size=leaf.shape).astype(np.float32) for leaf in leaves]
    statistics = jax.tree.map(
        lambda leaf: leaf + random.uniform(0.1, 0.3, leaf.shape).astype(np.float32),
        variables["batch_stats"],
    )
    params = jax.tree.unflatten(tree, leaves)
    return {**variables, "params": params, "batch_stats": statistics}


@pytest.fixture(params=["image", "level"])
def model(request):
    """A configuration and variables, in either unit."""
    config = cono.Config(units=request.param, blocks=3)
    return config, moved(cono.init(jax.random.key(0), config))


@pytest.fixture
def clean():
    """Three images, small enough for NumPy in loops."""
    images = np.random.default_rng(1).uniform(size=(3, 10, 12, 4))
    return jnp.asarray(images, jnp.float32)
