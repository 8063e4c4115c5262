"""The published weights against numbers that the published code gave for them.

Both are the user's: JAXNOISE_DATA names a folder that holds them under `reference`.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnoise.interop import noise_flow_tf
from jaxnoise.metrics import patch_marginal_kl
from jaxnoise.models import noiseflow
from jaxnoise.noise import nlf

CASES = ["c0_IP_00100", "c2_S6_00400", "c4_S6_03200"]
TRAINED = "c2_S6_00400"
DIMENSIONS = 32 * 32 * 4
BLOCKS = [1, 2, 3, 4, 6, 7, 8, 9]
LOWER, UPPER = [3, 5, 4, 2, 1, 0], [0, 1, 2, 4, 5, 3]
"""Where the row-major entries of a triangle lie in the packed vector."""


@pytest.fixture(scope="module")
def reference(real_images):
    folder = real_images / "reference"
    if not (folder / "noiseflow_vectors.npz").is_file():
        pytest.skip("JAXNOISE_DATA holds no reference/noiseflow_vectors.npz")
    return folder


@pytest.fixture(scope="module")
def vectors(reference):
    return dict(np.load(reference / "noiseflow_vectors.npz"))


@pytest.fixture(params=["float32", "float64"])
def precise(request):
    """Both precisions, one after the other; whether it is float64."""
    with jax.enable_x64(request.param == "float64"):
        yield request.param == "float64"


@pytest.fixture
def model(reference, precise):
    config, variables = noise_flow_tf(reference / "checkpoints" / "noiseflow_tf")
    return config, jax.tree.map(lambda leaf: leaf.astype(float), variables)


def inputs(vectors, *cases):
    """Noise, clean, camera and ISO of some cases as one batch, and the latent to generate from."""
    noise, clean, latent = (
        jnp.asarray(np.concatenate([vectors[f"{case}/{name}"] for case in cases]), float)
        for name in ("noise", "clean", "z0")
    )
    camera, iso = (
        jnp.repeat(jnp.array([int(vectors[f"{case}/{name}"]) for case in cases]), 2)
        for name in ("cam", "iso")
    )
    return noise, clean, camera, iso, latent


def test_the_published_model_has_2433_parameters(model):
    config, variables = model
    assert config.arch == "S-Ax4-G-Ax4-CAM"
    assert noiseflow.parameter_count(variables) == 2433


def test_latent_samples_and_likelihood(vectors, model, precise):
    config, variables = model
    noise, clean, camera, iso, start = inputs(vectors, *CASES)
    key = jax.random.key(5)

    @jax.jit
    def outputs(variables):
        conditions = clean, camera, iso
        flow = noiseflow.distribution(variables, config, *conditions)
        latent = flow.distribution.sample(seed=key)
        return {
            "z": flow.bijector.inverse(noise),
            "gen": flow.bijector.forward(start),
            "nll": -noiseflow.log_prob(variables, config, noise, *conditions) / DIMENSIONS,
            "again": flow.bijector.forward(0.6 * latent),
            "sample": noiseflow.sample(key, variables, config, *conditions, temperature=0.6),
        }

    found = outputs(variables)
    expected = {
        name: np.concatenate([vectors[f"{case}/f64/{name}"] for case in CASES])
        for name in ("z", "gen", "nll")
    }
    expected["nll"] = expected["nll"] / DIMENSIONS
    # The published code's own float32 is off by 8.4e-6, 4.4e-7 and 1.3e-6.
    tolerance = dict.fromkeys(expected, 1e-9) if precise else {"z": 5e-5, "gen": 2e-6, "nll": 3e-6}
    for name, atol in tolerance.items():
        np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=atol, err_msg=name)
    np.testing.assert_allclose(found["sample"], found["again"], rtol=0, atol=tolerance["gen"])


def test_training_mode_and_the_moving_averages(vectors, model, precise):
    config, variables = model
    noise, clean, camera, iso, _ = inputs(vectors, TRAINED)
    step = jax.jit(noiseflow.nll_and_update, static_argnums=1)
    nll, updated = step(variables, config, noise, clean, camera, iso)
    expected = vectors[f"{TRAINED}/train_mode/f64/nll"]
    atol = 1e-9 if precise else 3e-6
    np.testing.assert_allclose(nll / DIMENSIONS, expected / DIMENSIONS, rtol=0, atol=atol)
    prefix = f"{TRAINED}/bn_after_one_train_pass/"
    names = {name.removeprefix(prefix) for name in vectors if name.startswith(prefix)}
    for name, moments in spelled(updated["batch_stats"], "bn_nvp").items():
        np.testing.assert_allclose(
            moments, vectors[prefix + name], rtol=1e-9 if precise else 1e-4, atol=1e-6
        )
        names.remove(name)
    assert names == set()


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_gradients(vectors, model, precise, mode):
    config, variables = model
    arguments = inputs(vectors, TRAINED)[:4]

    def loss(params):
        state = {**variables, "params": params}
        if mode == "eval":
            return -noiseflow.log_prob(state, config, *arguments).mean()
        return noiseflow.nll_and_update(state, config, *arguments)[0].mean()

    value, gradient = jax.jit(jax.value_and_grad(loss))(variables["params"])
    prefix = f"{TRAINED}/grad_{mode}/"
    expected = {
        name.removeprefix(prefix): vectors[name] for name in vectors if name.startswith(prefix)
    }
    assert value == pytest.approx(expected.pop("loss"), rel=1e-12 if precise else 2e-6)
    found = spelled(gradient)
    for name in vectors["no_gradient_variables"]:
        assert found.pop(str(name).removesuffix(":0")) == 0
    assert set(found) == set(expected)
    if not precise:
        # Single entries hang on which units' ReLUs let pass what is zero but for rounding.
        ours, theirs = (
            np.concatenate([side[name].ravel() for name in expected]) for side in (found, expected)
        )
        assert np.linalg.norm(ours - theirs) < 1e-4 * np.linalg.norm(theirs)
        return
    largest = max(np.abs(of_one).max() for of_one in expected.values())
    for name, of_one in expected.items():
        # A bias before batch normalisation has no gradient in training mode, only rounding.
        atol = 1e-10 * np.abs(of_one).max() + 1e-14 * largest
        np.testing.assert_allclose(found[name].ravel(), of_one.ravel(), rtol=0, atol=atol)


def spelled(tree, only=""):
    """Parameters or batch statistics under the published code's names, flat."""
    found = {}
    shared = tree.get("signal_gain", {})
    names = {"b1": "beta1", "b2": "beta2", "v": "gain_params", "camera": "cam_params"}
    for ours, value in shared.items():
        found[f"model/sdn_gain/{names.get(ours, ours)}"] = value
    for ours, place in (("unused_signal", 0), ("unused_gain", 5)):
        if shared:
            del found[f"model/sdn_gain/{ours}"]
            found[f"level0/bijector{place}/rescaling_scale0"] = shared[ours]
    for number, place in enumerate(BLOCKS):
        first = 1 + 2 * number + (number > 3)
        conv, coupling = (
            tree.get(f"{first + k:02d}_{kind}", {}) for k, kind in ((0, "conv1x1"), (1, "coupling"))
        )
        name = f"level0/bijector{place}/Conv2d_1x1_{place}/{{}}_matpar_lu_conv2d_1x1_{place}_0"
        for ours, theirs, order in (("lower", "L_vec", LOWER), ("upper", "U_vec", UPPER)):
            if ours in conv:
                found[name.format(theirs)] = conv[ours][np.argsort(order)]
        if conv:
            found[name.format("log_S")] = conv["log_diagonal"]
        scope = "model/real_nvp_conv_template" + (f"_{number}" if number else "")
        for ours, theirs in (("first", "l_1"), ("second", "l_2"), ("last", "l_last")):
            if ours in coupling:
                found[f"{scope}/{theirs}/W"] = coupling[ours]["kernel"]
                found[f"{scope}/{theirs}/b"] = coupling[ours]["bias"]
        for norm, theirs in (("first_norm", "bn_nvp_conv_1"), ("second_norm", "bn_nvp_conv_2")):
            for moment, value in coupling.get(norm, {}).items():
                found[f"{scope}/{theirs}/{moment}"] = value
        if "scale" in coupling:
            found[f"{scope}/l_last/logs"] = coupling["log_factor"]
            found[f"level0/bijector{place}/rescaling_scale0"] = coupling["scale"]
    return {name: np.asarray(value) for name, value in found.items() if only in name}


@pytest.mark.parametrize("case", CASES)
def test_the_camera_noise_level_function_baseline(vectors, case):
    noise, clean = vectors[f"{case}/noise"], vectors[f"{case}/clean"]
    shot, read = vectors[f"{case}/nlf"]
    variables = {
        name: jnp.log(jnp.full((1, 1), value))
        for name, value in (("log_shot", shot), ("log_read", read))
    }
    conditions = jnp.zeros(2, int), jnp.zeros(2)
    got = -nlf.log_prob(
        variables, nlf.Config(), jnp.asarray(noise), jnp.asarray(clean), *conditions
    )
    expected = vectors[f"{case}/nll_nlf_baseline"]
    np.testing.assert_allclose(got / DIMENSIONS, expected / DIMENSIONS, rtol=0, atol=3e-6)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("variant", "name"), [("dropped", "tf"), ("smoothed", "smoothed")])
def test_both_definitions_of_the_kl_divergence(vectors, case, variant, name):
    generated = vectors[f"{case}/f64/gen"].astype(np.float32)
    got = patch_marginal_kl(vectors[f"{case}/noise"], generated, variant=variant)
    np.testing.assert_allclose(got, vectors[f"{case}/kld_{name}"], rtol=1e-9)
