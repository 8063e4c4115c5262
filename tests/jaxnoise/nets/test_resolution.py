"""The 4x4 convolution to double by cells: values and gradients are those of flax."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnoise.nets.resolution import convolve_to_double

SHAPES = [(2, 6, 10, 3, 2), (1, 2, 2, 1, 1), (3, 8, 4, 12, 50)]


def normal(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape))


@pytest.mark.parametrize("shape", SHAPES)
def test_same_as_the_layer_of_flax(float64, shape):
    number, height, width, channels, features = shape
    images, kernel = normal(0, number, height, width, channels), normal(1, 4, 4, *shape[3:])
    layer = nn.ConvTranspose(features, (4, 4), (2, 2), use_bias=False, param_dtype=jnp.float64)
    theirs = lambda images, kernel: layer.apply({"params": {"kernel": kernel}}, images)  # noqa: E731
    value, back = jax.vjp(convolve_to_double, images, kernel)
    expected, back_expected = jax.vjp(theirs, images, kernel)
    np.testing.assert_allclose(value, expected, atol=1e-11)
    change = normal(2, *expected.shape)
    for one, other in zip(back(change), back_expected(change), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-10)
