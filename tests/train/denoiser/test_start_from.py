"""Training a denoiser from the model of an earlier run, and what tells such a run from others."""

import json
import shutil

import pytest

from jaxnoise.io import load_model
from tests.train.denoiser.test_denoiser import run_small
from train.engine.metrics import read_metrics


@pytest.fixture(scope="module")
def earlier(records, made_once):
    def make(workdir):
        assert run_small(records, workdir) == 0

    return made_once("denoiser", make)


@pytest.fixture(scope="module")
def later(earlier, records, made_once):
    def make(workdir):
        assert run_small(records, workdir, "--start-from", str(earlier / "model")) == 0

    return made_once("denoiser_start_from", make)


def validations(workdir):
    rows = read_metrics(workdir / "metrics.jsonl")
    return [row["validation_psnr"] for row in rows if "validation_psnr" in row]


def test_training_begins_where_the_earlier_one_ended(earlier, later):
    before, after = validations(earlier), validations(later)
    assert after[0] == pytest.approx(max(before), abs=1e-4)
    assert after[0] != pytest.approx(before[0], abs=1e-4)
    _, config, variables = load_model(later / "model")
    assert config == load_model(earlier / "model").config
    assert set(variables) == {"params", "batch_stats"}


def test_the_manifest_says_what_training_began_from(earlier, later):
    manifest = json.loads((later / "manifest.json").read_text())
    assert manifest["options"]["start_from"] == str(earlier / "model")
    assert manifest["other_input"].startswith("start ")
    assert "other_input" not in json.loads((earlier / "manifest.json").read_text())


def test_going_on_is_the_straight_run_wherever_the_model_lies(
    earlier, later, records, tmp_path, run_content, without_figures
):
    resumed, moved = tmp_path / "resumed", tmp_path / "moved"
    shutil.copytree(earlier / "model", moved)
    shutil.copytree(later, resumed)
    shutil.rmtree(resumed / "checkpoints" / "6")
    shutil.rmtree(resumed / "model")
    assert run_small(records, resumed, "--start-from", str(moved)) == 0
    assert run_content(resumed) == run_content(later)


def test_another_start_is_another_run(later, records, tmp_path, capsys):
    copy = tmp_path / "run"
    shutil.copytree(later, copy)
    for start in ((), ("--start-from", str(later / "model"))):
        assert run_small(records, copy, *start) == 2
        assert "read other files beside its data" in capsys.readouterr().err


def test_starts_that_do_not_fit_are_one_sentence_and_write_nothing(
    earlier, records, tmp_path, capsys
):
    model = str(earlier / "model")
    for options, code, sentence in (
        (("--start-from", str(tmp_path / "nowhere")), 3, "nowhere is not a folder"),
        (("--start-from", str(earlier)), 3, "did you mean"),
        (("--start-from", model, "--depth", "4"), 2, "depth is 3, and 4 is asked for"),
        (
            ("--start-from", model, "--denoiser-normalisation", "none"),
            2,
            "normalisation is batch, and none is asked for",
        ),
    ):
        assert run_small(records, tmp_path / "run", *options) == code
        said = capsys.readouterr().err.splitlines()
        assert sentence in said[-1] and len(said) == 1
        assert not (tmp_path / "run").exists()
