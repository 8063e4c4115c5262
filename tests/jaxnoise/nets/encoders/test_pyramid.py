"""The random pyramid: against numpy, and its weights, which must never change."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnoise.errors import UsageError
from jaxnoise.nets.encoders import Pyramid
from jaxnoise.nets.encoders.pyramid import _halved
from jaxnoise.protocols import Encoder
from tests.jaxnoise.nets.reference import convolve, rectify

MEAN, SPREAD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
PINNED = [
    [-0.329785, 0.044775, -0.066149],
    [-0.007984, 0.2903, 0.159144],
    [-0.043125, -0.110057, 0.077153],
]


def halve(images):
    """Rows, then columns, one output at a time; what lies outside is the nearest pixel."""
    for axis in (1, 2):
        images = np.swapaxes(images, 0, axis)
        last = len(images) - 1
        lines = []
        for centre in range(0, len(images), 2):
            places = np.clip(np.arange(centre - 1, centre + 3), 0, last)
            weights = np.array([1, 3, 3, 1]) / 8
            lines.append(np.tensordot(weights, images[places], 1))
        images = np.swapaxes(np.stack(lines), 0, axis)
    return images


@pytest.mark.parametrize("sides", [(12, 8), (7, 5), (1, 2)])
def test_against_numpy(float64, sides):
    encoder = Pyramid((4, 6, 5))
    variables = encoder.init(jax.random.key(3))
    variables = jax.tree.map(lambda leaf: leaf.astype(float), variables)
    images = np.random.default_rng(0).uniform(-0.5, 1.5, (2, *sides, 3))
    found = jax.jit(encoder.encode)(variables, jnp.asarray(images))
    hidden, shapes = (images - MEAN) / SPREAD, []
    for level in range(3):
        hidden = halve(hidden) if level else hidden
        hidden = rectify(convolve(hidden, variables["params"][f"level{level}"]["kernel"]))
        # The mean and the spread of photographs are single precision there.
        np.testing.assert_allclose(found[level], hidden, atol=1e-6)
        shapes.append(found[level].shape[1:])
    height, width = sides
    assert shapes == [
        (-(-height // 2**level), -(-width // 2**level), features)
        for level, features in enumerate((4, 6, 5))
    ]


def test_kernels_are_orthogonal_and_of_the_key():
    first, again, other = (Pyramid().init(jax.random.key(seed)) for seed in (0, 0, 1))
    for level, features in enumerate((8, 16, 32)):
        kernel = np.asarray(first["params"][f"level{level}"]["kernel"])
        columns = kernel.reshape(-1, features)
        np.testing.assert_allclose(columns.T @ columns, 2 * np.eye(features), atol=1e-5)
        np.testing.assert_array_equal(kernel, again["params"][f"level{level}"]["kernel"])
        assert np.abs(kernel - other["params"][f"level{level}"]["kernel"]).max() > 0.1
    assert sum(leaf.size for leaf in jax.tree.leaves(first)) == 27 * 8 + 72 * 16 + 144 * 32


def test_weights_are_those_of_every_version():
    # Numbers of losses in documents and reports would mean something else with other weights.
    params = Pyramid().init(jax.random.key(0))["params"]
    found = [params[f"level{level}"]["kernel"][1, 1, 0, :3] for level in range(3)]
    np.testing.assert_allclose(found, PINNED, atol=1e-5)


def test_halving_keeps_what_is_constant_and_removes_what_is_finest():
    halved = jax.jit(_halved)
    constant = np.full((1, 6, 9, 2), 0.7, np.float32)
    np.testing.assert_allclose(halved(jnp.asarray(constant)), 0.7, rtol=1e-6)
    stripes = np.broadcast_to((-1.0) ** np.arange(12)[:, None, None], (1, 12, 8, 1))
    for images in (stripes, np.swapaxes(stripes, 1, 2)):
        inside = halved(jnp.asarray(images, jnp.float32))[:, 1:-1, 1:-1]
        np.testing.assert_allclose(inside, 0, atol=1e-6)


def test_it_is_an_encoder_and_can_be_static():
    assert isinstance(Pyramid(), Encoder)
    assert hash(Pyramid()) == hash(Pyramid((8, 16, 32))) and Pyramid() != Pyramid((8,))


@pytest.mark.parametrize("features", [(), (0,), (28,), (8, 73)])
def test_sizes_that_cannot_be_are_refused(features):
    with pytest.raises(UsageError, match="from 1 to nine times"):
        Pyramid(features)


@pytest.mark.parametrize(
    "images", [np.zeros((4, 4, 3)), np.zeros((1, 4, 4, 4)), np.zeros((1, 4, 4, 3), int)]
)
def test_other_images_are_refused(images, monkeypatch):
    import jaxtyping

    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(UsageError, match="images has shape|images of shape"):
        Pyramid().encode(Pyramid().init(jax.random.key(0)), images)
