"""Encoders from files with torchvision's names, against numpy by those names."""

import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

from jaxnoise.errors import DataError, UsageError
from jaxnoise.interop import open_encoder
from jaxnoise.nets.encoders import Pyramid, ResNet50, Vgg16
from tests.jaxnoise.interop import published_encoders

NETWORKS = {
    "vgg16": (Vgg16(), ("relu1_2", "relu2_2", "relu3_3", "relu4_3")),
    "resnet50": (
        ResNet50(("stem", "layer1", "layer2", "layer3", "layer4")),
        ("stem", "layer1", "layer2", "layer3", "layer4"),
    ),
}
PARAMETERS = {"vgg16": 7_635_264, "resnet50": 23_508_032}
"""Of torchvision's models, counted there: VGG16 to relu4_3, ResNet50 without its classifier."""


@pytest.fixture(scope="module", params=NETWORKS)
def stored(request, tmp_path_factory):
    """A network's name, its tensors and their file, which is large and deleted again."""
    tensors = getattr(published_encoders, f"random_{request.param}")()
    path = tmp_path_factory.mktemp("encoder") / "weights.safetensors"
    save_file(tensors, path)
    yield request.param, tensors, path
    path.unlink()


@pytest.fixture
def written(tmp_path):
    """A function that writes tensors, some of them changed, in half precision to save time."""
    path = tmp_path / "weights.safetensors"

    def write(network, **changed):
        kept = {**getattr(published_encoders, f"random_{network}")(), **changed}
        save_file({name: _halved(own) for name, own in kept.items() if own is not None}, path)
        return path

    yield write
    path.unlink(missing_ok=True)


def _halved(tensor):
    return tensor.astype(np.float16) if tensor.dtype == np.float32 else tensor


def refused(path, match):
    with pytest.raises(DataError, match=match) as caught:
        open_encoder(path)
    assert str(caught.value).isprintable() and str(caught.value).endswith(".")


def test_features_are_those_of_the_published_networks(stored, float64):
    name, tensors, path = stored
    expected_encoder, layers = NETWORKS[name]
    encoder, variables = open_encoder(path, layers=layers)
    assert encoder == expected_encoder
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == PARAMETERS[name]
    # Odd where the network allows it, so that what is cut or filled up at borders is seen.
    images = np.random.default_rng(1).uniform(-0.2, 1.2, (2, 11, 18, 3))
    wide = jax.tree.map(lambda leaf: leaf.astype(float), variables)
    found = jax.jit(encoder.encode)(wide, jnp.asarray(images))
    expected = getattr(published_encoders, name)(tensors, images)
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.shape == theirs.shape
        # The mean and the spread of photographs are single precision here.
        np.testing.assert_allclose(ours, theirs, atol=1e-6 * theirs.max())


def test_variables_are_as_from_init(stored):
    name, _, path = stored
    encoder, variables = open_encoder(path)
    fresh = jax.eval_shape(encoder.init, jax.random.key(0))
    assert jax.tree.structure(variables) == jax.tree.structure(fresh)
    for read, expected in zip(jax.tree.leaves(variables), jax.tree.leaves(fresh), strict=True):
        assert (read.shape, read.dtype) == (expected.shape, expected.dtype)


def test_the_pyramid_needs_no_file():
    encoder, variables = open_encoder("pyramid")
    assert encoder == Pyramid()
    same = Pyramid().init(jax.random.key(0))
    assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), variables, same))
    with pytest.raises(UsageError, match="no choice of layers"):
        open_encoder("pyramid", layers=["stem"])


@pytest.mark.parametrize(
    ("network", "name"), [("vgg16", "features.19"), ("resnet50", "layer4.2.conv2")]
)
def test_what_is_missing_or_wrong_is_named(written, network, name):
    name, shape = f"{name}.weight", (512, 512, 3, 3)
    refused(written(network, **{name: None}), f"lacks {name}: only the VGG16")
    wrong = np.zeros((512, 512, 3, 1), np.float32)
    refused(written(network, **{name: wrong}), rf"{name} of shape \(512, 512, 3, 1\).*, not \(512")
    wrong = np.full(shape, np.nan, np.float32)
    refused(written(network, **{name: wrong}), f"{name} in .* holds values that it cannot have")
    refused(written(network, **{name: np.zeros(shape, np.int8)}), f"{name}' of type I8: save")


def test_other_networks_are_refused(written, tmp_path):
    # With batch normalisation the numbers of VGG16's modules are others; a wider ResNet is another.
    refused(written("vgg16", **{"features.1.weight": np.ones(64)}), "has features.1.weight: only")
    deeper = {"layer3.6.conv1.weight": np.ones((256, 1024, 1, 1))}
    refused(written("resnet50", **deeper), "has layer3.6.conv1.weight: only")
    variance = {"layer1.0.bn1.running_var": -np.ones(64)}
    refused(written("resnet50", **variance), "layer1.0.bn1.running_var in .* holds values")
    save_file({"fc.weight": np.zeros((3, 3))}, tmp_path / "other.safetensors")
    refused(tmp_path / "other.safetensors", "has no features.0.weight and no layer1")


def test_weights_too_large_for_single_precision_are_refused(written):
    wrong = {"features.0.bias": np.full(64, 1e300)}
    refused(written("vgg16", **wrong), "features.0.bias in .* holds values that it cannot have")


def test_what_is_no_file_is_refused(tmp_path):
    refused("vgg16", 'vgg16 is no file, and no encoder is called so: give "pyramid"')
    refused(tmp_path, "Is a directory")
    (tmp_path / "weights.pth").write_bytes(b"PK\x03\x04" + bytes(100))
    refused(tmp_path / "weights.pth", "is no safetensors file or is damaged .*save_file")
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", "pipe or device")


def test_layers_that_there_are_not_are_refused(stored):
    with pytest.raises(UsageError, match="has no such layers as .*layer9"):
        open_encoder(stored[2], layers=["layer9"])
