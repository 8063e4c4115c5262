"""A model folder holds the variables of its configuration, or there is a sentence."""

import dataclasses
import json
import time

import jax
import numpy as np
import pytest

from jaxnoise import models
from jaxnoise.errors import DataError
from jaxnoise.io import load_model, save_model
from tests.jaxnoise.io.test_model_folder import edit


def some_fast(cases, *fast):
    """All cases, of which some are quick enough to run while one works."""
    return [pytest.param(case, marks=pytest.mark.fast if case in fast else ()) for case in cases]


FLOW = {"arch": "S-N-W-Q-Ax1-K1-G-CAM", "cameras": ("a", "b"), "isos": (100, 400), "knots": 3}
SMALL = {
    "plain": ("noiseflow", FLOW),
    "normalised": ("noiseflow", FLOW | {"normalisation": "batch_affine", "base": "student_t"}),
    "reference": ("noiseflow", FLOW | {"parameterisation": "reference", "taps": "conditional"}),
    "dncnn": ("denoiser", {"features": 3, "depth": 3}),
    "unet": ("denoiser", {"net": "unet", "features": 3, "share": False}),
}


def made(name, fields):
    """A configuration and fresh variables, zeros of their shapes."""
    model = models.get(name)
    config = model.Config(**fields)
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), config))
    return config, jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)


@pytest.mark.parametrize("kind", SMALL)
def test_shapes_are_those_of_variables_that_are_made(kind):
    name, fields = SMALL[kind]
    config, zeros = made(name, fields)
    fresh = models.get(name).init(jax.random.key(0), config)
    assert jax.tree.structure(fresh) == jax.tree.structure(zeros)
    assert jax.tree.map(np.shape, fresh) == jax.tree.map(np.shape, zeros)
    assert jax.tree.map(lambda x: x.dtype, fresh) == jax.tree.map(lambda x: x.dtype, zeros)


def test_variables_made_inside_jit_are_the_same():
    noiseflow = models.get("noiseflow")
    config = noiseflow.Config(arch="W", cameras=("a",), isos=(100,))
    one, two = (make(jax.random.key(3)) for make in (lambda key: noiseflow.init(key, config),) * 2)
    two = jax.jit(lambda key: noiseflow.init(key, config))(jax.random.key(3))
    for left, right in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True):
        np.testing.assert_allclose(left, right, atol=1e-6)


def without(*path):
    def change(variables):
        node = variables
        for key in path[:-1]:
            node = node[key]
        del node[path[-1]]

    return change


def with_other(shape, *path, dtype=np.float32):
    def change(variables):
        node = variables
        for key in path[:-1]:
            node = node.setdefault(key, {})
        node[path[-1]] = np.zeros(shape, dtype)

    return change


CURVE = ("params", "01_curve")
DISAGREEING = {
    "a layer is missing": (without("params", "02_conv1x1"), {}),
    "a tensor is missing": (without("params", "02_conv1x1", "lower"), {}),
    "a group is missing": (without("constants"), {}),
    "an empty group is missing": (without("batch_stats"), {}),
    "a layer is one too many": (with_other((2,), "params", "09_conv1x1", "lower"), {}),
    "a vector is longer": (with_other((7,), "params", "02_conv1x1", "lower"), {}),
    "a vector would broadcast": (with_other((1,), "params", "02_conv1x1", "lower"), {}),
    "a scalar would broadcast": (with_other((), "params", "02_conv1x1", "upper"), {}),
    "floats are integers": (with_other((6,), "params", "02_conv1x1", "lower", dtype=np.int32), {}),
    "another width": (lambda variables: None, {"width": 5}),
    "other knots": (lambda variables: None, {"knots": 4}),
    "another camera": (lambda variables: None, {"cameras": ("a", "b", "c")}),
    "another ISO number": (lambda variables: None, {"isos": (100, 200, 400)}),
    "another architecture": (lambda variables: None, {"arch": "S-W-Q-Ax1-K1-G-CAM"}),
    "other channels": (lambda variables: None, {"channels": 3}),
    "another normalisation": (lambda variables: None, {"normalisation": "batch"}),
    "another base": (lambda variables: None, {"base": "student_t"}),
}


@pytest.mark.parametrize(
    "what",
    some_fast(DISAGREEING, "a layer is missing", "a scalar would broadcast", "another width"),
)
def test_a_configuration_of_other_variables_is_one_sentence(tmp_path, what):
    change, fields = DISAGREEING[what]
    config, variables = made("noiseflow", FLOW)
    change(variables)
    folder = save_model(
        tmp_path / "model", "noiseflow", dataclasses.replace(config, **fields), variables
    )
    with pytest.raises(DataError, match="does not agree with itself") as caught:
        load_model(folder)
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")


@pytest.mark.parametrize("fields", [{"net": "unet"}, {"depth": 4}, {"features": 6}])
def test_a_denoiser_of_other_variables_is_one_sentence(tmp_path, fields):
    config, variables = made("denoiser", {"features": 3, "depth": 3})
    other = dataclasses.replace(config, **fields)
    with pytest.raises(DataError, match="does not agree with itself"):
        load_model(save_model(tmp_path / "model", "denoiser", other, variables))


@pytest.mark.fast
@pytest.mark.parametrize("function", ["Config", "init"])
def test_full_memory_is_not_called_damage(tmp_path, function, monkeypatch):
    folder = save_model(tmp_path / "model", "noiseflow", *made("noiseflow", FLOW))

    def full(*_, **__):
        raise MemoryError

    monkeypatch.setattr(models.get("noiseflow"), function, full)
    with pytest.raises(MemoryError):
        load_model(folder)


HOSTILE = [
    ("noiseflow", {"arch": "-".join(["W"] * 100_000)}),
    ("noiseflow", {"arch": "-".join(["Q"] * 12)}),
    ("noiseflow", {"arch": "Q12"}),
    ("noiseflow", {"arch": "Ax" + "9" * 5000}),
    ("noiseflow", {"arch": "-".join(["Ax99"] * 50)}),
    ("noiseflow", {"arch": 5}),
    ("noiseflow", {"arch": None}),
    ("noiseflow", {"width": 10**9}),
    ("noiseflow", {"width": 4.5}),
    ("noiseflow", {"width": "4"}),
    ("noiseflow", {"knots": 10**12}),
    ("noiseflow", {"channels": 10**6}),
    ("noiseflow", {"cameras": 7}),
    ("noiseflow", {"cameras": [["a"], {"b": 1}]}),
    ("noiseflow", {"cameras": [1, 2]}),
    ("noiseflow", {"isos": ["100"]}),
    ("noiseflow", {"taps": ["shared"]}),
    ("denoiser", {"depth": 10**9}),
    ("denoiser", {"features": 10**9}),
    ("denoiser", {"net": {}}),
    ("denoiser", {"share": {}}),
    ("denoiser", {"share": "yes", "net": "unet", "features": 10**30}),
    ("noise2noiseflow", {"denoiser_name": "noise2noiseflow", "denoiser": {}}),
    ("noise2noiseflow", {"noise_model": {"arch": "-".join(["W"] * 100_000)}}),
    ("noise2noiseflow", {"noise_model": 3, "denoiser": [1]}),
]


@pytest.mark.parametrize("number", some_fast(range(len(HOSTILE)), 0, 7, 17))
def test_a_hostile_configuration_is_one_short_sentence_at_once(tmp_path, number):
    name, fields = HOSTILE[number]
    config, variables = made("noiseflow", FLOW)
    folder = save_model(tmp_path / "model", "noiseflow", config, variables)
    edit(folder, lambda description: description.update(name=name, config=fields))
    assert json.loads((folder / "config.json").read_text())["name"] == name
    start = time.monotonic()
    with pytest.raises(DataError) as caught:
        load_model(folder)
    said = str(caught.value)
    assert "\n" not in said and said.endswith(".") and len(said) < 1500
    assert time.monotonic() - start < 10
