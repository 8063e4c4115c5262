"""A small task, a toy system; run folders and device counts, compared."""

import fcntl
import importlib.util
import json
import os
from pathlib import Path

import numpy as np
import pytest

from tests.forked import Forked
from tests.processes import ROOT, environment

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def toy():
    """The module of the small task."""
    spec = importlib.util.spec_from_file_location("small_task", HERE / "engine/small_task.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def toy_environment():
    """Environment in which `python -m toy` is the toy system."""
    return {**environment(), "PYTHONPATH": f"{ROOT}{os.pathsep}{HERE}"}


@pytest.fixture(scope="session")
def records(shared_folder):
    """Where data sets are prepared, once for all trainers and all processes that run tests."""
    return shared_folder / "records"


@pytest.fixture(scope="session")
def made_once(shared_folder):
    """Makes the folder of a name once for all processes that run tests, which only read it."""

    def made(name, make):
        folder, done = shared_folder / "runs" / name, shared_folder / "runs" / f"{name}.done"
        folder.parent.mkdir(exist_ok=True)
        with open(folder.with_suffix(".lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                make(folder)
                done.touch()
        return folder

    return made


@pytest.fixture(scope="session")
def mesh():
    from train.engine.devices import start_jax

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


@pytest.fixture
def assert_same_losses(tmp_path):
    """Trains a system on several numbers of CPU devices."""
    from train.engine.metrics import read_metrics

    def check(package, options, *, loss, command="", devices=(1, 8)):
        counts = list(map(str, devices))
        asked = [package, command, json.dumps(options), str(tmp_path), *counts]
        said = tmp_path / "said.txt"
        process = Forked(
            "tests.train.on_devices",
            asked,
            said=said,
            folder=HERE,
            environment=environment(devices=max(devices)),
        )
        assert process.wait() == 0, said.read_text()
        losses = []
        for count in devices:
            rows = read_metrics(tmp_path / f"{count}-devices" / "metrics.jsonl")
            losses.append([row[loss] for row in rows if loss in row])
        first, *others = losses
        assert len(first) == options["steps"]
        for other in others:
            np.testing.assert_allclose(other, first, rtol=1e-5)

    return check
