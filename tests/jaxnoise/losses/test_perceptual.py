"""The perceptual loss by hand, its gradient, and weights that stay an argument."""

import re
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnoise.errors import UsageError
from jaxnoise.interop import open_encoder
from jaxnoise.losses import perceptual
from jaxnoise.raw.rendering import packed_to_rgb


@dataclass(frozen=True)
class Scaled:
    """An encoder with two maps that can be worked out by hand."""

    def encode(self, variables, images):
        return variables * images, images[:, ::2].sum(-1, keepdims=True)


def pair(shape=(3, 4, 6, 3)):
    random = np.random.default_rng(0)
    return random.uniform(-0.5, 1.5, shape), random.uniform(0, 1, shape)


def test_values_are_those_of_numpy(float64):
    images, targets = pair()
    given = Scaled(), jnp.asarray(2.0), jnp.asarray(images), jnp.asarray(targets)
    fine, coarse = 2 * (images - targets), (images - targets)[:, ::2].sum(-1)
    expected = ((fine**2).mean() + (coarse**2).mean()) / 2
    np.testing.assert_allclose(perceptual(*given), expected, rtol=1e-12)
    norms = [np.linalg.norm(one.reshape(3, -1), axis=1).mean() for one in (fine, coarse)]
    np.testing.assert_allclose(perceptual(*given, form="norm"), np.mean(norms), rtol=1e-12)
    with pytest.raises(UsageError, match='form is "root": give "squared" or "norm"'):
        perceptual(*given, form="root")


@pytest.mark.parametrize("form", ["squared", "norm"])
def test_equal_images_have_no_loss_and_no_gradient(form):
    encoder, variables = open_encoder("pyramid")
    images = jnp.asarray(pair()[0], jnp.float32)
    # One image of the two differs: its gradient must not spread to the other one.
    images, targets = images[:2], images[:2].at[1].add(0.1)
    loss = jax.jit(partial(perceptual, encoder, form=form))
    value, gradient = jax.value_and_grad(loss, 1)(variables, images, targets)
    assert value > 0 and np.isfinite(gradient).all()
    assert (gradient[0] == 0).all() and (gradient[1] != 0).any()
    assert loss(variables, images, images) == 0


@pytest.mark.parametrize("form", ["squared", "norm"])
@pytest.mark.parametrize("gamma", [1.0, 2.2])
def test_the_gradient_reaches_raw_noise(float64, form, gamma):
    encoder, variables = open_encoder("pyramid")
    variables = jax.tree.map(lambda leaf: leaf.astype(float), variables)
    random = np.random.default_rng(1)
    clean = jnp.asarray(random.uniform(size=(2, 8, 8, 4)))
    noise, direction = (jnp.asarray(random.normal(0, 0.6, clean.shape)) for _ in range(2))
    assert (clean + noise).min() < 0 and (clean + noise).max() > 1

    @jax.jit
    def loss(noise):
        rendered = (packed_to_rgb(image, gamma=gamma) for image in (clean + noise, clean))
        return perceptual(encoder, variables, *rendered, form=form)

    gradient = jax.grad(loss)(noise)
    assert np.isfinite(gradient).all() and (gradient != 0).all()
    step = 1e-6
    difference = loss(noise + step * direction) - loss(noise - step * direction)
    # A ReLU that switches within the step is rare, and moves the slope by a part of the step.
    np.testing.assert_allclose((gradient * direction).sum(), difference / (2 * step), rtol=1e-5)


def test_weights_are_an_argument_of_the_program():
    encoder, variables = open_encoder("pyramid")
    images, targets = (jnp.asarray(one, jnp.float32) for one in pair())
    program = jax.jit(partial(perceptual, encoder)).lower(variables, images, targets).as_text()
    # Mean and spread of photographs, and no weights.
    constants = re.findall(r"stablehlo.constant dense<.*> : tensor<([\dx]*)f32>", program)
    sizes = [np.prod([int(side) for side in shape.split("x") if side]) for shape in constants]
    assert sizes and max(sizes) <= 3
    compiled = jax.jit(perceptual, static_argnums=0)
    first = compiled(encoder, variables, images, targets)
    doubled = jax.tree.map(lambda leaf: 2 * leaf, variables)
    assert compiled(encoder, doubled, images, targets) > 1.5 * first
    assert compiled._cache_size() == 1


def test_more_noise_is_farther_away():
    encoder, variables = open_encoder("pyramid")
    random = np.random.default_rng(2)
    clean = jnp.asarray(random.uniform(size=(1, 16, 16, 3)), jnp.float32)
    noise = jnp.asarray(random.normal(size=clean.shape), jnp.float32)
    loss = jax.jit(partial(perceptual, encoder, form="norm"))
    values = [float(loss(variables, clean + std * noise, clean)) for std in (0.01, 0.02, 0.04)]
    # ReLU passes scales on, but for the few signs that change.
    np.testing.assert_allclose(np.divide(values, values[0]), [1, 2, 4], rtol=0.1)
