"""A small task, a toy system; run folders and device counts, compared."""

import fcntl
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

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


ON_DEVICES = """
import dataclasses
import importlib
import json
import os
import sys
from pathlib import Path

package, name, options, folder, *counts = sys.argv[1:]
command = importlib.import_module(f"{package}.config").COMMANDS[name]
config = command.options(**{**command.presets["cpu"], **json.loads(options)})

from train.engine.devices import start_jax
import jax
from train.engine.loop import fit
from train.engine.run import schedule_of
from train.engine.system import Run, Validation

system = importlib.import_module(f"{package}.system").SYSTEMS[name]
data = {role: opened() for role, opened in system.data(config).items()}
every = start_jax("cpu")
for count in map(int, counts):
    mesh = every
    if count < every.size:
        devices = jax.devices()[:count]
        mesh = jax.make_mesh((count,), ("data",), axis_types=every.axis_types, devices=devices)
    assert mesh.size == count
    run = Run(config=config, data=data, mesh=mesh, workdir=Path(folder, f"{count}-devices"))
    fitted = {}
    for phase in system.phases(run):
        task = dataclasses.replace(phase.task(fitted), evaluate=lambda *_: Validation(0.0, {}))
        schedule = schedule_of(config, steps=phase.steps)
        place = run.workdir / phase.folder
        fitted[phase.name] = fit(task, schedule, workdir=place, seed=config.seed, mesh=mesh)
"""


@pytest.fixture
def assert_same_losses(tmp_path, toy_environment):
    """Trains a system in this process's child on several numbers of CPU devices."""
    from train.engine.metrics import read_metrics

    def check(package, options, *, loss, command="", devices=(1, 8)):
        counts = list(map(str, devices))
        asked = [package, command, json.dumps(options), str(tmp_path), *counts]
        done = subprocess.run(
            [sys.executable, "-c", ON_DEVICES, *asked],
            env={**environment(devices=max(devices)), "PYTHONPATH": toy_environment["PYTHONPATH"]},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        losses = []
        for count in devices:
            rows = read_metrics(tmp_path / f"{count}-devices" / "metrics.jsonl")
            losses.append([row[loss] for row in rows if loss in row])
        first, *others = losses
        assert len(first) == options["steps"]
        for other in others:
            np.testing.assert_allclose(other, first, rtol=1e-5)

    return check
