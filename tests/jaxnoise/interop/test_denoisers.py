"""DnCNN and U-Net in the layout of Noise2NoiseFlow's published code, with random numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnoise.errors import DataError
from jaxnoise.interop import denoiser_torch
from jaxnoise.io import load_model, save_model
from jaxnoise.models import denoiser

SIZES = [
    ("dncnn", {"channels": 4, "features": 6, "depth": 4}),
    ("dncnn", {"channels": 1, "features": 3, "depth": 2}),
    ("dncnn", {"channels": 3, "features": 4, "depth": 17}),
    ("unet", {"channels": 4, "features": 6}),
    ("unet", {"channels": 1, "features": 3}),
]


@pytest.fixture
def written(torch_file, published_torch, tmp_path):
    """A function that makes a denoiser's tensors and their file."""

    def write(net, changed=None, **sizes):
        tensors = getattr(published_torch, f"random_{net}")(**sizes)
        kept = {**tensors, **(changed or {})}
        kept = {name: tensor for name, tensor in kept.items() if tensor is not None}
        return tensors, torch_file.write(tmp_path / "net.pth", torch_file.StateDict(kept))

    return write


def refused(path, match):
    with pytest.raises(DataError, match=match) as caught:
        denoiser_torch(path)
    assert str(caught.value).isprintable() and str(caught.value).endswith(".")


@pytest.mark.parametrize(("net", "sizes"), SIZES)
def test_estimates_are_those_of_the_published_code(written, published_torch, float64, net, sizes):
    tensors, path = written(net, **sizes)
    config, variables = denoiser_torch(path)
    assert config == denoiser.Config(net, **sizes)
    fresh = jax.eval_shape(lambda key: denoiser.init(key, config), jax.random.key(0))
    assert jax.tree.structure(variables) == jax.tree.structure(fresh)
    for read, expected in zip(jax.tree.leaves(variables), jax.tree.leaves(fresh), strict=True):
        assert (read.shape, read.dtype) == (expected.shape, expected.dtype)
    noisy = np.random.default_rng(1).uniform(size=(2, 32, 64, sizes["channels"]))
    variables = jax.tree.map(lambda leaf: leaf.astype(float), variables)
    found = jax.jit(denoiser.denoise, static_argnums=1)(variables, config, jnp.asarray(noisy))
    expected = getattr(published_torch, net)(tensors, noisy.transpose(0, 3, 1, 2))
    np.testing.assert_allclose(found, expected.transpose(0, 2, 3, 1), atol=1e-12)


def test_model_folders_hold_it(written, tmp_path):
    config, variables = denoiser_torch(written("dncnn")[1])
    save_model(tmp_path / "model", "denoiser", config, variables)
    name, loaded, back = load_model(tmp_path / "model")
    assert (name, loaded) == ("denoiser", config)
    assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), back, variables))


@pytest.mark.parametrize("net", ["dncnn", "unet"])
def test_missing_further_and_wrong_tensors_are_refused(written, net):
    tensors, _ = written(net)
    for name, tensor in tensors.items():
        if name.endswith("num_batches_tracked"):
            continue
        refused(written(net, {name: None})[1], "lacks|has ")
        refused(written(net, {name: np.stack([tensor] * 2)})[1], "of shape")
        refused(written(net, {name: tensor.astype(np.float16)})[1], "type float16, not")
        refused(written(net, {name: np.full_like(tensor, np.nan)})[1], "values that it cannot")
    refused(written(net, {"other": np.zeros(3)})[1], "has other: only the DnCNN and the U-Net of")


def test_sizes_that_cannot_be_are_refused(written):
    refused(written("unet", features=4)[1], "lacks|do not divide by 3")
    refused(written("dncnn", {"dncnn.0.weight": np.zeros((0, 4, 3, 3))})[1], "has dncnn.0.weight")
    refused(written("dncnn", depth=1)[1], "a single convolution")


def test_another_network_is_refused(torch_file, tmp_path):
    path = torch_file.write(tmp_path / "net.pth", {"fc.weight": np.zeros((3, 3), np.float32)})
    refused(path, "lacks dncnn.0.weight: only the DnCNN and the U-Net of")
