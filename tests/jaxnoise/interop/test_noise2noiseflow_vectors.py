"""The published weights against numbers that the published PyTorch code gave for them.

Both are the user's: JAXNOISE_DATA names a folder that holds them under `reference`.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnoise.interop import denoiser_torch, noise2noiseflow_torch
from jaxnoise.io import load_model, save_model
from jaxnoise.models import denoiser, noise2noiseflow, noiseflow

CASES = ["c0_IP_00100", "c2_S6_00400", "c4_S6_03200"]
DIMENSIONS = 32 * 32 * 4


@pytest.fixture(scope="module")
def reference(real_images):
    folder = real_images / "reference"
    if not (folder / "n2nf_vectors.npz").is_file():
        pytest.skip("JAXNOISE_DATA holds no reference/n2nf_vectors.npz")
    return folder


@pytest.fixture(scope="module")
def vectors(reference):
    return dict(np.load(reference / "noiseflow_vectors.npz")), dict(
        np.load(reference / "n2nf_vectors.npz")
    )


@pytest.fixture(params=["float32", "float64"])
def precise(request):
    """Both precisions, one after the other; whether it is float64."""
    with jax.enable_x64(request.param == "float64"):
        yield request.param == "float64"


def in_float(variables):
    return jax.tree.map(lambda leaf: leaf.astype(float), variables)


@pytest.fixture
def checkpoint(reference):
    return reference / "checkpoints" / "noise2noiseflow_torch"


@pytest.fixture
def model(checkpoint, precise):
    config, variables = noise2noiseflow_torch(checkpoint)
    return config, in_float(variables)


def test_architecture_and_parameters(model):
    config, variables = model
    assert config.noise_model.arch == "S-Ax4-G-Ax4-CAM"
    assert config.denoiser == denoiser.Config("dncnn", channels=4, features=64, depth=9)
    # 2433 as in Noise Flow, and scales and shifts of 16 batch normalisations of 4 channels.
    assert noiseflow.parameter_count(variables["noise_model"]) == 2433 + 16 * 2 * 4
    assert denoiser.parameter_count(variables["denoiser"]) == 263_616


def test_latent_samples_likelihood_and_estimates(vectors, model, precise):
    config, variables = model
    inputs, outputs = vectors
    noise, clean, start = (
        jnp.asarray(np.concatenate([inputs[f"{case}/{name}"] for case in CASES]), float)
        for name in ("noise", "clean", "z0")
    )
    camera, iso = (
        jnp.repeat(jnp.array([int(inputs[f"{case}/{name}"]) for case in CASES]), 2)
        for name in ("cam", "iso")
    )

    @jax.jit
    def compute(variables):
        own = variables["noise_model"]
        flow = noiseflow.distribution(own, config.noise_model, clean, camera, iso)
        nats = noise2noiseflow.log_prob(variables, config, noise, clean, camera, iso)
        return {
            "f64/z": flow.bijector.inverse(noise),
            "f64/gen": flow.bijector.forward(start),
            "f64/nll": -nats / DIMENSIONS,
            "f32/denoised": noise2noiseflow.denoise(variables, config, clean + noise),
        }

    found = compute(variables)
    # The published code's own float32 is off by 2.6e-5, 1.8e-6 and 2.2e-6, and its float64
    # likelihood by 1.6e-8, because it rounds log 2 pi to float32.
    rounded = {"f64/z": 5e-5, "f64/gen": 2e-6, "f64/nll": 5e-6, "f32/denoised": 1e-6}
    exact = {"f64/z": 1e-11, "f64/gen": 1e-12, "f64/nll": 2e-8, "f32/denoised": 5e-7}
    for name, atol in (exact if precise else rounded).items():
        expected = np.concatenate([outputs[f"{case}/{name}"] for case in CASES])
        expected = expected / DIMENSIONS if name == "f64/nll" else expected
        np.testing.assert_allclose(found[name], expected, rtol=0, atol=atol, err_msg=name)
    for case in CASES:
        # Their log-determinant of the 1x1 convolutions is wrong unless the image is square.
        assert np.array_equal(outputs[f"{case}/f64/nll"], outputs[f"{case}/f64/nll_fixed"])


def test_estimates_of_all_denoisers(reference, checkpoint, torch_file, tmp_path, precise):
    vectors = np.load(reference / "denoiser_vectors.npz")
    unet = np.load(reference / "unet_pretrained.npz")
    file = torch_file.write(tmp_path / "UNet_pretrained.pth", torch_file.StateDict(unet))
    joint = noise2noiseflow_torch(checkpoint / "best_model.pth")
    found = {
        "dncnn": denoiser_torch(checkpoint / "DnCNN_pretrained.pth"),
        "unet": denoiser_torch(file),
        "n2nf": (joint[0].denoiser, joint[1]["denoiser"]),
    }
    assert found["unet"][0] == denoiser.Config("unet", channels=4, features=48, share=True)
    noisy = jnp.asarray(vectors["d0/noisy"], float)
    atol = 1e-13 if precise else 1e-5
    for name, (config, variables) in found.items():
        denoise = jax.jit(denoiser.denoise, static_argnums=1)
        estimate = denoise(in_float(variables), config, noisy)
        expected = vectors[f"d0/{name}_f64"]
        np.testing.assert_allclose(estimate, expected, rtol=0, atol=atol, err_msg=name)
    config, variables = found["dncnn"]
    step = jax.jit(denoiser.denoise_and_update, static_argnums=1)
    estimate, _ = step(in_float(variables), config, noisy)
    expected = vectors["d0/dncnn_trainmode_f64"]
    np.testing.assert_allclose(estimate, expected, rtol=0, atol=atol)


def test_model_folders_hold_them(model, tmp_path):
    config, variables = model
    save_model(tmp_path / "model", "noise2noiseflow", config, variables)
    name, loaded, back = load_model(tmp_path / "model")
    assert (name, loaded) == ("noise2noiseflow", config)
    assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), back, variables))
