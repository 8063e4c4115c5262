"""Tables of RCL are filled with trainings that pretend."""

import json

import pytest

from benchmarks.harness.campaign import Failed
from benchmarks.harness.cells import Cells, rows_of
from benchmarks.harness.rcl import study as subject
from benchmarks.harness.rcl import tables, trainings
from benchmarks.harness.rcl.starts import FRESH, MOSAICS, PHOTOGRAPHS, supervised
from benchmarks.harness.rcl.trainings import DIVERGED, Labels, Plan, Trained, best_of
from jaxnoise.tasks import TASKS

pytestmark = pytest.mark.fast


class Pretended:
    """A training whose validation PSNR is highest at a rate."""

    def __init__(self, folder, psnr):
        self.model, self.validation_psnr, self.psnr = folder / "model", psnr, psnr
        self.evaluation = {"commit": "abc"}

        numbers = {"gap": 1.0, "to_truth": 1.0, "std_over_truth": 1.0, "psnr": 20.0}
        self.evaluation["residuals"] = [{"name": "RCL", **numbers}]

    def row(self, which):
        return {"psnr": {"network": self.psnr, "before": 20.0, "input": 27.0}[which], "ssim": 0.5}


@pytest.fixture
def runs(monkeypatch):
    made = []

    def before_labels(plan, start, *, seed, rate):
        made.append((start.name, seed, rate))
        return Pretended(plan.folder / f"{start.name}-{rate}", 30.0)

    def on_labels(plan, start, model, labels, *, seed, rate):
        made.append((labels.name, start.name, seed, rate))
        assert (model is None) == (start == FRESH)
        better = model is not None and model.parent.name.endswith("-1.5")
        return Pretended(plan.folder, 30.0 + better + seed - abs(rate - 2.0))

    monkeypatch.setattr(subject, "before_labels", before_labels)
    monkeypatch.setattr(subject, "on_labels", on_labels)
    return made


def study_in(folder, seeds=(0, 1)):
    plan = Plan(
        folder=folder,
        images={},
        seeds=seeds,
        rates=(1.0, 2.0, 3.0),
        pretraining_rates=(0.5, 1.5),
        steps=1,
        pretraining_steps=1,
        network={},
        test_patches=1,
        accelerator="cpu",
    )
    return subject.Study(plan, Cells(folder / "t.json", {}), Cells(folder / "rates.json", {}))


@pytest.mark.parametrize("number", tables.TABLES)
def test_a_table_is_filled_for_every_seed_and_once(tmp_path, runs, number):
    study = study_in(tmp_path)
    tables.TABLES[number](study)
    rows = rows_of(study.cells.found)
    assert rows and all(row["seeds"] == [0, 1] for name, row in rows.items() if name != "input")
    assert all(cell.get("sets") or cell["residuals"] for cell in study.cells.found.values())
    count = len(runs)
    tables.TABLES[number](study_in(tmp_path))
    assert len(runs) == count


def test_learning_rates_are_chosen_on_the_first_seed_alone(tmp_path, runs):
    study = study_in(tmp_path, seeds=(3, 4))
    study.keep("row", "column", PHOTOGRAPHS["rcl-emd"], Labels())
    rates = study.rates.found
    assert rates["before labels, rcl-emd"]["rate"] == 1.5
    assert rates["denoise-all after rcl-emd"]["rate"] == 2.0
    tried = {run[-1] for run in runs if len(run) == 4 and run[2] == 4}
    assert tried == {2.0}
    found = rows_of(study.cells.found)["row"]["column"]["psnr"]
    assert found == {"mean": 34.5, "lowest": 34.0, "highest": 35.0}


def test_a_rate_at_which_training_fails_is_not_chosen(tmp_path):
    def training(rate):
        if rate == 2.0:
            raise Failed("run", DIVERGED, tmp_path / "log")
        return Pretended(tmp_path, rate)

    chosen = best_of((1.0, 2.0), training)
    assert chosen == {"rate": 1.0, "by_rate": {"1": 1.0, "2": None}}
    with pytest.raises(SystemExit, match="give rates below 2"):
        best_of((2.0,), training)


def test_what_failed_otherwise_is_not_hidden(tmp_path):
    def training(rate):
        raise Failed("run", 3, tmp_path / "log")

    with pytest.raises(Failed):
        best_of((1.0,), training)


def test_rows_are_those_of_the_report(tmp_path):
    rows = [
        {"name": "noisy image", "input": True, "psnr": 27.0, "ssim": 0.5},
        {"name": "a, 0 labels", "input": False, "psnr": 25.0, "ssim": 0.4},
        {"name": "a + 10 labels", "input": False, "psnr": 29.0, "ssim": 0.8},
    ]
    metrics = [{"step": 0, "validation_psnr": 20.0}, {"loss": 1.0}, {"validation_psnr": 29.5}]
    (tmp_path / "metrics.jsonl").write_text("\n".join(map(json.dumps, metrics)))
    trained = Trained(tmp_path, {"restored": rows})
    assert trained.row("input") == {"psnr": 27.0, "ssim": 0.5}
    assert trained.row("before") == {"psnr": 25.0, "ssim": 0.4}
    assert trained.row("network") == {"psnr": 29.0, "ssim": 0.8}
    assert Trained(tmp_path, {"restored": rows[:1]}).row("before") is None
    assert trained.validation_psnr == 29.5


def test_starts_are_told_apart_and_know_their_input():
    starts = [FRESH, *PHOTOGRAPHS.values(), *MOSAICS.values(), *map(supervised, TASKS)]
    assert len({start.name for start in starts}) == len(starts)
    assert all(start.raw for start in MOSAICS.values())
    assert not any(start.raw for start in PHOTOGRAPHS.values())
    assert {name for name in TASKS if supervised(name).raw} == {"jdd", "jdemsr", "jddsr"}


def test_runs_of_different_labels_have_different_names():
    names = [Labels().name, Labels(frozen=True).name, Labels(options={"label_count": 10}).name]
    assert len(set(names)) == 3 and trainings.Labels("sr").name == "sr-all"
