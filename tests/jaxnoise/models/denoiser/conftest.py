"""Denoisers for which every pixel that they see counts."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnoise.models import denoiser


@pytest.fixture
def configs() -> dict[str, denoiser.Config]:
    """A tiny DnCNN, and a tiny U-Net."""
    return {
        "dncnn": denoiser.Config(channels=3, features=4, depth=4),
        "unet": denoiser.Config(net="unet", channels=2, features=3),
    }


@pytest.fixture
def positive():
    """A function from a Config to variables whose kernels average: nothing is cut or cancels.

    The estimate of an image with few bright pixels then has its own order of magnitude at every
    distance from them, and zero from where the network does not see them.
    """

    def make(config):
        random = np.random.default_rng(0)

        def fill(path, leaf):
            name = path[-1].key
            if name != "kernel":
                return jnp.full(leaf.shape, 1.0 if name in ("scale", "var") else 0.0)
            values = random.uniform(0.5, 1.5, leaf.shape) / math.prod(leaf.shape[:-1])
            return jnp.asarray(values, jnp.float32)

        shapes = jax.eval_shape(partial(denoiser.init, config=config), jax.random.key(0))
        return jax.tree_util.tree_map_with_path(fill, shapes)

    return make
