"""Model folders come back bit for bit, or with a sentence about what is wrong."""

import hashlib
import json
import shutil

import jax
import numpy as np
import pytest

from jaxnoise import models
from jaxnoise.errors import DataError, UsageError
from jaxnoise.io import load_model, save_model


@pytest.fixture(scope="module")
def example():
    noiseflow = models.get("noiseflow")
    config = noiseflow.Config(arch="N-W-Ax1-K1", cameras=("a", "b"), isos=(100, 400))
    variables = jax.tree.map(np.asarray, noiseflow.init(jax.random.key(0), config))
    variables["constants"]["odd"] = {
        "empty": {},
        "none": np.zeros((0, 2), np.float32),
        "bits": np.float32([np.nan, -0.0, np.inf]),
        "flags": np.array([True, False]),
        "columns": np.asfortranarray(np.arange(6, dtype=np.int32).reshape(2, 3)),
    }
    return config, variables


@pytest.fixture
def folder(tmp_path, example):
    return save_model(tmp_path / "model", "noiseflow", *example)


@pytest.mark.fast
def test_everything_comes_back(folder, example):
    config, variables = example
    loaded = load_model(folder)
    assert loaded.name == "noiseflow"
    assert loaded.config == config
    assert jax.tree.structure(loaded.variables) == jax.tree.structure(variables)
    for back, saved in zip(
        jax.tree.leaves(loaded.variables), jax.tree.leaves(variables), strict=True
    ):
        assert (back.dtype, back.shape) == (saved.dtype, saved.shape)
        assert np.asarray(back).tobytes() == saved.tobytes()


def test_a_loaded_model_states_the_same_density(folder, example):
    noiseflow, (config, variables) = models.get("noiseflow"), example
    noise, clean = (jax.random.uniform(jax.random.key(k), (2, 4, 4, 4)) for k in (1, 2))
    conditions = jax.numpy.array([0, 1]), jax.numpy.array([100.0, 400.0])
    loaded = load_model(folder)
    one, two = (
        noiseflow.log_prob(
            jax.tree.map(jax.numpy.asarray, found), config, noise, clean, *conditions
        )
        for found in (variables, loaded.variables)
    )
    np.testing.assert_array_equal(one, two)


@pytest.mark.fast
def test_an_older_model_is_replaced_and_nothing_is_left_over(folder, example):
    config, variables = example
    (folder.parent / ".model.writing-old").mkdir()
    doubled = jax.tree.map(lambda leaf: leaf if leaf.dtype == bool else leaf * 2, variables)
    save_model(folder, "noiseflow", config, doubled)
    back = load_model(folder).variables["constants"]["odd"]["columns"]
    np.testing.assert_array_equal(back, doubled["constants"]["odd"]["columns"])
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


@pytest.mark.fast
def test_other_files_are_not_overwritten(folder, example):
    (folder / "thesis.txt").write_text("precious")
    with pytest.raises(UsageError, match="holds something else"):
        save_model(folder, "noiseflow", *example)
    assert (folder / "thesis.txt").read_text() == "precious"


@pytest.mark.fast
@pytest.mark.parametrize(
    "variables", [{"a/b": np.zeros(1)}, {1: np.zeros(1)}, {"a": object()}, {"a": "text"}]
)
def test_what_a_folder_cannot_hold_is_refused(tmp_path, example, variables):
    with pytest.raises(UsageError):
        save_model(tmp_path / "model", "noiseflow", example[0], variables)
    assert not (tmp_path / "model").exists()


@pytest.mark.fast
def test_every_damaged_byte_of_the_tensors_is_noticed(folder):
    path = folder / "model.safetensors"
    content = path.read_bytes()
    for place in range(0, len(content), max(1, len(content) // 60)):
        damaged = bytearray(content)
        damaged[place] ^= 4
        path.write_bytes(damaged)
        with pytest.raises(DataError) as caught:
            load_model(folder)
        assert "\n" not in str(caught.value)


@pytest.mark.fast
def test_every_flipped_bit_of_the_configuration_is_noticed(folder):
    path = folder / "config.json"
    content = path.read_bytes()
    end = content.index(b'"tensors"')
    assert b'"isos"' in content[:end]
    for place in range(end):
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        with pytest.raises(DataError) as caught:
            load_model(folder)
        assert "\n" not in str(caught.value)


@pytest.mark.fast
def test_the_layout_of_the_configuration_does_not_count(folder, example):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()), indent=3, sort_keys=True))
    assert load_model(folder).config == example[0]


def edit(folder, change):
    """A change by someone who knows the format, checksum included."""
    path = folder / "config.json"
    description = json.loads(path.read_text())
    change(description)
    description.pop("sha256", None)
    text = json.dumps(description, sort_keys=True, separators=(",", ":"))
    described = hashlib.sha256(text.encode()).hexdigest()
    path.write_text(json.dumps({**description, "sha256": described}))


@pytest.mark.fast
@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (shutil.rmtree, "is not a folder"),
        (lambda folder: (folder / "config.json").unlink(), "config.json is missing"),
        (lambda folder: (folder / "model.safetensors").unlink(), "model.safetensors is missing"),
        (lambda folder: (folder / "config.json").write_text("{"), "cannot be read"),
        (lambda folder: (folder / "config.json").write_bytes(b"\xff\xfe{"), "cannot be read"),
        (lambda folder: (folder / "config.json").write_text("[]"), "not in format 1"),
        (lambda folder: (folder / "config.json").write_text("[" * 10**5), "cannot be read"),
        (lambda folder: (folder / "config.json").write_bytes(bytes(2**24 + 1)), "too large"),
        (lambda folder: edit(folder, lambda d: d.update(format=2)), "not in format 1"),
        (lambda folder: edit(folder, lambda d: d.pop("tensors")), "lacks a usable 'tensors'"),
        (lambda folder: edit(folder, lambda d: d.update(empty=[3])), "lacks a usable 'empty'"),
        (lambda folder: edit(folder, lambda d: d.update(name="os")), "'os' is unknown"),
        (lambda folder: edit(folder, lambda d: d["config"].update(depth=2)), "depth"),
        (lambda folder: edit(folder, lambda d: d["config"].update(arch="Z")), "Z"),
        (lambda folder: edit(folder, lambda d: d["tensors"].popitem()), "disagree about tensor"),
        (
            lambda folder: edit(
                folder, lambda d: d["tensors"]["constants/odd/bits"].update(dtype="float64")
            ),
            "has dtype float32, not the float64",
        ),
        (
            lambda folder: edit(
                folder, lambda d: d["tensors"]["constants/odd/bits"].update(shape=[3, 1])
            ),
            "has shape",
        ),
        (lambda folder: (folder / "model.safetensors").write_bytes(b""), "is damaged"),
    ],
)
def test_damage_is_one_sentence(folder, damage, sentence):
    damage(folder)
    with pytest.raises(DataError, match=sentence) as caught:
        load_model(folder)
    assert "\n" not in str(caught.value)
