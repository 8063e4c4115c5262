"""VGG16 and ResNet50: choice of layers, sizes, and images that do not matter to each other.

Their values are compared where their weights are read, in `tests/jaxnoise/interop`.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnoise.errors import UsageError
from jaxnoise.nets.encoders import ResNet50, Vgg16
from jaxnoise.protocols import Encoder

IMAGES = jax.ShapeDtypeStruct((2, 33, 64, 3), jnp.float32)


def shapes(encoder, images=IMAGES):
    variables = jax.eval_shape(encoder.init, jax.random.key(0))
    return [one.shape for one in jax.eval_shape(encoder.encode, variables, images)]


@pytest.mark.parametrize(
    ("encoder", "parameters"), [(Vgg16(), 7_635_264), (ResNet50(), 23_508_032)]
)
def test_parameters_of_the_published_networks(encoder, parameters):
    variables = jax.eval_shape(encoder.init, jax.random.key(0))
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == parameters
    assert isinstance(encoder, Encoder)


def test_shapes_are_those_of_the_chosen_layers():
    assert shapes(Vgg16()) == [(2, 33, 64, 64), (2, 16, 32, 128), (2, 8, 16, 256), (2, 4, 8, 512)]
    assert shapes(Vgg16(("relu2_1", "relu1_1"))) == [(2, 16, 32, 128), (2, 33, 64, 64)]
    assert shapes(ResNet50(("stem", "layer4"))) == [(2, 17, 32, 64), (2, 2, 2, 2048)]
    assert shapes(ResNet50()) == [
        (2, 9, 16, 256),
        (2, 5, 8, 512),
        (2, 3, 4, 1024),
        (2, 2, 2, 2048),
    ]


@pytest.mark.parametrize(
    ("encoder", "needed"),
    [
        (Vgg16(("relu2_1",)), ["conv1_1", "conv1_2", "conv2_1"]),
        (ResNet50(("stem",)), ["conv1"]),
    ],
)
def test_what_lies_behind_the_last_layer_is_not_computed(encoder, needed):
    # Its weights are not even looked at.
    whole = jax.eval_shape(encoder.init, jax.random.key(0))
    cut = {kind: {name: own[name] for name in needed if own} for kind, own in whole.items()}
    assert len(jax.eval_shape(encoder.encode, cut, IMAGES)) == 1


@pytest.mark.parametrize("kind", [Vgg16, ResNet50])
@pytest.mark.parametrize("layers", [(), ("relu1_2", "relu1_2"), ("stem", "stem"), ("fc",)])
def test_layers_that_there_are_not_are_refused(kind, layers):
    with pytest.raises(UsageError, match="has no such layers"):
        kind(layers)


def test_images_that_vanish_when_halved_are_refused():
    small = jax.ShapeDtypeStruct((1, 7, 64, 3), jnp.float32)
    with pytest.raises(UsageError, match="at least 8x8 pixels"):
        shapes(Vgg16(), small)
    assert shapes(Vgg16(("relu3_1",)), small) == [(1, 1, 16, 256)]
    assert shapes(ResNet50(), jax.ShapeDtypeStruct((1, 1, 1, 3), jnp.float32))[-1][1:3] == (1, 1)


def test_an_image_s_features_do_not_depend_on_its_batch():
    encoder = ResNet50(("layer1",))
    variables = encoder.init(jax.random.key(0))
    images = jnp.asarray(np.random.default_rng(0).uniform(size=(3, 9, 9, 3)), jnp.float32)
    encode = jax.jit(encoder.encode)
    (both,), (alone,) = encode(variables, images), encode(variables, images[:1])
    np.testing.assert_allclose(both[:1], alone, rtol=1e-4, atol=1e-4)
