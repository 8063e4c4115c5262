"""Loads the toy system, which is a program and a module at once, and compares run folders."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

TOY = Path(__file__).with_name("toy_run.py")


@pytest.fixture(scope="session")
def toy():
    spec = importlib.util.spec_from_file_location("toy_run", TOY)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def toy_program():
    return TOY


@pytest.fixture(scope="session")
def mesh():
    from train.devices import start_jax

    return start_jax("cpu")


@pytest.fixture(scope="session")
def run_content():
    """What must be the same, bit for bit, in two runs of one configuration."""

    def read(workdir):
        checkpoints = sorted((workdir / "checkpoints").iterdir(), key=lambda path: int(path.name))
        leaves = (checkpoints[-1] / "leaves" / "metadata").read_text()
        rows = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
        for row in rows:
            del row["time"]
        model = {path.name: path.read_bytes() for path in (workdir / "model").iterdir()}
        return {"step": checkpoints[-1].name, "leaves": leaves, "rows": rows, "model": model}

    return read


@pytest.fixture
def assert_same_tree():
    def check(one, other):
        import jax

        assert jax.tree.structure(one) == jax.tree.structure(other)
        for left, right in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
            assert np.asarray(left).tobytes() == np.asarray(right).tobytes()
            assert np.asarray(left).dtype == np.asarray(right).dtype

    return check
