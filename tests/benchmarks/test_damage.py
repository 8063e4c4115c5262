"""Damaged checkpoints and models are never used unnoticed, and the benchmark would see it."""

import random
from collections import Counter

import numpy as np
import pytest

from benchmarks import damage
from benchmarks.harness import damage_readers


def test_a_little_damage_is_noticed_or_harmless(tmp_path):
    results = damage.campaign(tmp_path, flips=18, losses=9, seed=1)
    assert results["unnoticed"] == []
    parts = Counter(name.split("/")[0] for name in results["files"])
    assert parts["checkpoints"] == 6 and parts["model"] == 2 and parts["run"] == 3
    assert parts["records"] >= 6
    assert sum(results["total"].values()) == 27
    assert results["total"].keys() >= {"refused", "put aside, step before used"}


def test_a_reader_that_does_not_check_is_found(tmp_path, monkeypatch):
    # Flips go to all files in turn, and those in the head of a tensor file are refused anyway.
    from jaxnoise.io import model_folder
    from train.engine import checkpoint

    def without_digest(array):
        return {"shape": list(array.shape), "dtype": array.dtype.name}

    monkeypatch.setattr(checkpoint, "describe", without_digest)
    monkeypatch.setattr(model_folder, "_describe", without_digest)
    results = damage.campaign(tmp_path, flips=24, losses=0, seed=1, parts=["model"])
    assert any("model.safetensors" in line for line in results["unnoticed"])


@pytest.mark.fast
def test_trees_are_the_same_only_bit_for_bit():
    tree = {"a": np.float32([0.0, np.nan]), "b": {}}
    assert damage_readers.same(tree, {"a": np.float32([0.0, np.nan]), "b": {}})
    assert not damage_readers.same(tree, {"a": np.float32([-0.0, np.nan]), "b": {}})
    assert not damage_readers.same(tree, {"a": np.float64([0.0, np.nan]), "b": {}})
    assert not damage_readers.same(tree, {"a": np.float32([0.0, np.nan])})


@pytest.mark.fast
def test_damage_is_one_bit_or_a_shorter_file(tmp_path):
    path, content = tmp_path / "file", bytes(range(100))
    for seed in range(20):
        path.write_bytes(content)
        damage.flip(path, random.Random(seed))
        pairs = zip(path.read_bytes(), content, strict=True)
        assert sum(int.bit_count(one ^ other) for one, other in pairs) == 1
        path.write_bytes(content)
        damage.cut(path, random.Random(seed))
        assert len(path.read_bytes()) < len(content)
        assert content.startswith(path.read_bytes())
