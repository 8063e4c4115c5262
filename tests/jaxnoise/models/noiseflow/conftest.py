"""A model away from its initial values, and images for it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnoise.models import noiseflow


@pytest.fixture
def random_variables():
    """A function from a Config to variables in which no layer is the identity."""

    def make(config, size=0.1):
        variables = noiseflow.init(jax.random.key(0), config)
        random = np.random.default_rng(1)

        def move(leaf):
            return leaf + size * random.normal(size=leaf.shape)

        variables = {**variables, "params": jax.tree.map(move, variables["params"])}
        return jax.tree.map(lambda leaf: jnp.asarray(leaf, float), variables)

    return make


@pytest.fixture
def columns():
    """A function from a shape (N, H, W, C) to noise, clean images, cameras and ISO numbers."""

    def make(shape):
        random, number = np.random.default_rng(3), np.arange(shape[0])
        clean, noise = random.uniform(size=shape), 0.1 * random.normal(size=shape)
        iso = np.array([100.0, 200.0, 400.0])[number % 3]
        return tuple(jnp.asarray(column) for column in (noise, clean, number % 5, iso))

    return make
