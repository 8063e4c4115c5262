"""Model folders come back bit for bit, or with a sentence about what is wrong."""

import errno
import hashlib
import json
import os
import shutil
import struct

import jax
import numpy as np
import pytest

from jaxnoise import models
from jaxnoise.bijectors import chain
from jaxnoise.errors import DataError, UsageError
from jaxnoise.io import load_model, model_folder, model_variables, save_model
from jaxnoise.io.model_folder import read_learned_from


@pytest.fixture(autouse=True)
def _any_variables(monkeypatch):
    """Folders of variables that no model has: what they may hold is tested for itself."""
    monkeypatch.setattr(model_folder, "check_variables", lambda *_: None)


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
def test_foreign_byte_order_becomes_that_of_the_file(tmp_path, example):
    values = [1.5, -2.25, 3e-7]
    kinds = {"float": ">f4", "half": ">f2", "whole": ">i4", "short": ">u2", "native": "=f4"}
    stored = {name: np.array([1, 2, 3], kind) for name, kind in kinds.items()}
    stored["fractions"] = np.array(values, ">f4")
    config = example[0]
    folder = save_model(tmp_path / "model", "noiseflow", config, {"params": stored})
    back = load_model(folder).variables["params"]
    np.testing.assert_array_equal(back["fractions"], np.array(values, np.float32))
    for name, kind in kinds.items():
        np.testing.assert_array_equal(back[name], [1, 2, 3])
        assert back[name].dtype == np.dtype(kind).newbyteorder("=")
    raw = (folder / "model.safetensors").read_bytes()
    assert struct.pack("<3f", *values) in raw


@pytest.mark.fast
@pytest.mark.parametrize("fault", ["wide", "full disk"])
def test_what_cannot_be_written_leaves_the_model_before(folder, example, monkeypatch, fault):
    def refuse(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before, variables = load_model(folder), example[1]
    if fault == "wide":
        variables = {"params": {"a": np.zeros(2, np.longdouble)}}
    else:
        monkeypatch.setattr(model_folder, "_write", refuse)
    with pytest.raises((UsageError, OSError)):
        save_model(folder, "noiseflow", example[0], variables)
    assert load_model(folder).config == before.config
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


@pytest.mark.fast
@pytest.mark.parametrize("name", ["m" * 248, "[a]*?", "ä" * 124])
def test_any_name_of_a_folder_will_do(tmp_path, example, name):
    for _ in range(2):
        folder = save_model(tmp_path / name, "noiseflow", *example)
    assert load_model(folder).config == example[0]
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.fast
def test_the_folder_of_a_run_says_where_its_model_is(tmp_path, example):
    save_model(tmp_path / "model", "noiseflow", *example)
    for _ in range(2):
        with pytest.raises(DataError, match=f"did you mean {tmp_path / 'model'}"):
            load_model(tmp_path)
        (tmp_path / "config.json").write_text('{"steps": 400}')


@pytest.mark.fast
@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_pipes_and_devices_are_not_read(folder, name, make):
    (folder / name).unlink()
    make(folder / name)
    with pytest.raises(DataError, match="no file|no regular file"):
        load_model(folder)


@pytest.mark.fast
def test_what_is_declared_is_known_before_it_is_read(folder):
    os.truncate(folder / "model.safetensors", 4 * 2**30)  # of which the disk has nothing
    with pytest.raises(DataError, match="much longer than the tensors"):
        load_model(folder)
    edit(folder, lambda d: d["empty"].extend(f"e{number}" for number in range(900_000)))
    with pytest.raises(DataError, match="more than 10,000: use .*--max-model-bytes"):
        load_model(folder)
    edit(folder, lambda d: d.update(empty=["a/" * 10**6 + "b"]))
    with pytest.raises(DataError, match="more than 1000 characters"):
        load_model(folder)


def test_limits_grow_together_with_the_bytes_that_are_allowed(tmp_path, monkeypatch):
    noiseflow = models.get("noiseflow")
    config = noiseflow.Config(arch="-".join(["W"] * 140), channels=2, max_layers=140)
    variables = noiseflow.init(jax.random.key(0), config)
    folder = save_model(tmp_path / "model", "noiseflow", config, variables)
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(variables))
    with pytest.raises(DataError, match="140 layers, more than 128: .*--max-model-bytes"):
        load_model(folder)
    # Half of what this model has now stands for 2 GiB.
    half, say = size // 2, "raise the limit with --max-model-bytes"
    monkeypatch.setattr(model_variables, "MAX_TENSOR_BYTES", half)
    with pytest.raises(DataError, match=f"140 layers, more than 128.*{say}"):
        load_model(folder, max_bytes=half)
    with pytest.raises(DataError, match=f"bytes, more than.*{say}"):
        load_model(folder, max_bytes=size - 1)
    described = json.loads((folder / "config.json").read_text())
    names = len(described["tensors"]) + len(described["empty"])
    monkeypatch.setattr(model_folder, "MAX_TENSORS", (names + 1) // 2)
    with pytest.raises(DataError, match=f"variables, more than.*{say}"):
        load_model(folder, max_bytes=half + half // 2)
    assert load_model(folder, max_bytes=size + 2).config == config
    with pytest.raises(UsageError, match="max_bytes must be at least 1"):
        load_model(folder, max_bytes=0)


def test_as_many_layers_are_read_as_a_chain_may_have_unasked():
    assert model_variables.MAX_LAYERS == chain.MAX_LAYERS


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
def test_what_a_model_learned_from_is_kept_with_it(folder, example, tmp_path):
    learned = {"stored": "uint16", "brightest": 0.0625}
    place = save_model(tmp_path / "other", "noiseflow", *example, learned_from=learned)
    assert read_learned_from(place) == learned
    assert load_model(place).config == example[0]
    assert read_learned_from(folder) == {}
    path = place / "config.json"
    path.write_text(path.read_text().replace("0.0625", "0.625"))
    with pytest.raises(DataError, match="edited by hand"):
        read_learned_from(place)


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
        (
            lambda folder: (folder / "config.json").write_bytes(bytes(2**24 + 1)),
            "has more than 16,777,216 bytes",
        ),
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
