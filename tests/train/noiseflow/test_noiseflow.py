"""The program that the README opens with: options, refusals, and a whole small run."""

import json
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

from jaxnoise.errors import DataError
from tests.processes import environment
from train.engine.metrics import read_metrics
from train.engine.program import main
from train.noiseflow.config import PRESETS
from train.steps import checks

SMALL = (
    *("--steps", "6", "--batch-size", "8", "--evaluate-every", "3", "--save-every", "4"),
    *("--start-patches", "64", "--validation-patches", "20", "--test-patches", "21"),
    *("--patch-size", "16", "--arch", "N-W-Ax1", "--compare", "none", "--accelerator", "cpu"),
)


def run_small(records, workdir, *more):
    places = ("--data-dir", str(records), "--workdir", str(workdir))
    return main("train.noiseflow", [*SMALL, *places, *more])


@pytest.mark.fast
def test_help_takes_less_than_a_second_and_imports_no_jax():
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "train.noiseflow", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    # The promise is one second on an idle machine; tests share theirs.
    assert time.perf_counter() - start < 3
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert not imported & {"jax", "flax", "distrax", "orbax.checkpoint", "grain", "optax"}
    assert "--moments-learning-rate" in done.stdout


@pytest.mark.fast
@pytest.mark.parametrize("preset", list(PRESETS))
def test_presets_are_options_of_the_system(preset, capsys):
    assert main("train.noiseflow", ["--preset", preset, "--print-config"]) == 0
    printed = capsys.readouterr().out
    for name, value in PRESETS[preset].items():
        assert f"{name} = {json.dumps(value)}\n" in printed


@pytest.mark.fast
@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        (("--steps", "0"), 2, "--steps must be at least 1"),
        (("--accelerator", "gpu"), 2, "finds only cpu here"),
        (("--dataset", "nowhere"), 2, "there is no dataset 'nowhere'"),
        (("--arch", "S-X9"), 2, "X9"),
        (("--compare", "S-X9"), 2, "X9"),
        (("--dataset", "pairs"), 2, "--source"),
        (("--dataset", "pairs", "--source", "/nonexistent"), 3, "/nonexistent"),
        (("--width", "0"), 2, "--width must be at least 1"),
        (("--batch-size", "100000000"), 2, "--batch-size must be at most"),
        (("--batch-size", "1000000"), 2, "too much for this machine: use at most"),
        (("--dataset", "images"), 3, "has no noisy images"),
        (("--arch", "Q-Ax1", "--patch-size", "9"), 2, "use --patch-size 8 or 10"),
        (("--compare", "Q-Q-W", "--patch-size", "10"), 2, "use --patch-size 8 or 12"),
    ],
)
def test_bad_requests_are_one_sentence_and_write_nothing(
    records, tmp_path, capsys, options, code, sentence
):
    assert run_small(records, tmp_path / "run", *options) == code
    said = capsys.readouterr().err.splitlines()
    assert sentence in said[-1]
    assert len([line for line in said if line.startswith("jaxnoise:")]) == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.fast
@pytest.mark.parametrize("offset", [0.0, 0.1])
def test_noise_that_is_constant_is_refused_and_nothing_is_written(tmp_path, capsys, offset):
    generator, folder = np.random.default_rng(0), tmp_path / "pairs"
    folder.mkdir()
    lines = ["noisy,clean,camera,iso,scene,split"]
    for split in ("train", "validation", "test"):
        clean = generator.random((20, 20, 3), np.float32) * np.float32(0.8)
        np.savez(folder / f"{split}_clean.npz", image=clean)
        np.savez(folder / f"{split}_noisy.npz", image=clean + np.float32(offset))
        lines.append(f"{split}_noisy.npz,{split}_clean.npz,one,100,{split},{split}")
    (folder / "index.csv").write_text("\n".join(lines) + "\n")
    pairs = ("--dataset", "pairs", "--source", str(folder))
    assert run_small(tmp_path / "records", tmp_path / "run", *pairs) == 3
    assert ("is constant" if offset else "are the same image") in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.fast
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_noise_that_is_not_finite_is_refused(value):
    noisy = np.random.default_rng(0).random((4, 2, 2, 3), np.float32)
    noisy[3, 1, 1, 2] = value
    with pytest.raises(DataError, match="mine is not finite"):
        checks.check_noise({"clean": np.zeros_like(noisy), "noisy": noisy}, name="mine")


def test_a_batch_that_eight_devices_cannot_share(tmp_path):
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "train.noiseflow",
            "--batch-size",
            "12",
            "--workdir",
            tmp_path / "r",
        ],
        env=environment(devices=8),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "use 8 or 16" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "r").exists()


@pytest.fixture(scope="module")
def finished(records, made_once):
    def make(workdir):
        assert run_small(records, workdir) == 0

    return made_once("noiseflow", make)


def test_a_run_leaves_its_files_and_a_row_for_every_step_and_validation(finished):
    assert {path.name for path in finished.iterdir()} == {
        *("config.json", "manifest.json", "metrics.jsonl", "checkpoints", "model"),
        *("figures", "evaluation.json", "report.html"),
    }
    rows = read_metrics(finished / "metrics.jsonl")
    assert [row["step"] for row in rows if "nll" in row] == [1, 2, 3, 4, 5, 6]
    assert [row["step"] for row in rows if "validation_nll" in row] == [0, 3, 6]
    assert json.loads((finished / "manifest.json").read_text())["data_fingerprint"]
    assert len(json.loads((finished / "evaluation.json").read_text())["models"]) >= 4


def test_a_start_that_no_step_improved_on_is_told(finished):
    rows = read_metrics(finished / "metrics.jsonl")
    scores = [row["validation_nll"] for row in rows if "validation_nll" in row]
    remarks = json.loads((finished / "evaluation.json").read_text())["remarks"]
    told = "N-W-Ax1: none of 6 steps was better by validation than the start, which is kept."
    assert remarks == ([told] if min(scores) == scores[0] else [])
    page = (finished / "report.html").read_text()
    assert all(page.index("likelihood") < page.index(remark) for remark in remarks)


def test_the_exported_model_is_the_best_by_validation(finished, records):
    from datasets.pipeline import open_dataset
    from jaxnoise import models
    from jaxnoise.io import load_model
    from jaxnoise.io.model_folder import read_learned_from
    from train.densities import nll_per_dimension
    from train.engine.devices import start_jax

    loaded = load_model(finished / "model")
    data = open_dataset("camera_sim/exact", data_dir=records, patch_size=16)
    learned = read_learned_from(finished / "model")
    highest = max(data.batch("train", seed=0, step=0, batch_size=64)["clean"].max(), 0)
    assert learned["stored"] == "float32" and highest <= learned["brightest"] <= 1
    # Another batch size than in training: padding must not count.
    batches = data.batches("validation", batch_size=7, limit=20)
    nll = nll_per_dimension(models.get("noiseflow"), loaded.config, start_jax("cpu"))
    scores = [row.get("validation_nll", np.inf) for row in read_metrics(finished / "metrics.jsonl")]
    values = nll(loaded.variables, batches)
    assert values.shape == (20,)
    np.testing.assert_allclose(values.mean(), min(scores), rtol=1e-5)


def test_the_same_command_again_changes_nothing(
    finished, records, tmp_path, run_content, without_figures
):
    again = tmp_path / "again"
    shutil.copytree(finished, again)
    assert run_small(records, again) == 0
    assert run_content(again) == run_content(finished)


def test_going_on_from_an_earlier_checkpoint_is_the_straight_run(
    finished, records, tmp_path, run_content, without_figures
):
    resumed = tmp_path / "resumed"
    shutil.copytree(finished, resumed)
    shutil.rmtree(resumed / "checkpoints" / "6")
    shutil.rmtree(resumed / "model")
    assert run_small(records, resumed) == 0
    assert run_content(resumed) == run_content(finished)


def test_another_configuration_is_refused(finished, records, capsys):
    before = (finished / "config.json").read_bytes()
    assert run_small(records, finished, "--seed", "3") == 2
    assert "seed 0 there, 3 here" in capsys.readouterr().err
    assert (finished / "config.json").read_bytes() == before


@pytest.mark.parametrize(("rate", "ends"), [("1", "got worse by training"), ("1000", "")])
def test_a_learning_rate_far_too_high_exits_4_and_says_so_first(
    records, tmp_path, capsys, without_figures, rate, ends
):
    rates = ("--moments-learning-rate", rate, "--learning-rate", rate)
    assert run_small(records, tmp_path / "run", *rates) == 4
    said = capsys.readouterr()
    sentence = f"N-W-Ax1 {ends}" if ends else "N-W-Ax1"
    assert said.out.startswith(f"FAILED: {sentence}") and sentence in said.err.splitlines()[-1]
    evaluation = json.loads((tmp_path / "run/evaluation.json").read_text())
    assert sentence in evaluation["failed"][0]
    page = (tmp_path / "run/report.html").read_text()
    assert page.index(sentence) < page.index("the best likelihood")
    # What is exported is the model before it got worse.
    assert (tmp_path / "run/model/model.safetensors").is_file()


def test_the_compared_architecture_is_trained_beside(records, tmp_path, without_figures):
    workdir = tmp_path / "run"
    assert run_small(records, workdir, "--compare", "N-W") == 0
    assert (workdir / "compare/N-W/model/model.safetensors").is_file()
    names = [row["name"] for row in json.loads((workdir / "evaluation.json").read_text())["models"]]
    assert {"AWGN", "NLF", "autoregressive", "N-W", "N-W-Ax1"} <= set(names)


def test_one_and_eight_devices_give_the_same_losses(records, assert_same_losses):
    options = {"arch": "N-W-Ax1", "compare": "none", "batch_size": 8, "steps": 20}
    options |= {"start_patches": 64, "normalisation": "batch", "patch_size": 16}
    options |= {"data_dir": str(records)}
    assert_same_losses("train.noiseflow", options, loss="nll")
