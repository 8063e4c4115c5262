"""A model away from its initial values, and images for it."""

import jax
import jax.numpy as jnp
import pytest

from jaxnoise.models import noiseflow


@pytest.fixture
def random_variables():
    """A function from a Config to variables in which no layer is the identity."""

    def make(config, size=0.1):
        variables = noiseflow.init(jax.random.key(0), config)
        key = jax.random.key(1)

        def move(leaf):
            nonlocal key
            key, own = jax.random.split(key)
            return leaf + size * jax.random.normal(own, leaf.shape, leaf.dtype)

        return {**variables, "params": jax.tree.map(move, variables["params"])}

    return make


@pytest.fixture
def columns():
    """A function from a shape (N, H, W, C) to noise, clean images, cameras and ISO numbers."""

    def make(shape):
        clean = jax.random.uniform(jax.random.key(3), shape)
        noise = 0.1 * jax.random.normal(jax.random.key(4), shape)
        number = jnp.arange(shape[0])
        return noise, clean, number % 5, jnp.asarray([100.0, 200.0, 400.0])[number % 3]

    return make
