"""What a denoiser is made of, and the estimate of a batch in both modes."""

import dataclasses
import hashlib
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnoise.errors import UsageError
from jaxnoise.io import load_model, save_model
from jaxnoise.models import denoiser
from jaxnoise.nets.dncnn import LAST_GAIN


def noisy_images(config, size=(12, 10)):
    return jax.random.uniform(jax.random.key(5), (2, *size, config.channels))


@pytest.mark.parametrize(
    ("config", "parameters"),
    [
        # DnCNN: 3x3 kernels, a bias in the first layer, scale and bias of each normalisation.
        (denoiser.Config(), 9 * (4 * 64 + 7 * 64 * 64 + 64 * 4) + 64 + 7 * 2 * 64),
        (denoiser.Config(channels=3, features=5, depth=2), 9 * (3 * 5 + 5 * 3) + 5),
        # Without normalisation each hidden layer has a bias.
        (
            denoiser.Config(normalisation="none"),
            9 * (4 * 64 + 7 * 64 * 64 + 64 * 4) + 8 * 64,
        ),
        (denoiser.Config(net="unet"), 701_908),  # Noise2NoiseFlow, Section 4.3
        # Noise2Noise's own network has a module for each level: three more on the way down, and
        # on the way up two more of two convolutions and an upsampling (96 + 48 -> 96 features).
        (
            denoiser.Config(net="unet", share=False),
            701_908 + 3 * (9 * 48 * 48 + 48) + 2 * (9 * 96 * (144 + 96 + 96) + 3 * 96),
        ),
    ],
)
def test_parameters_of_the_published_sizes(config, parameters):
    shapes = jax.eval_shape(lambda key: denoiser.init(key, config), jax.random.key(0))
    assert set(shapes) == {"params", "batch_stats"}
    normalises = config.net == "dncnn" and config.normalisation == "batch"
    assert len(shapes["batch_stats"]) == (config.depth - 2 if normalises else 0)
    assert sum(np.prod(leaf.shape) for leaf in jax.tree.leaves(shapes["params"])) == parameters


def test_a_fresh_dncnn_leaves_the_image_nearly_as_it_is():
    config = denoiser.Config(channels=3, features=8, depth=5)
    variables = denoiser.init(jax.random.key(0), config)
    assert denoiser.parameter_count(variables) == 9 * (24 + 3 * 64 + 24) + 8 + 3 * 16
    noisy = noisy_images(config)
    estimate = denoiser.denoise(variables, config, noisy)
    # An orthogonal kernel makes no vector longer, and that of 3x3 pixels is at most three times as
    # long as that of one; each of three normalisations scales by at most 0.025.
    assert 0 < jnp.abs(estimate - noisy).max() < 3**0.5 * 3**5 * 0.025**3


@pytest.mark.parametrize("size", [(32, 32), (33, 20), (5, 1)])
def test_a_unet_sees_the_mirror_image_beyond_odd_sides(size, configs, positive):
    config = configs["unet"]
    variables, noisy = positive(config), noisy_images(config, size)
    rows, columns = (mirror(side) for side in size)
    by_hand = np.asarray(noisy)[:, rows][:, :, columns]
    denoise = jax.jit(denoiser.denoise, static_argnames="config")
    expected = denoise(variables, config, by_hand)[:, : size[0], : size[1]]
    estimate = denoise(variables, config, noisy)
    assert estimate.shape == noisy.shape
    np.testing.assert_allclose(estimate, expected, rtol=1e-5)


def mirror(side):
    """Places to read until 32 divides their number: 0 1 2 2 1 0 0 1 2 ... for three."""
    there_and_back = [*range(side), *reversed(range(side))]
    return [there_and_back[place % (2 * side)] for place in range(-(-side // 32) * 32)]


def test_training_mode_normalises_by_the_batch_and_moves_the_statistics(configs):
    config = configs["dncnn"]
    variables = denoiser.init(jax.random.key(0), config)
    noisy = noisy_images(config)
    estimate, updated = denoiser.denoise_and_update(variables, config, noisy)
    assert estimate.shape == noisy.shape
    hidden = jax.nn.relu(convolved(noisy, variables["params"]["conv_0"]["kernel"]))
    values = convolved(hidden, variables["params"]["conv_1"]["kernel"])
    statistics = updated["batch_stats"]["norm_1"]
    np.testing.assert_allclose(statistics["mean"], 0.1 * values.mean((0, 1, 2)), rtol=1e-5)
    expected = 0.9 + 0.1 * values.var((0, 1, 2))
    np.testing.assert_allclose(statistics["var"], expected, rtol=1e-5)
    same = jax.tree.map(lambda a, b: bool((a == b).all()), variables, updated)
    assert jax.tree.all(same["params"]) and not any(jax.tree.leaves(same["batch_stats"]))
    # With the statistics of this batch in place of the running ones, both modes agree.
    blank = {**variables, "batch_stats": jax.tree.map(jnp.zeros_like, variables["batch_stats"])}
    _, moved = denoiser.denoise_and_update(blank, config, noisy)
    own = jax.tree.map(lambda mean: mean / 0.1, moved["batch_stats"])
    evaluated = denoiser.denoise({**variables, "batch_stats": own}, config, noisy)
    np.testing.assert_allclose(evaluated, estimate, rtol=0, atol=1e-5)


def convolved(images, kernel):
    """A 3x3 convolution, as nine shifted products; the biases of fresh layers are zero."""
    height, width = images.shape[1:3]
    padded = jnp.pad(images, [(0, 0), (1, 1), (1, 1), (0, 0)])
    products = [
        padded[:, row : row + height, column : column + width] @ kernel[row, column]
        for row in range(3)
        for column in range(3)
    ]
    return jnp.stack(products).sum(0)


def test_a_unet_has_no_statistics_to_move(configs, positive):
    config = configs["unet"]
    variables, noisy = positive(config), noisy_images(config)
    estimate, updated = denoiser.denoise_and_update(variables, config, noisy)
    assert updated["batch_stats"] == {} and set(updated) == {"params", "batch_stats"}
    np.testing.assert_array_equal(estimate, denoiser.denoise(variables, config, noisy))


def test_a_fresh_dncnn_without_normalisation_leaves_the_image_nearly_as_it_is():
    config = denoiser.Config(channels=4, features=24, depth=7, normalisation="none")
    variables = denoiser.init(jax.random.key(0), config)
    noisy = noisy_images(config, (32, 32))
    removed = denoiser.denoise(variables, config, noisy) - noisy
    # Layers keep the size of the image in the mean, and the last one makes it smaller by its gain;
    # a depth of 7 and its few features make that uncertain by a factor, for which 3 is ample.
    size = float(jnp.sqrt(jnp.mean(removed**2) / jnp.mean(noisy**2)))
    assert 0 < size < 3 * LAST_GAIN


def test_without_normalisation_both_modes_are_one_and_nothing_moves(configs):
    config = dataclasses.replace(configs["dncnn"], normalisation="none")
    variables, noisy = denoiser.init(jax.random.key(0), config), noisy_images(config)
    estimate, updated = denoiser.denoise_and_update(variables, config, noisy)
    assert updated["batch_stats"] == {} and set(updated) == {"params", "batch_stats"}
    evaluated = denoiser.denoise(variables, config, noisy)
    np.testing.assert_allclose(estimate, evaluated, rtol=0, atol=1e-6)


def test_a_folder_written_before_there_was_a_choice_is_of_the_published_network(configs, tmp_path):
    config = configs["dncnn"]
    variables = denoiser.init(jax.random.key(0), config)
    path = save_model(tmp_path / "model", "denoiser", config, variables) / "config.json"
    description = json.loads(path.read_text())
    assert description["config"].pop("normalisation") == "batch"
    del description["sha256"]
    text = json.dumps(description, sort_keys=True, separators=(",", ":"))
    described = hashlib.sha256(text.encode()).hexdigest()
    path.write_text(json.dumps({**description, "sha256": described}))
    name, read, read_variables = load_model(tmp_path / "model")
    assert (name, read) == ("denoiser", config)
    jax.tree.map(np.testing.assert_array_equal, read_variables, variables)


@pytest.mark.parametrize("normalisation", ["batch", "none"])
def test_a_model_folder_keeps_the_normalisation(normalisation, configs, tmp_path):
    config = dataclasses.replace(configs["dncnn"], normalisation=normalisation)
    variables = denoiser.init(jax.random.key(0), config)
    save_model(tmp_path / "model", "denoiser", config, variables)
    read = load_model(tmp_path / "model")
    assert read.config == config
    assert jax.tree.structure(read.variables) == jax.tree.structure(variables)


@pytest.mark.fast
def test_features_are_those_of_the_published_sizes_unless_stated():
    assert denoiser.Config().width == 64
    assert denoiser.Config(net="unet").width == 48
    assert denoiser.Config(features=5).width == 5


@pytest.mark.fast
@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"net": "gan"}, "net is 'gan': use dncnn or unet"),
        ({"normalisation": "group"}, "normalisation is 'group': use batch or none"),
        ({"channels": 0}, "channels is 0: use a whole number, 1 to"),
        ({"features": 0}, "features is 0: use a whole number, 1 to"),
        ({"depth": 1}, "depth is 1: use a whole number, 2 to"),
        ({"net": "unet", "features": 8}, "must divide by 3"),
    ],
)
def test_what_a_config_refuses(fields, says):
    with pytest.raises(UsageError, match=says):
        denoiser.Config(**fields)
