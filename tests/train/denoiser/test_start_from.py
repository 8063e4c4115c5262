"""Training a denoiser from the model of an earlier run, and what tells such a run from others."""

import hashlib
import json
import shutil

import jax
import numpy as np
import pytest

import jaxnoise
from jaxnoise.io import save_model
from jaxnoise.models import denoiser
from tests.train.denoiser.test_denoiser import run_small
from train.engine.metrics import read_metrics

CONFIG = denoiser.Config(features=4, depth=3)


@pytest.fixture(scope="module")
def start(made_once):
    """The folder of a denoiser that removes something, and no run has made."""

    def make(folder):
        save_model(folder, "denoiser", CONFIG, weights(7))

    return made_once("denoiser_to_start_from", make)


def weights(seed):
    """Fresh variables whose last layer is not small."""
    variables = denoiser.init(jax.random.key(seed), CONFIG)
    last = variables["params"]["norm_1"]
    last["scale"] = 20 * last["scale"]
    return variables


@pytest.fixture(scope="module")
def later(start, records, made_once):
    def make(workdir):
        assert run_small(records, workdir, "--start-from", str(start)) == 0

    return made_once("denoiser_start_from", make)


def test_training_begins_with_the_estimates_of_the_model(start, later, records):
    from datasets.pipeline import open_dataset

    data = open_dataset("camera_sim/exact", data_dir=records, patch_size=16)
    model, errors = jaxnoise.load(start), []
    for batch in data.batches("validation", batch_size=10, limit=20):
        errors.append((np.asarray(model.denoise(batch["noisy"])) - batch["clean"]) ** 2)
    psnr = -10 * np.log10(np.mean(errors))
    rows = read_metrics(later / "metrics.jsonl")
    found = [row["validation_psnr"] for row in rows if "validation_psnr" in row]
    # The mean of 20 x 16 x 16 x 4 float32 squares, in another order.
    assert found[0] == pytest.approx(psnr, abs=1e-4)
    assert found[-1] > found[0]


def test_the_manifest_says_what_training_began_from(start, later):
    manifest = json.loads((later / "manifest.json").read_text())
    assert manifest["options"]["start_from"] == str(start)
    described = hashlib.sha256((start / "config.json").read_bytes()).hexdigest()
    assert manifest["other_input"] == f"start {described}"


def test_going_on_is_the_straight_run_wherever_the_model_lies(
    start, later, records, tmp_path, run_content, without_figures
):
    resumed, moved = tmp_path / "resumed", tmp_path / "moved"
    shutil.copytree(start, moved)
    shutil.copytree(later, resumed)
    shutil.rmtree(resumed / "checkpoints" / "6")
    shutil.rmtree(resumed / "model")
    assert run_small(records, resumed, "--start-from", str(moved)) == 0
    assert run_content(resumed) == run_content(later)


def test_another_start_is_another_run(later, records, tmp_path, capsys):
    copy = tmp_path / "run"
    shutil.copytree(later, copy)
    other = save_model(tmp_path / "other", "denoiser", CONFIG, weights(8))
    for options in ((), ("--start-from", str(other))):
        assert run_small(records, copy, *options) == 2
        assert "read other files beside its data" in capsys.readouterr().err


def test_starts_that_do_not_fit_are_one_sentence_and_write_nothing(
    start, later, records, tmp_path, capsys
):
    model = str(start)
    for options, code, sentence in (
        (("--start-from", str(tmp_path / "nowhere")), 3, "nowhere is not a folder"),
        (("--start-from", str(later)), 3, "did you mean"),
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
