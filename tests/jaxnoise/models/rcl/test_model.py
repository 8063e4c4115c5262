"""Networks for tasks: the last convolution written out, sizes, statistics, any height and width."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxnoise
from jaxnoise.errors import UsageError
from jaxnoise.io import save_model
from jaxnoise.models import denoiser, rcl
from jaxnoise.models.rcl.model import depth_to_space
from jaxnoise.tasks import TASKS
from tests.jaxnoise.nets.reference import convolve

KEY = jax.random.key(0)
OTHERS = [name for name in TASKS if name != "denoise"]
NETS = {
    "unet": {"net": "unet", "features": 3},
    "dncnn": {"features": 4, "depth": 3},
    "dncnn by blocks": {"features": 48, "depth": 3},
    "dncnn without": {"features": 4, "depth": 3, "normalisation": "none"},
}


def moved(variables):
    """Away from their first values; variances stay positive."""
    random = np.random.default_rng(1)
    return jax.tree.map(
        lambda leaf: leaf + random.uniform(0.01, 0.1, leaf.shape).astype(np.float32), variables
    )


def assert_close(found, expected):
    """To the rounding of sums of some hundred terms in single precision, next to the largest."""
    rounding = 50 * np.finfo(np.float32).eps * np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=rounding)


def images(channels, *sides):
    random = np.random.default_rng(2)
    return jnp.asarray(random.uniform(size=(2, *sides, channels)).astype(np.float32))


@pytest.mark.parametrize("net", NETS)
def test_the_denoiser_is_its_last_layer_on_the_features(net):
    config = denoiser.Config(channels=3, **NETS[net])
    variables = moved(denoiser.init(KEY, config))
    last = denoiser.last_layer(config)
    backbone = rcl.backbone_of("denoiser", config, variables)[1]
    assert last not in backbone["params"]
    noisy = images(3, 12, 16)
    for train in (False, True):
        seen, updated = denoiser.features(backbone, config, noisy, train=train)
        assert seen.shape[-1] == config.last_width
        made = convolve(np.float64(seen), **jax.tree.map(np.float64, variables["params"][last]))
        made = np.maximum(made, 0.1 * made) if config.net == "unet" else -made
        if not train:
            expected = denoiser.denoise(variables, config, noisy)
        else:
            expected, whole = denoiser.denoise_and_update(variables, config, noisy)
            jax.tree.map(
                np.testing.assert_array_equal, updated["batch_stats"], whole["batch_stats"]
            )
        found = made[:, :12, :16] + (0 if config.net == "unet" else np.float64(noisy))
        assert_close(found, expected)


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("net", ["unet", "dncnn"])
def test_against_the_last_convolution_written_out(name, net):
    task = TASKS[name]
    config = rcl.Config(task=name, denoiser=NETS[net])
    assert (config.denoiser.channels, config.factor) == (task.channels, task.factor)
    variables = moved(rcl.init(KEY, config))
    degraded = images(task.channels, 6, 10)  # no sides that a U-Net takes
    backbone = rcl.backbone_of("rcl", config, variables)[1]
    seen, _ = denoiser.features(backbone, config.denoiser, degraded)
    made = convolve(np.float64(seen), **jax.tree.map(np.float64, variables["params"]["head"]))
    factor = task.factor
    expected = np.zeros((2, 6 * factor, 10 * factor, 3))
    for row in range(factor):
        for column in range(factor):
            first = 3 * (factor * row + column)
            of_place = made[:, :6, :10, first : first + 3]
            expected[:, row::factor, column::factor] = of_place
    found = rcl.restore(variables, config, degraded)
    assert_close(found, expected)


@pytest.mark.fast
def test_what_lies_in_channels_comes_beside_each_other():
    values = jnp.arange(2 * 3 * 12.0).reshape(1, 2, 3, 12)
    image = depth_to_space(values, 2)
    assert image.shape == (1, 4, 6, 3)
    np.testing.assert_array_equal(image[0, 0, 0], [0, 1, 2])
    np.testing.assert_array_equal(image[0, 0, 1], [3, 4, 5])
    np.testing.assert_array_equal(image[0, 1, 0], [6, 7, 8])
    np.testing.assert_array_equal(image[0, 2, 5], values[0, 1, 2, 3:6])


def test_training_takes_the_statistics_of_the_batch():
    config = rcl.Config(task="sr", denoiser=NETS["dncnn"])
    variables = moved(rcl.init(KEY, config))
    degraded = images(3, 8, 8)
    estimate, updated = rcl.restore_and_update(variables, config, degraded)
    assert np.abs(estimate - rcl.restore(variables, config, degraded)).max() > 1e-3
    assert updated["params"] is variables["params"]
    old, new = (tree["batch_stats"]["norm_1"]["mean"] for tree in (variables, updated))
    assert np.abs(old - new).max() > 1e-4
    # By what it remembers in full, evaluation gives what training gave.
    run = updated["batch_stats"]["norm_1"]
    was = variables["batch_stats"]["norm_1"]
    own = {part: (run[part] - 0.9 * was[part]) / 0.1 for part in run}
    again = rcl.restore({**updated, "batch_stats": {"norm_1": own}}, config, degraded)
    np.testing.assert_allclose(again, estimate, rtol=1e-3, atol=1e-4)


def test_the_head_starts_at_the_scale_of_he_and_learns():
    config = rcl.Config(task="jdd", denoiser={"net": "unet", "features": 24})
    variables = rcl.init(KEY, config)
    head = variables["params"]["head"]
    assert head["kernel"].shape == (3, 3, 16, 12) and not head["bias"].any()
    spread = (2 / (9 * 16)) ** 0.5
    assert abs(head["kernel"].std() / spread - 1) < 5 / np.sqrt(2 * head["kernel"].size)
    other = rcl.init(jax.random.key(1), config)["params"]["head"]["kernel"]
    assert np.abs(other - head["kernel"]).max() > 0.1
    leaves = jax.tree.leaves(variables["params"])
    assert rcl.parameter_count(variables) == sum(leaf.size for leaf in leaves)

    def loss(params):
        return (rcl.restore({**variables, "params": params}, config, images(4, 8, 8)) ** 2).mean()

    slope = jax.grad(loss)(variables["params"])
    assert all(np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(slope["head"]))
    assert np.abs(slope["backbone"]["first_0"]["kernel"]).max() > 0


@pytest.mark.parametrize("net", ["unet", "dncnn"])
def test_it_comes_back_from_a_folder(tmp_path, net):
    config = rcl.Config(task="jddsr", denoiser=NETS[net])
    variables = moved(rcl.init(KEY, config))
    save_model(tmp_path / "model", "rcl", config, variables)
    loaded = jaxnoise.load(tmp_path / "model")
    assert (loaded.name, loaded.config) == ("rcl", config)
    degraded = images(4, 8, 6)
    expected = rcl.restore(variables, config, degraded)
    assert_close(loaded.restore(np.asarray(degraded)), expected)
    single = loaded.restore(np.asarray(degraded[0], np.float64))
    assert single.shape == (32, 24, 3)
    assert_close(single, expected[0])
    with pytest.raises(UsageError, match="this model is a rcl, which restores .* no denoise"):
        loaded.denoise(degraded)


@pytest.mark.fast
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"task": "denoise"}, "use the denoiser model"),
        ({"task": "deblur"}, "task is 'deblur': use denoise, sr"),
        ({"denoiser": {"net": "resnet"}}, "net is 'resnet'"),
        ({"denoiser": {"layers": 3}}, "denoiser has no field 'layers': use channels"),
        ({"denoiser": {"channels": 3}}, "for 3 channels, and jdd has 4"),
        ({"denoiser": denoiser.Config(channels=4), "task": "sr"}, "for 4 channels, and sr has 3"),
        ({"denoiser": 3}, "denoiser is a int: give the Config of denoiser"),
        ({"denoiser_name": "noiseflow", "denoiser": {"arch": "S"}}, "noiseflow"),
    ],
)
def test_what_does_not_fit_is_refused(options, sentence):
    with pytest.raises(UsageError, match=sentence):
        rcl.init(KEY, rcl.Config(**options))
