"""Model folders that training begins from: what is taken, and what is refused in one sentence."""

import dataclasses
import json
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnoise import models
from jaxnoise.errors import DataError, UsageError
from jaxnoise.io import save_model
from train.steps.model_folders import digest, digest_of_start, start_of

DATA = SimpleNamespace(name="bursts", channels=4)


@pytest.fixture(scope="module")
def settings():
    return models.get("denoiser").Config(features=4, depth=3)


@pytest.fixture
def saved(tmp_path):
    """A function that saves fresh variables of a model, changed by another function."""

    def save(name, config, seed=5, change=lambda variables: variables):
        variables = change(models.get(name).init(jax.random.key(seed), config))
        return save_model(tmp_path / f"{name}-{seed}", name, config, variables), variables

    return save


def assert_equal(found, expected):
    jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_a_denoiser_gives_its_variables(saved, settings):
    folder, variables = saved("denoiser", settings)
    assert_equal(start_of(folder, settings, data=DATA), variables)
    assert start_of(None, settings, data=DATA) is None


def test_a_model_that_a_denoiser_is_a_part_of_gives_those_of_that_part(saved, settings):
    config = models.get("noise2noiseflow").Config(
        noise_model={"arch": "S-G", "cameras": ("one",)}, denoiser=settings
    )
    folder, variables = saved("noise2noiseflow", config)
    assert_equal(start_of(folder, settings, data=DATA), variables["denoiser"])


def test_halves_are_trained_as_whole_floats(saved, settings):
    def halve(variables):
        return jax.tree.map(lambda leaf: leaf.astype(jnp.float16), variables)

    folder, variables = saved("denoiser", settings, change=halve)
    found = start_of(folder, settings, data=DATA)
    assert {leaf.dtype for leaf in jax.tree.leaves(found)} == {jnp.dtype("float32")}
    assert_equal(found, variables)


def test_a_model_without_a_denoiser_is_refused(saved, settings):
    folder, _ = saved("noiseflow", models.get("noiseflow").Config(arch="S-G", cameras=("one",)))
    with pytest.raises(UsageError, match="holds a noiseflow, and .* denoiser or a noise2noiseflow"):
        start_of(folder, settings, data=DATA)


def test_all_but_the_last_layer_of_a_denoiser_is_none(saved, settings):
    config = models.get("rcl").Config(task="jdd", denoiser={"features": 4, "depth": 3})
    folder, _ = saved("rcl", config)
    with pytest.raises(UsageError, match="holds a rcl, and .* denoiser or a noise2noiseflow"):
        start_of(folder, settings, data=DATA)


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"depth": 4}, "whose depth is 3, and 4 is asked for"),
        ({"features": 5}, "whose features is 4, and 5 is asked for"),
        ({"normalisation": "none"}, "whose normalisation is batch, and none is asked for"),
        ({"net": "unet", "features": 6}, "whose net is dncnn, and unet is asked for"),
        ({"channels": 3}, "for 4 channels, and bursts has 3"),
    ],
)
def test_another_configuration_is_refused_by_the_name_of_the_field(other, says, saved, settings):
    folder, _ = saved("denoiser", settings)
    with pytest.raises(UsageError, match=says) as raised:
        start_of(folder, dataclasses.replace(settings, **other), data=DATA)
    assert str(raised.value).count(". ") == 0


def test_missing_and_damaged_folders_are_refused(saved, settings, tmp_path):
    with pytest.raises(DataError, match="nowhere is not a folder"):
        start_of(tmp_path / "nowhere", settings, data=DATA)
    folder, _ = saved("denoiser", settings)
    tensors = folder / "model.safetensors"
    content = bytearray(tensors.read_bytes())
    content[-3] ^= 1
    tensors.write_bytes(content)
    with pytest.raises(DataError, match="damaged"):
        start_of(folder, settings, data=DATA)


def test_the_digest_tells_weights_apart_and_not_places(saved, settings, tmp_path):
    folder, _ = saved("denoiser", settings)
    other, _ = saved("denoiser", settings, seed=6)
    assert digest_of_start(None, settings, data=DATA) == ""
    found = digest_of_start(folder, settings, data=DATA)
    assert found == f"start {digest(folder)}" != digest_of_start(other, settings, data=DATA)
    assert "tensors" in json.loads((folder / "config.json").read_text())
    assert digest_of_start(folder.rename(tmp_path / "moved"), settings, data=DATA) == found
