"""Learning rates: the best one, those that fail, and the runs that try them."""

import json
from pathlib import Path

import pytest

from benchmarks.harness.campaign import Failed
from benchmarks.harness.proxy import trainings
from benchmarks.harness.proxy.teachers import TEACHERS
from benchmarks.harness.proxy.trainings import Plan, best_rate, tried

pytestmark = pytest.mark.fast


def test_the_best_rate_has_the_highest_psnr():
    assert best_rate({"0.0005": 30.0, "0.001": 31.0, "0.002": 30.5}) == 1e-3
    assert best_rate({"0.0005": 30.0, "0.001": 30.0}) == 5e-4
    assert best_rate({"0.0005": 30.0, "0.001": None}) == 5e-4
    with pytest.raises(SystemExit, match="training failed at every rate"):
        best_rate({"0.001": None})


def run_with(folder: Path, values: list[float]) -> Path:
    folder.mkdir(parents=True)
    rows = [{"step": 0, "validation_psnr": 20.0}, {"step": 1, "mse": 0.1}]
    rows += [{"step": 10 * n, "validation_psnr": v} for n, v in enumerate(values, 1)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_rates_are_compared_by_the_mean_of_their_last_validations(tmp_path):
    of_scenes = {0.001: ([40.0, 30.0], [31.0, 33.0]), 0.002: ([29.0, 31.0], [32.0, 32.5])}

    def of_scene(place):
        return lambda rate: run_with(tmp_path / f"{rate}-{place}", of_scenes[rate][place])

    found = tried([0.001, 0.002], [of_scene(0), of_scene(1)])
    assert found["by_rate"] == {"0.001": 31.5, "0.002": 31.75}
    assert found["rate"] == 0.002
    assert found["curves"]["0.001"][0] == {"0": 20.0, "10": 40.0, "20": 30.0}


def test_a_rate_at_which_training_diverges_is_out_and_other_failures_are_raised(tmp_path):
    def train(rate):
        if rate > 0.001:
            raise Failed("run", 4 if rate < 0.1 else 3, tmp_path / "log")
        return run_with(tmp_path / str(rate), [30.0])

    found = tried([0.001, 0.002], [train])
    assert (found["rate"], found["by_rate"]["0.002"]) == (0.001, None)
    with pytest.raises(Failed, match="run ended with 3"):
        tried([0.1], [train])


@pytest.fixture
def plan(tmp_path):
    return Plan(
        **{"folder": tmp_path, "photographs": (), "seeds": (0,), "cono_steps": 1, "draws": 1},
        **{"steps": 8, "rates": (1e-3,), "accelerator": "cpu"},
    )


def test_pairs_are_made_for_trainings_that_are_yet_to_end(plan, monkeypatch):
    made, commands = [], []

    def run_all(runs, folder):
        commands.extend(run.command(folder / run.name) for run in runs)
        (folder / f"{runs[0].name}.json").write_text("{}")

    monkeypatch.setattr(trainings, "run_all", run_all)
    for _ in range(2):
        run = trainings.trained_denoiser(
            **{"plan": plan, "name": "one", "source": plan.folder / "pairs", "seed": 3},
            **{"steps": 8, "rate": 1e-3, "prepare": lambda: made.append(1)},
        )
        assert run == plan.folder / "one"
    assert len(made) == 1
    words = " ".join(commands[0])
    assert "--denoiser-normalisation none" in words and "--error absolute" in words
    assert "--evaluate-every 2" in words and "--denoiser-learning-rate 0.001" in words
    assert "--start-from" not in words


def test_a_failed_generator_is_no_learning_rate_that_failed(plan, monkeypatch):
    def run_all(runs, folder):
        raise Failed(runs[0].name, 4, folder / "log")

    monkeypatch.setattr(trainings, "run_all", run_all)
    monkeypatch.setattr(trainings, "write_clean", lambda *_: None)
    with pytest.raises(RuntimeError, match="cono-0 ended with 4") as raised:
        tried([1e-3], [lambda rate: trainings.generator(plan, 0)])
    assert not isinstance(raised.value, Failed)


def test_removing_pairs_takes_their_records_and_nothing_else(plan):
    source = trainings.pairs_folder(plan, TEACHERS["nlf-raw"], 1)
    kept = source.with_name("nlf-raw-10")
    for folder in (source, source.with_name(f"{source.name}-made"), kept):
        folder.mkdir(parents=True)
    trainings.remove_pairs(source)
    assert list(source.parent.iterdir()) == [kept]
    trainings.remove_pairs(source)
