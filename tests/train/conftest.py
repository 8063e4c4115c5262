"""The toy system, a program and a module at once; run folders and device counts, compared."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.processes import environment

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
def records(shared_folder):
    """Where data sets are prepared, once for all trainers and all processes that run tests."""
    return shared_folder / "records"


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


ON_DEVICES = """
import sys
from pathlib import Path

from train.devices import start_jax
import jax

every = start_jax("cpu")
for count in map(int, sys.argv[2].split()):
    mesh = every
    if count < every.size:
        devices = jax.devices()[:count]
        mesh = jax.make_mesh((count,), ("data",), axis_types=every.axis_types, devices=devices)
    assert mesh.size == count
    train(mesh, Path(sys.argv[1]) / f"{count}-devices", sys.argv[3])
"""


@pytest.fixture
def assert_same_losses(tmp_path):
    """Runs `train(mesh, workdir, place)` of a script on several numbers of CPU devices."""
    from train.writer import read_metrics

    def check(script, place, *, name, steps, devices=(1, 8)):
        counts = " ".join(map(str, devices))
        done = subprocess.run(
            [sys.executable, "-c", script + ON_DEVICES, tmp_path, counts, place],
            env=environment(devices=max(devices)),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        losses = []
        for count in devices:
            rows = read_metrics(tmp_path / f"{count}-devices" / "metrics.jsonl")
            losses.append([row[name] for row in rows if name in row])
        first, *others = losses
        assert len(first) == steps
        for other in others:
            np.testing.assert_allclose(other, first, rtol=1e-5)

    return check
