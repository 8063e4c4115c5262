"""How a training ends that went wrong, or was asked to stop at an awkward moment."""

import dataclasses
import math
import os
import signal

import jax
import numpy as np
import pytest

from jaxnoise.errors import UsageError
from train.engine import lock
from train.engine.checkpoint import Checkpoints
from train.engine.errors import Diverged, NoCheckpoint, Stopped
from train.engine.loop import fit
from train.engine.run import fit_phases
from train.engine.schedule import Schedule
from train.engine.signals import StopSignals
from train.engine.system import Phase, Run, Validation

pytestmark = pytest.mark.fast


def fit_with(toy, mesh, workdir, *, steps=10, stop=None, **changes):
    task = dataclasses.replace(toy.toy_task(steps=steps), **changes)
    plan = Schedule(steps=steps, evaluate_every=5, save_every=100)
    return fit(task, plan, workdir=workdir, seed=0, mesh=mesh, stop=stop)


def scores(*values):
    left = iter(values)
    return lambda state, fixed: Validation(next(left), {})


def test_the_last_state_is_kept_where_it_is_asked_for(toy, mesh, tmp_path):
    fitted = fit_with(toy, mesh, tmp_path, evaluate=scores(1.0, 2.0, 3.0), keep="last")
    assert (fitted.step, fitted.score) == (10, 3.0)
    assert "after the last of 10 steps" in fitted.described("toy")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ((1.0, 1.0, 2.5), "got worse by training"),
        ((1.0, 5.0, 1.5), None),
        ((math.inf, 1.0, 5.0), None),
        ((1.0, 1.0, math.nan), "is not finite"),
        ((math.nan, math.nan, math.nan), "is not finite"),
    ],
)
def test_the_last_score_decides_whether_training_failed(toy, mesh, tmp_path, values, sentence):
    fitted = fit_with(toy, mesh, tmp_path, evaluate=scores(*values), tolerance=1.0)
    assert (fitted.failed is None) == (sentence is None)
    assert sentence is None or sentence in fitted.failed


def test_a_sentence_of_the_system_is_a_failure(toy, mesh, tmp_path):
    evaluate = lambda state, fixed: Validation(0.0, {}, failed="it collapsed.")  # noqa: E731
    found = fit_with(toy, mesh, tmp_path, evaluate=evaluate)
    assert found.failed == "toy: it collapsed."
    # What training starts from may well be what it must not end with.
    assert [row["step"] > 0 for row in found.rows() if "failed" in row][0]


def test_a_batch_that_cannot_be_made_costs_no_step(toy, mesh, tmp_path):
    def batch(step):
        if step == 7:
            raise ValueError("a broken record")
        return toy.make_batch(step, 8)

    with pytest.raises(ValueError, match="a broken record"):
        fit_with(toy, mesh, tmp_path, batch=batch)
    assert Checkpoints(tmp_path / "checkpoints").steps() == [7]


def test_a_signal_in_the_last_evaluation_is_heard(toy, mesh, tmp_path):
    calls = []

    def evaluate(state, fixed):
        calls.append(1)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return Validation(0.0, {})

    with StopSignals() as stop, pytest.raises(Stopped, match="step 10 of 10, which is saved"):
        fit_with(toy, mesh, tmp_path, evaluate=evaluate, stop=stop)
    again = fit_with(toy, mesh, tmp_path)
    assert again.step == 0 and again.is_start


def test_a_state_of_64_bits_is_kept_in_32_and_resumed(toy, mesh, tmp_path):
    def step(state, fixed, batch, key):
        total = state["total"] + batch["noisy"].mean()
        return {"total": total, "count": state["count"] + 1}, {"nll": total}

    state = {"total": np.zeros(()), "count": 0}
    changes = {"state": state, "step": step, "export": lambda state: state}
    changes["evaluate"] = lambda state, fixed: Validation(float(state["total"]), {})
    first = fit_with(toy, mesh, tmp_path, keep="last", **changes)
    assert fit_with(toy, mesh, tmp_path, keep="last", **changes).kept == first.kept
    assert first.kept["count"] == 10 and not (tmp_path / "damaged").exists()


def test_a_step_that_changes_a_type_is_told(toy, mesh, tmp_path):
    def step(state, fixed, batch, key):
        return {"count": state["count"] + 0.5}, {"nll": batch["noisy"].mean()}

    changes = {"state": {"count": np.int32(0)}, "step": step, "export": lambda state: state}
    with pytest.raises(TypeError, match="'count'.* from int32.* to float32"):
        fit_with(toy, mesh, tmp_path, evaluate=scores(0.0, 0.0), **changes)


def test_a_checkpoint_of_another_state_is_left_where_it_is(tmp_path):
    folder = tmp_path / "checkpoints"
    with_one = Checkpoints(folder)
    with_one.save(1, {"a": np.zeros(3)})
    with_one.close()
    with pytest.raises(NoCheckpoint, match="is not of this training"):
        Checkpoints(folder).restore({"b": np.zeros(3)})
    assert Checkpoints(folder).restore({"a": np.ones(3)})[0] == 1


def phases_of(toy, **poison):
    def phase(name, compared):
        task = toy.toy_task(steps=4, poison=poison.get(name, ()))
        return Phase(
            name=name,
            task=lambda before: task,
            model="toy",
            settings=toy.Config(),
            folder=name,
            compared=compared,
        )

    return [phase("own", False), phase("other", True)]


@pytest.fixture
def run(toy, mesh, tmp_path):
    from train.engine.options import Options

    config = Options(steps=4, batch_size=8, evaluate_every=4, bad_steps=2)
    return Run(config=config, data={}, mesh=mesh, workdir=tmp_path)


def test_what_is_only_compared_may_diverge(toy, run, capsys):
    fitted = fit_phases(phases_of(toy, other={0, 1, 2, 3}), run, stop=StopSignals())
    assert set(fitted) == {"own"}
    assert "other is left out" in capsys.readouterr().err
    with pytest.raises(Diverged):
        again = dataclasses.replace(run, workdir=run.workdir / "again")
        fit_phases(phases_of(toy, own={0, 1, 2, 3}), again, stop=StopSignals())


def test_phases_that_share_a_folder_are_refused(toy, run):
    first, second = phases_of(toy)
    for same in ({"folder": first.folder}, {"name": first.name}):
        with pytest.raises(ValueError, match="a name and a folder of its own"):
            fit_phases([first, dataclasses.replace(second, **same)], run, stop=StopSignals())
    assert jax.process_count() == 1


@pytest.mark.parametrize(
    ("number", "kind"), [(signal.SIGTERM, Stopped), (signal.SIGINT, KeyboardInterrupt)]
)
def test_a_signal_while_a_checkpoint_is_read_is_no_damage(
    toy, mesh, tmp_path, monkeypatch, number, kind
):
    fit_with(toy, mesh, tmp_path)
    read = Checkpoints._read

    def interrupted(*arguments):
        os.kill(os.getpid(), number)
        return read(*arguments)

    with monkeypatch.context() as patched, StopSignals() as stop, pytest.raises(kind):
        patched.setattr(Checkpoints, "_read", interrupted)
        fit_with(toy, mesh, tmp_path, stop=stop)
    assert not (tmp_path / "damaged").exists()
    assert fit_with(toy, mesh, tmp_path).steps == 10


def test_a_folder_that_is_renamed_in_the_training_gets_no_second_half(toy, mesh, tmp_path):
    place, moved = tmp_path / "run", tmp_path / "moved"
    place.mkdir()
    lock.acquire(place)

    def batch(step):
        if step == 7:
            place.rename(moved)
        return toy.make_batch(step, 8)

    try:
        with pytest.raises(UsageError, match="was renamed, deleted or replaced"):
            fit_with(toy, mesh, place, batch=batch)
    finally:
        lock.release()
    assert not place.exists()
    assert Checkpoints(moved / "checkpoints").steps() == []


def test_a_changed_row_is_told_and_changes_nothing(toy, mesh, tmp_path, capsys, assert_same_tree):
    first = fit_with(toy, mesh, tmp_path)
    path = tmp_path / "metrics.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    again = fit_with(toy, mesh, tmp_path)
    assert "is not as it was" not in capsys.readouterr().err
    path.write_text("".join(lines[:3] + lines[4:]))
    again = fit_with(toy, mesh, tmp_path)
    assert_same_tree(again.kept, first.kept)
    assert "metrics.jsonl is not as it was when step 10 was saved" in capsys.readouterr().err
