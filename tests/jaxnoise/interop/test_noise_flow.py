"""Checkpoints in the layout of Noise Flow's published code, with random numbers in them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnoise.errors import DataError
from jaxnoise.interop import noise_flow_tf
from jaxnoise.models import noiseflow

OURS = {
    "sdn5|unc|unc|unc|unc|gain4|unc|unc|unc|unc": ("S-Ax4-G-Ax4-CAM", 2433),
    "sdn5|unc|gain4|unc": ("S-Ax1-G-Ax1-CAM", 627),
    "sdn5|gain4": ("S-G-CAM", 25),
    "sdn4|gain4": ("S-G", 10),
    "unc|unc|unc|unc": ("Ax4", 1204),
    "sdn4|unc|unc|gain4": ("S-Ax2-G", 612),
}
SMALL = "sdn5|unc|gain4|unc"


@pytest.fixture
def small(bundle, published, tmp_path):
    """Tensors of a small architecture, and a function that makes a checkpoint of them."""
    tensors = published.random_tensors(SMALL)
    return tensors, lambda **changed: bundle.write(tmp_path / "m", {**tensors, **changed})


def refused(path, match):
    with pytest.raises(DataError, match=match) as caught:
        noise_flow_tf(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("arch", OURS)
def test_architectures_are_found_out_from_names(bundle, published, tmp_path, arch):
    path = bundle.write(tmp_path / "model.ckpt.best", published.random_tensors(arch))
    config, variables = noise_flow_tf(path)
    assert (config.arch, noiseflow.parameter_count(variables)) == OURS[arch]
    fresh = noiseflow.init(jax.random.key(0), config)
    assert jax.tree.structure(variables) == jax.tree.structure(fresh)
    for read, expected in zip(jax.tree.leaves(variables), jax.tree.leaves(fresh), strict=True):
        assert (read.shape, read.dtype) == (expected.shape, expected.dtype)


@pytest.mark.parametrize(
    ("arch", "width"), [(SMALL, 4), ("sdn4|unc|unc|gain4", 6), ("unc|unc", 4), ("sdn5|gain4", 4)]
)
def test_density_is_that_of_the_published_code(bundle, published, tmp_path, float64, arch, width):
    tensors = published.random_tensors(arch, seed=3, width=width)
    # What training keeps beside the model is left out; 64-bit checkpoints stay 64-bit.
    kept = {f"{name}/Adam{end}": value for name, value in tensors.items() for end in ("", "_1")}
    kept |= {"global_step": np.int64(7), "beta1_power": np.float32(0.9)}
    stored = {name: value.astype(np.float64) for name, value in tensors.items()}
    config, variables = noise_flow_tf(bundle.write(tmp_path / "m", {**stored, **kept}))
    random = np.random.default_rng(1)
    clean, noise = random.uniform(size=(2, 24, 40, 4)), 0.02 * random.normal(size=(2, 24, 40, 4))
    camera, iso = jnp.array([4, 4]), jnp.array([1600, 1600])
    conditions = jnp.asarray(clean), camera, iso
    flow = noiseflow.distribution(variables, config, *conditions)
    latent = jax.jit(flow.bijector.inverse)(jnp.asarray(noise))
    expected, log_det = published.normalise(tensors, arch, noise, clean, 4, 1600)
    np.testing.assert_allclose(latent, expected, atol=1e-11)
    back = jax.jit(flow.bijector.forward)(jnp.asarray(expected))
    np.testing.assert_allclose(back, noise, atol=1e-12)
    nll = -noiseflow.log_prob(variables, config, jnp.asarray(noise), *conditions)
    np.testing.assert_allclose(nll, published.nll(expected, log_det), rtol=1e-11)


def test_a_path_without_a_checkpoint_is_refused(tmp_path):
    refused(tmp_path / "model.ckpt", "is no TensorFlow checkpoint: give the folder")


def test_another_model_is_refused(bundle, tmp_path):
    path = bundle.write(tmp_path / "m", {"dense/kernel": np.zeros((2, 2), np.float32)})
    refused(path, "does not hold the variables of Noise Flow")


def test_a_missing_or_further_tensor_is_named(bundle, small):
    tensors, write = small
    name = "model/real_nvp_conv_template_1/l_2/W"
    refused(write(**{"model/other": np.zeros(3, np.float32)}), "has model/other: only models of")
    path = write()
    bundle.write(path, {key: value for key, value in tensors.items() if key != name})
    refused(path, f"lacks {name}")


@pytest.mark.parametrize("places", [(0,), (2,), (0, 2, 4)])
def test_one_or_three_conditional_layers_are_refused(bundle, small, tmp_path, places):
    scales = {f"level0/bijector{place}/rescaling_scale0": np.float32(1) for place in places}
    most = max((3, *places)) + 1
    blocks = {
        f"level0/bijector{place}/Conv2d_1x1_{place}/x": np.float32(0)
        for place in range(most)
        if place not in places
    }
    refused(
        bundle.write(tmp_path / "n", {**scales, **blocks}),
        f"has {len(places)} signal-dependent or gain layers",
    )


def test_a_gap_between_the_layers_is_refused(bundle, tmp_path):
    scales = {f"level0/bijector{place}/rescaling_scale0": np.float32(1) for place in (0, 2)}
    refused(bundle.write(tmp_path / "m", scales), "does not hold the variables of Noise Flow")


def test_notes_of_the_training_must_agree(small):
    path = small[1]()
    notes = path.with_name("hps.txt")
    notes.write_text(f"width,4\narch,{SMALL}\nlr,1e-4\n")
    assert noise_flow_tf(path)[0].arch == "S-Ax1-G-Ax1-CAM"
    notes.write_text("width,4\narch,gain4|unc|sdn5|unc\n")
    refused(path, "calls the architecture 'gain4|unc|sdn5|unc'")
    notes.write_text("no architecture here\n")
    assert noise_flow_tf(path)[0].width == 4


WRONG = {
    "a flat kernel": ("real_nvp_conv_template/l_1/W", np.zeros((3, 3, 2), np.float32)),
    "another width": ("real_nvp_conv_template/l_2/W", np.zeros((1, 1, 5, 5), np.float32)),
    "integers": ("sdn_gain/gain_params", np.zeros(5, np.int32)),
    "more cameras": ("sdn_gain/cam_params", np.zeros((3, 6), np.float32)),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_shapes_and_types_are_refused(small, case):
    name, value = WRONG[case]
    refused(small[1](**{f"model/{name}": value}), "has shape|has layers of shape")


@pytest.mark.parametrize("value", [np.zeros(0, np.float32), np.zeros((4, 999), np.float32)])
def test_no_architecture_has_such_sizes(small, value):
    name = "level0/bijector1/Conv2d_1x1_1/P_matpar_lu_conv2d_1x1_1_0"
    refused(small[1](**{name: value}), "has layers of shape")


IMPOSSIBLE = {
    "level0/bijector1/Conv2d_1x1_1/P_matpar_lu_conv2d_1x1_1_0": np.ones((4, 4)) / 4,
    "level0/bijector3/Conv2d_1x1_3/P_matpar_lu_conv2d_1x1_3_0": np.eye(4)[[0, 1, 2, 2]],
    "level0/bijector1/Conv2d_1x1_1/sign_S_matpar_lu_conv2d_1x1_1_0": np.array([1, 0, 1, 1]),
    "model/real_nvp_conv_template/bn_nvp_conv_2/var": np.array([1, 1, -1e-3, 1]),
    "model/sdn_gain/gain_val": np.array([0.0]),
    "model/sdn_gain/beta1": np.array([np.nan]),
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_numbers_that_cannot_be_are_refused(small, name):
    refused(small[1](**{name: IMPOSSIBLE[name].astype(np.float32)}), "holds values that it cannot")


def test_damage_is_refused_or_changes_nothing(small):
    path = small[1]()
    _, before = noise_flow_tf(path)
    files = sorted(path.parent.glob("m.*"))
    random = np.random.default_rng(0)
    for _ in range(60):
        file = files[random.integers(len(files))]
        content = file.read_bytes()
        damaged = bytearray(content)
        damaged[random.integers(len(content))] ^= 1 << random.integers(8)
        file.write_bytes(damaged)
        refused(path, "copy the checkpoint again|missing")
        file.write_bytes(content)
    _, after = noise_flow_tf(path)
    assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), before, after))
