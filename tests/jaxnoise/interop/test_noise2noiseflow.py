"""Checkpoints in the layout of Noise2NoiseFlow's published code, with random numbers in them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnoise.errors import DataError
from jaxnoise.interop import noise2noiseflow_torch
from jaxnoise.interop.state_dict import find_state_file
from jaxnoise.io import load_model, save_model
from jaxnoise.models import noise2noiseflow, noiseflow

FLOW, DENOISER = "noise_flow.model.", "denoiser."
OURS = {
    "sdn|unc|unc|unc|unc|gain|unc|unc|unc|unc": "S-Ax4-G-Ax4-CAM",
    "sdn|unc|gain|unc": "S-Ax1-G-Ax1-CAM",
    "unc|gain|sdn|unc|unc": "Ax1-G-S-Ax2-CAM",
    "sdn|gain": "S-G-CAM",
    "unc|unc|unc": "Ax3",
}
SMALL = "sdn|unc|gain|unc"


@pytest.fixture
def model(published_torch):
    """A function that makes the tensors of a model, its denoiser as small as can be."""

    def make(arch=SMALL, *, denoiser="dncnn", **options):
        sizes = {"channels": options.get("channels", 4), "prefix": DENOISER}
        made = getattr(published_torch, f"random_{denoiser}")(features=3, **sizes)
        return {**published_torch.random_flow(arch, **options), **made}

    return make


@pytest.fixture
def small(torch_file, tmp_path, model):
    """A function that writes a small model with some tensors replaced, or left out if None."""
    tensors = model()

    def write(**changed):
        kept = {**tensors, **changed}
        kept = {name: tensor for name, tensor in kept.items() if tensor is not None}
        return torch_file.write(tmp_path / "best_model.pth", {"state_dict": kept})

    return write


def refused(path, match):
    with pytest.raises(DataError, match=match) as caught:
        noise2noiseflow_torch(path)
    assert str(caught.value).isprintable() and str(caught.value).endswith(".")


@pytest.mark.parametrize("denoiser", ["dncnn", "unet"])
@pytest.mark.parametrize("arch", OURS)
def test_architectures_are_found_out_from_names(torch_file, tmp_path, model, arch, denoiser):
    tensors = torch_file.StateDict(model(arch, denoiser=denoiser))
    value = {"epoch_num": 190, "state_dict": tensors, "optimizer": {"state": {0: {"step": 1}}}}
    config, variables = noise2noiseflow_torch(torch_file.write(tmp_path / "m.pth", value))
    flow = config.noise_model
    assert (flow.arch, flow.parameterisation) == (OURS[arch], "reference")
    assert (flow.normalisation, flow.width) == ("batch_affine", 4)
    assert (config.denoiser.net, config.denoiser.features) == (denoiser, 3)
    fresh = noise2noiseflow.init(jax.random.key(0), config)
    assert jax.tree.structure(variables) == jax.tree.structure(fresh)
    for read, expected in zip(jax.tree.leaves(variables), jax.tree.leaves(fresh), strict=True):
        assert (read.shape, read.dtype) == (expected.shape, expected.dtype)


@pytest.mark.parametrize(
    ("arch", "channels", "width"),
    [(SMALL, 4, 4), ("unc|gain|sdn|unc|unc", 4, 6), ("unc|unc", 5, 3), ("sdn|gain", 2, 4)],
)
def test_density_is_that_of_the_published_code(
    torch_file, published_torch, tmp_path, float64, model, arch, channels, width
):
    tensors = model(arch, channels=channels, width=width, seed=3)
    config, variables = noise2noiseflow_torch(torch_file.write(tmp_path / "m.pth", tensors))
    random = np.random.default_rng(1)
    shape = (2, 24, 40, channels)
    clean, noise = random.uniform(size=shape), 0.02 * random.normal(size=shape)
    conditions = jnp.asarray(clean), jnp.array([4, 4]), jnp.array([1600, 1600])
    own = jax.tree.map(lambda leaf: leaf.astype(float), variables["noise_model"])
    flow = noiseflow.distribution(own, config.noise_model, *conditions)
    found = jax.jit(flow.bijector.inverse)(jnp.asarray(noise))
    images = (noise.transpose(0, 3, 1, 2), clean.transpose(0, 3, 1, 2))
    latent, log_det = published_torch.normalise(tensors, arch, *images, 4, 1600)
    latent = latent.transpose(0, 2, 3, 1)
    np.testing.assert_allclose(found, latent, atol=1e-11)
    back = jax.jit(flow.bijector.forward)(jnp.asarray(latent))
    np.testing.assert_allclose(back, noise, atol=1e-12)
    nll = 0.5 * (np.log(2 * np.pi) + latent**2).sum((1, 2, 3)) - log_det
    np.testing.assert_allclose(flow.log_prob(jnp.asarray(noise)), -nll, rtol=1e-11)


def test_the_denoiser_is_that_of_the_published_code(torch_file, published_torch, tmp_path, model):
    tensors = model()
    config, variables = noise2noiseflow_torch(torch_file.write(tmp_path / "m.pth", tensors))
    noisy = np.random.default_rng(1).uniform(size=(2, 12, 20, 4)).astype(np.float32)
    denoise = jax.jit(noise2noiseflow.denoise, static_argnums=1)
    found = denoise(variables, config, jnp.asarray(noisy))
    expected = published_torch.dncnn(tensors, noisy.transpose(0, 3, 1, 2), prefix=DENOISER)
    np.testing.assert_allclose(found, expected.transpose(0, 2, 3, 1), atol=1e-5)


def test_model_folders_hold_it(small, tmp_path):
    config, variables = noise2noiseflow_torch(small())
    save_model(tmp_path / "model", "noise2noiseflow", config, variables)
    name, loaded, back = load_model(tmp_path / "model")
    assert (name, loaded) == ("noise2noiseflow", config)
    same = jax.tree.map(lambda a, b: bool((a == b).all()), back, variables)
    assert jax.tree.all(same)


def test_the_file_is_found_in_its_folder(torch_file, tmp_path):
    assert find_state_file(tmp_path) is None
    refused(tmp_path, "is no file of PyTorch: give a .pth file")
    refused(tmp_path / "gone.pth", "is no file of PyTorch: give a .pth file")
    (tmp_path / "notes.txt").write_text("190 epochs\n")
    assert find_state_file(tmp_path) is None and find_state_file(tmp_path / "notes.txt") is None
    (tmp_path / "epoch_160.pth").touch()
    assert find_state_file(tmp_path) == tmp_path / "epoch_160.pth"
    (tmp_path / "epoch_190.pt").touch()
    refused(tmp_path, "holds 2 files of PyTorch: give one of them, .*epoch_160.pth or .*epoch_190")
    assert find_state_file(str(tmp_path / "epoch_190.pt")) == tmp_path / "epoch_190.pt"
    (tmp_path / "best_model.pth").touch()
    assert find_state_file(tmp_path) == tmp_path / "best_model.pth"


@pytest.mark.parametrize(
    "value",
    [
        [],
        {},
        {"state_dict": {}},
        {"state_dict": {"a": 3}},
        {"a": {"b": np.zeros(2)}},
        {3: np.zeros(2)},
        {"a\nb": np.zeros(2)},
        {"\ud800": np.zeros(2)},
        np.zeros(3),
    ],
)
def test_files_without_a_state_dict_are_refused(torch_file, tmp_path, value):
    refused(torch_file.write(tmp_path / "m.pth", value), "holds no state dict: save the weights")


@pytest.mark.parametrize(
    ("arch", "match"),
    [
        ("sdn|unc", "1 signal-dependent and 0 gain layers"),
        ("unc|gain", "0 signal-dependent and 1 gain layers"),
        ("sdn|gain|sdn", "2 signal-dependent and 1 gain layers"),
    ],
)
def test_other_architectures_are_refused(torch_file, tmp_path, model, arch, match):
    refused(torch_file.write(tmp_path / "m.pth", model(arch)), match)


def test_layers_out_of_order_are_refused(torch_file, tmp_path, model):
    tensors = model("unc|unc")

    def moved(*places):
        found = {}
        for name, tensor in tensors.items():
            if name.startswith(FLOW):
                place, rest = name.removeprefix(FLOW).split(".", 1)
                name = f"{FLOW}{places[int(place)]}.{rest}"
            found[name] = tensor
        return torch_file.write(tmp_path / "m.pth", found)

    assert noise2noiseflow_torch(moved(0, 1, 2, 3))[0].noise_model.arch == "Ax2"
    for places, match in {
        (1, 0, 2, 3): "do not take turns",
        (0, 2, 1, 3): "do not take turns",
        (1, 2, 3, 4): "no row of layers noise_flow.model.0",
        (0, 1, 3, 4): "no row of layers",
        (0, 0, 1, 2): "in a layer of another kind",
    }.items():
        refused(moved(*places), match)
    others = {name: value for name, value in tensors.items() if not name.startswith(FLOW)}
    refused(torch_file.write(tmp_path / "m.pth", others), "no row of layers")
    others = {name: value for name, value in tensors.items() if name.startswith(FLOW)}
    refused(torch_file.write(tmp_path / "m.pth", others), "lacks denoiser.dncnn.0.weight")


def test_missing_and_further_tensors_are_named(small, model):
    for name in model():
        if not name.endswith("num_batches_tracked"):
            refused(small(**{name: None}), "lacks|has ")
    for name in ("other", f"{FLOW}0._scale.more", f"{FLOW}1.w", f"{DENOISER}dncnn.1.bias"):
        refused(small(**{name: np.zeros(3)}), f"has {name}: only Noise2NoiseFlow's layers")


def test_wrong_shapes_and_types_are_refused(small, model):
    for name, tensor in model().items():
        if not name.endswith("num_batches_tracked"):
            refused(small(**{name: np.stack([tensor] * 2)}), "of shape|a single convolution")
            refused(small(**{name: tensor.astype(np.int64)}), "and type int64|of another kind")


def test_images_of_one_channel_are_refused(torch_file, published_torch, tmp_path):
    tensors = {
        **published_torch.random_flow("sdn|gain"),
        **published_torch.random_dncnn(channels=1, prefix=DENOISER),
    }
    refused(torch_file.write(tmp_path / "m.pth", tensors), "for images of a single channel")


def test_flow_and_denoiser_must_have_the_same_channels(torch_file, published_torch, tmp_path):
    tensors = {
        **published_torch.random_flow("unc"),
        **published_torch.random_dncnn(channels=3, prefix=DENOISER),
    }
    refused(torch_file.write(tmp_path / "m.pth", tensors), r"of shape \(4, 4\) .* not \(3, 3\)")


IMPOSSIBLE = {
    f"{FLOW}1.p": np.eye(4)[[0, 1, 2, 2]],
    f"{FLOW}4.p": -np.eye(4) + 2 * np.diag([1, 0, 0, 0]),
    f"{FLOW}1.sign_s": np.array([1, 0, 1, 1]),
    f"{FLOW}1.l": np.full((4, 4), np.inf),
    f"{FLOW}2._shift_and_log_scale.net.1.running_var": np.array([1, 1, -1e-3, 1]),
    f"{FLOW}2._shift_and_log_scale.net.4.weight": np.array([1, 1, np.nan, 1]),
    f"{FLOW}3.scale": np.array(0.0),
    f"{FLOW}0._scale.beta1": np.array(np.nan),
    f"{DENOISER}dncnn.3.running_var": np.array([1, 1, -1e-3]),
    f"{DENOISER}dncnn.0.bias": np.array([0, np.inf, 0]),
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_numbers_that_cannot_be_are_refused(small, name):
    refused(small(**{name: IMPOSSIBLE[name].astype(np.float32)}), "holds values that it cannot")


def test_a_matrix_without_inverse_is_refused(small):
    for size in (-1e4, 1e4):
        log_s = np.array([0, size, 0, 0], np.float32)
        refused(small(**{f"{FLOW}1.log_s": log_s}), "a matrix without inverse")


def test_the_two_copies_of_a_module_must_agree(small):
    scope = f"{FLOW}2._shift_and_log_scale"
    name = f"{scope}.net.3.bias"
    refused(small(**{name: np.ones(4, np.float32)}), f"has one bias as {scope}.conv2d_2 and anoth")


def test_damage_is_refused_or_changes_nothing(small):
    path = small()
    _, before = noise2noiseflow_torch(path)
    content = path.read_bytes()
    random = np.random.default_rng(0)
    refusals = 0
    for _ in range(60):
        damaged = bytearray(content)
        damaged[random.integers(len(content))] ^= 1 << random.integers(8)
        path.write_bytes(damaged)
        try:
            _, after = noise2noiseflow_torch(path)
        except DataError as error:
            assert str(error).isprintable()
            refusals += 1
        else:
            assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), before, after))
    assert refusals > 30
