"""The trainer of denoisers: every loss, noise that is made, resume, and refusals."""

import json
import shutil

import numpy as np
import pytest

from train.denoiser import system
from train.denoiser.config import Config
from train.engine.metrics import read_metrics
from train.engine.program import main
from train.engine.system import Run

SMALL = (
    *("--steps", "6", "--batch-size", "8", "--evaluate-every", "3", "--save-every", "4"),
    *("--start-patches", "64", "--validation-patches", "20", "--test-patches", "21"),
    *("--patch-size", "16", "--features", "4", "--depth", "3", "--accelerator", "cpu"),
)


def run_small(records, workdir, *more):
    places = ("--data-dir", str(records), "--workdir", str(workdir))
    return main("train.denoiser", [*SMALL, *places, *more])


@pytest.fixture(scope="module")
def finished(records, made_once):
    def make(workdir):
        assert run_small(records, workdir) == 0

    return made_once("denoiser", make)


@pytest.fixture(scope="module")
def data(records, finished):
    from datasets.pipeline import open_dataset

    return open_dataset("camera_sim/exact", data_dir=records, patch_size=16)


def test_a_run_leaves_its_files_and_a_table(finished):
    assert {path.name for path in finished.iterdir()} == {
        *("config.json", "manifest.json", "metrics.jsonl", "checkpoints", "model"),
        *("figures", "evaluation.json", "report.html"),
    }
    rows = read_metrics(finished / "metrics.jsonl")
    assert [row["step"] for row in rows if "mse" in row] == [1, 2, 3, 4, 5, 6]
    evaluation = json.loads((finished / "evaluation.json").read_text())
    assert [row["name"] for row in evaluation["denoisers"]] == ["noisy", "supervised"]
    assert "models" not in evaluation


def test_going_on_from_an_earlier_checkpoint_is_the_straight_run(
    finished, records, tmp_path, run_content, without_figures
):
    resumed = tmp_path / "resumed"
    shutil.copytree(finished, resumed)
    shutil.rmtree(resumed / "checkpoints" / "6")
    shutil.rmtree(resumed / "model")
    assert run_small(records, resumed) == 0
    assert run_content(resumed) == run_content(finished)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"loss": "noise2noise"}, "Noise2Noise"),
        ({"loss": "synthetic", "noise": "awgn"}, "on AWGN"),
        ({"loss": "synthetic", "noise": "nlf"}, "on NLF"),
        ({"loss": "synthetic", "noise": "runs/mine/model"}, "on mine"),
    ],
)
def test_names_say_how_a_denoiser_was_trained(options, name):
    assert system.title(Config(**options)) == name


def test_other_losses_take_a_step(data, mesh, tmp_path):
    import jax

    sizes = {"steps": 2, "batch_size": 8, "start_patches": 64, "features": 4, "depth": 3}
    for options in (
        {"loss": "noise2noise"},
        {"loss": "synthetic", "noise": "nlf"},
        {"loss": "synthetic", "noise": "nlf", "error": "absolute"},
        {"loss": "supervised", "error": "absolute", "denoiser_normalisation": "none"},
    ):
        config = Config(**sizes, **options)
        task = system.task(Run(config=config, data={"data": data}, mesh=mesh, workdir=tmp_path), {})
        assert bool(jax.tree.leaves(task.fixed)) == (options["loss"] == "synthetic")
        state, metrics = jax.jit(task.step)(
            task.state, task.fixed, task.batch(0), jax.random.key(0)
        )
        assert np.isfinite(metrics["error_db"])
        moved = jax.tree.map(lambda a, b: bool(np.any(a != b)), state, task.state)
        assert all(jax.tree.leaves(moved["variables"]["params"]))


def test_validation_is_by_squared_errors_whatever_training_lowers(data, mesh, tmp_path):
    found = []
    for error in ("squared", "absolute"):
        config = Config(batch_size=8, validation_patches=20, features=4, depth=3, error=error)
        task = system.task(Run(config=config, data={"data": data}, mesh=mesh, workdir=tmp_path), {})
        found.append(task.evaluate(task.state, task.fixed))
    assert found[0] == found[1] and found[0].score == -found[0].values["validation_psnr"]


def test_more_steps_denoise(records, tmp_path, without_figures):
    more = ("--steps", "150", "--evaluate-every", "75", "--features", "16")
    more += ("--denoiser-learning-rate", "0.001")
    assert run_small(records, tmp_path / "run", *more) == 0
    noisy, found = json.loads((tmp_path / "run" / "evaluation.json").read_text())["denoisers"]
    assert found["error_ratio"] < 0.9 * noisy["error_ratio"]


@pytest.fixture
def noise_model(tmp_path):
    """A function that saves a fresh noise flow with given cameras and channels."""
    import jax

    from jaxnoise.io import save_model
    from jaxnoise.models import noiseflow

    def save(cameras, channels=4):
        config = noiseflow.Config(arch="S-G-CAM", cameras=cameras, channels=channels)
        variables = noiseflow.init(jax.random.key(0), config)
        folder = tmp_path / f"flow-{channels}"
        return str(save_model(folder, "noiseflow", config, variables))

    return save


def test_the_noise_of_a_model_folder_goes_by_the_names_of_cameras(data, noise_model):
    import jax

    from jaxnoise import models
    from jaxnoise.io import load_model
    from train.steps.noise_sources import noise_source

    turned = tuple(reversed(data.cameras))
    folder = noise_model(turned)
    source = noise_source(folder, data, patches=8, seed=0)
    batch = data.batch("train", seed=0, step=0, batch_size=8)
    key, clean = jax.random.key(3), jax.numpy.asarray(batch["clean"])
    made = source.draw(
        source.fixed,
        key,
        clean,
        jax.numpy.asarray(batch["camera"]),
        jax.numpy.asarray(batch["iso"]),
    )
    name, config, variables = load_model(folder)
    places = [turned.index(data.cameras[number]) for number in batch["camera"]]
    conditions = jax.numpy.array(places), jax.numpy.asarray(batch["iso"])
    expected = models.get(name).sample(key, variables, config, clean, *conditions)
    np.testing.assert_array_equal(made, expected)


def test_models_that_do_not_fit_the_images_are_refused(records, tmp_path, noise_model, capsys):
    synthetic = ("--loss", "synthetic", "--noise")
    for folder, code, sentence in (
        (noise_model(("other",)), 2, "does not know the camera"),
        (noise_model(("other",), channels=3), 2, "for 3 channels"),
        (str(tmp_path / "nowhere"), 3, "nowhere"),
    ):
        assert run_small(records, tmp_path / "run", *synthetic, folder) == code
        assert sentence in capsys.readouterr().err
        assert not (tmp_path / "run").exists()


def test_whether_noisy_images_stay_within_the_scale(data):
    from train.steps.noise_sources import is_clipped

    assert not is_clipped(data, seed=0)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--loss", "synthetic"), "--noise belong together"),
        (("--noise", "nlf"), "--noise belong together"),
        (("--loss", "guessed"), "--loss"),
        (("--loss", "noise2noise", "--error", "absolute"), "only their mean is the clean image"),
        (("--error", "cubed"), "--error"),
        (("--denoiser", "unet", "--features", "4"), "must divide by 3"),
    ],
)
def test_bad_requests_are_one_sentence_and_write_nothing(
    records, tmp_path, capsys, options, sentence
):
    assert run_small(records, tmp_path / "run", *options) == 2
    said = capsys.readouterr().err.splitlines()
    assert sentence in said[-1] and len(said) == 1
    assert not (tmp_path / "run").exists()
