"""The loop resumes bit for bit, skips what is not finite, and gives the same on any devices."""

import dataclasses
import io
import signal
import sys

import numpy as np
import pytest

from train.engine.checkpoint import Checkpoints
from train.engine.errors import Diverged, Stopped
from train.engine.loop import fit
from train.engine.metrics import read_metrics
from train.engine.schedule import Schedule
from train.engine.signals import StopSignals
from train.engine.system import Validation


class StopAfter(StopSignals):
    """Asks to stop after a number of steps: the loop looks once a step."""

    def __init__(self, steps):
        self._left = steps + 1  # it looks once more, when it has read its checkpoints
        super().__init__()

    @property
    def requested(self):
        self._left -= 1
        return signal.SIGTERM if self._left <= 0 else None

    @requested.setter
    def requested(self, value):
        pass


def fit_toy(toy, mesh, workdir, *, steps=20, stop_after=None, poison=(), **schedule):
    task = toy.toy_task(steps=steps, poison=poison)
    stop = StopAfter(stop_after) if stop_after is not None else None
    plan = Schedule(steps=steps, **{"evaluate_every": 5, "save_every": 7, **schedule})
    return fit(task, plan, workdir=workdir, seed=0, mesh=mesh, stop=stop)


def test_training_learns_the_scale(toy, mesh, tmp_path):
    steps = 200
    fitted = fit_toy(toy, mesh, tmp_path, steps=steps, evaluate_every=50, save_every=1000)
    scale = np.exp(fitted.kept["params"]["layer"]["log_scale"])
    # The maximum-likelihood scale of 200 batches of 128 values has a relative error of 0.0044; the
    # bound leaves five of them and as much again for the optimiser's own wandering.
    assert np.abs(scale / toy.TRUE_SCALE - 1).max() < 0.045
    assert fitted.skipped == 0


@pytest.mark.fast
@pytest.mark.parametrize("stops", [(3,), (6, 6), (18,)])
def test_a_stopped_and_resumed_run_is_the_straight_run(
    toy, mesh, tmp_path, run_content, assert_same_tree, stops
):
    from jaxnoise.io import save_model

    straight = fit_toy(toy, mesh, tmp_path / "straight")
    for stop in stops:
        with pytest.raises(Stopped, match="saved"):
            fit_toy(toy, mesh, tmp_path / "resumed", stop_after=stop)
    assert read_metrics(tmp_path / "resumed/metrics.jsonl")[-1]["step"] == sum(stops)
    resumed = fit_toy(toy, mesh, tmp_path / "resumed")
    for name, fitted in (("straight", straight), ("resumed", resumed)):
        save_model(tmp_path / name / "model", "toy", toy.Config(), fitted.kept)
    assert_same_tree(straight.kept, resumed.kept)
    assert run_content(tmp_path / "straight") == run_content(tmp_path / "resumed")


def test_several_steps_in_one_call_are_the_same_steps(toy, mesh, tmp_path, assert_same_tree):
    # Poison in the middle of a call, an evaluation that cuts one short, a last step inside one.
    options = {"steps": 23, "poison": {9, 17}, "evaluate_every": 10, "save_every": 7}
    fitted = {
        count: fit_toy(toy, mesh, tmp_path / str(count), steps_per_call=count, **options)
        for count in (1, 4)
    }
    assert fitted[4].skipped == 2
    one, several = (read_metrics(tmp_path / name / "metrics.jsonl") for name in ("1", "4"))
    assert [row["step"] for row in one] == [row["step"] for row in several]
    for name in ("nll", "gradient_norm", "skipped"):
        values = [[row[name] for row in rows if name in row] for rows in (one, several)]
        assert [value is None for value in values[0]] == [value is None for value in values[1]]
        finite = [[value for value in column if value is not None] for column in values]
        np.testing.assert_allclose(finite[1], finite[0], rtol=1e-6)
    assert (fitted[4].step, round(fitted[4].score, 6)) == (
        fitted[1].step,
        round(fitted[1].score, 6),
    )


def test_several_steps_in_one_call_resume_bit_for_bit(toy, mesh, tmp_path, run_content):
    from jaxnoise.io import save_model

    for name in ("straight", "resumed"):
        if name == "resumed":
            with pytest.raises(Stopped, match="saved"):
                fit_toy(toy, mesh, tmp_path / name, steps_per_call=4, stop_after=6)
        fitted = fit_toy(toy, mesh, tmp_path / name, steps_per_call=4)
        save_model(tmp_path / name / "model", "toy", toy.Config(), fitted.kept)
    assert run_content(tmp_path / "straight") == run_content(tmp_path / "resumed")


@pytest.mark.fast
def test_a_finished_run_takes_no_further_step(toy, mesh, tmp_path, assert_same_tree):
    first = fit_toy(toy, mesh, tmp_path)
    rows = (tmp_path / "metrics.jsonl").read_text()
    second = fit_toy(toy, mesh, tmp_path)
    assert (tmp_path / "metrics.jsonl").read_text() == rows
    assert_same_tree(first.kept, second.kept)
    assert (first.score, first.step) == (second.score, second.step)


@pytest.mark.fast
def test_the_best_state_is_kept_not_the_last(toy, mesh, tmp_path):
    task = toy.toy_task(steps=20)
    scores = iter([4.0, 3.0, 1.0, 2.0, 5.0])
    kept = []

    def evaluate(state, fixed):
        kept.append(np.array(state["variables"]["params"]["layer"]["log_scale"]))
        return Validation(next(scores), {})

    task = dataclasses.replace(task, evaluate=evaluate)
    fitted = fit(task, Schedule(steps=20, evaluate_every=5), workdir=tmp_path, seed=0, mesh=mesh)
    assert (fitted.score, fitted.step) == (1.0, 10)
    np.testing.assert_array_equal(fitted.kept["params"]["layer"]["log_scale"], kept[2])


@pytest.mark.fast
def test_steps_that_are_not_finite_change_nothing_and_are_counted(toy, mesh, tmp_path):
    fitted = fit_toy(toy, mesh, tmp_path, poison={4, 5, 11}, bad_steps=3)
    assert fitted.skipped == 3
    rows = [row for row in read_metrics(tmp_path / "metrics.jsonl") if "nll" in row]
    assert [row["step"] for row in rows if row["nll"] is None] == [5, 6, 12]
    assert [row["skipped"] for row in rows][3:7] == [0, 1, 2, 2]
    assert all(np.isfinite(leaf).all() for leaf in fitted.kept["params"]["layer"].values())
    assert np.isfinite(fitted.kept["batch_stats"]["mean"]).all()


@pytest.mark.fast
def test_a_skipped_step_leaves_the_whole_state_as_it_was(toy, assert_same_tree):
    import jax

    from train.engine.guard import guarded_step, start_training

    task = toy.toy_task(steps=20, poison={1})
    step = jax.jit(guarded_step(task.step))
    one, _ = step(start_training(task.state), (), task.batch(0), np.uint32(0))
    two, metrics = step(one, (), task.batch(1), np.uint32(0))
    assert np.isnan(metrics["nll"])
    assert_same_tree(one["state"], two["state"])
    three, _ = step(two, (), task.batch(2), np.uint32(0))
    counts = ("step", "skipped", "in_a_row", "longest")
    assert [int(two[name]) for name in counts] == [2, 1, 1, 1]
    assert [int(three[name]) for name in counts] == [3, 1, 0, 1]


@pytest.mark.fast
def test_too_many_bad_steps_end_the_run_with_the_last_good_state(
    toy, mesh, tmp_path, assert_same_tree
):
    with pytest.raises(Stopped):
        fit_toy(toy, mesh, tmp_path / "good", stop_after=8)
    with pytest.raises(Diverged, match="4 steps in a row .* step 12"):
        fit_toy(toy, mesh, tmp_path / "bad", poison=set(range(8, 40)), bad_steps=4)
    (good_step, good), (bad_step, bad) = (
        Checkpoints(tmp_path / name / "checkpoints").restore(checkpoint_template(toy))
        for name in ("good", "bad")
    )
    assert (good_step, bad_step) == (8, 12)
    assert_same_tree(good["training"]["state"], bad["training"]["state"])
    assert int(bad["training"]["skipped"]) == 4


@pytest.mark.fast
def test_bad_steps_between_two_reports_end_the_run(toy, mesh, tmp_path):
    rarely = {"report_every": 10, "evaluate_every": 20, "save_every": 20}
    with pytest.raises(Diverged, match="4 steps in a row .* step 10"):
        fit_toy(toy, mesh, tmp_path, poison=set(range(2, 6)), bad_steps=4, **rarely)


@pytest.mark.fast
@pytest.mark.parametrize("poison", [range(16, 20), range(5, 9)])
def test_a_diverged_run_stays_diverged(toy, mesh, tmp_path, poison):
    sentences = []
    for _ in range(2):
        with pytest.raises(Diverged, match="4 steps in a row") as raised:
            fit_toy(toy, mesh, tmp_path, poison=set(poison), bad_steps=4)
        sentences.append(str(raised.value))
        rows = (tmp_path / "metrics.jsonl").read_text()
    assert sentences[0] == sentences[1]
    assert (tmp_path / "metrics.jsonl").read_text() == rows


@pytest.mark.fast
def test_a_run_without_one_finite_step_has_diverged(toy, mesh, tmp_path):
    for _ in range(2):
        with pytest.raises(Diverged, match="all 5 steps .* step 5"):
            fit_toy(toy, mesh, tmp_path, steps=5, poison=set(range(5)), bad_steps=10)


@pytest.mark.fast
def test_a_terminal_shows_one_bar_and_it_is_closed(toy, mesh, tmp_path, monkeypatch):
    import tqdm

    with pytest.raises(Stopped):
        fit_toy(toy, mesh, tmp_path, stop_after=8)
    (tmp_path / "checkpoints/8/leaves/metadata").write_text("{")
    bars = []

    class Bar(tqdm.tqdm):
        def __init__(self, *arguments, **settings):
            super().__init__(*arguments, **settings, file=io.StringIO())
            self.closes, self.first = 0, self.n
            bars.append(self)

        def close(self):
            self.closes += 1
            super().close()

    monkeypatch.setattr(tqdm, "tqdm", Bar)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    fit_toy(toy, mesh, tmp_path)  # says that a checkpoint is damaged, and from where it goes on
    assert [(bar.first, bar.n) for bar in bars] == [(7, 20)]
    assert bars[0].closes >= 1


def checkpoint_template(toy):
    from train.engine.guard import start_training

    state = toy.toy_task(steps=20).state
    return {
        "training": start_training(state),
        "best": {
            "kept": state["variables"],
            "score": np.float64(0),
            "step": np.int64(0),
            "first_score": np.float64(0),
        },
    }


@pytest.mark.fast
def test_processes_agree_on_calls_to_stop_after(toy, mesh, tmp_path, monkeypatch):
    # The number that they agree on must rise by one, also where a call takes several steps.
    from jax.experimental import multihost_utils

    from train.engine import loop

    asked = []
    monkeypatch.setattr(multihost_utils, "reached_preemption_sync_point", asked.append)
    monkeypatch.setattr(loop._Run, "_stop_requested", _as_one_of_two(loop._Run._stop_requested))
    fit_toy(toy, mesh, tmp_path, steps=20, steps_per_call=4, evaluate_every=10, save_every=20)
    calls = 8  # 4, 8, 9, 10, 11, 12, 16 and 20 steps done
    # What follows is orbax, which asks for itself when it saves.
    assert asked[:calls] == list(range(1, calls + 1)) and calls + 1 not in asked


def _as_one_of_two(method):
    def asked(run):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("jax.process_count", lambda: 2)
            return method(run)

    return asked
