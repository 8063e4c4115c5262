"""Pre-training on noisy images: what a run leaves, resume, devices, and refusals."""

import json
import shutil

import imagecodecs
import numpy as np
import pytest

from jaxnoise import load
from jaxnoise.models import denoiser
from tests.train.cono.test_cono import write_photograph
from train.engine.metrics import read_metrics
from train.engine.program import main
from train.rcl.judge import COLLAPSED
from train.steps.model_folders import start_of

SMALL = (
    *("--steps", "6", "--batch-size", "4", "--evaluate-every", "3", "--save-every", "4"),
    *("--validation-patches", "8", "--test-patches", "8", "--patch-size", "16"),
    *("--features", "3", "--accelerator", "cpu"),
)
DNCNN = ("--denoiser", "dncnn", "--depth", "3")


@pytest.fixture(scope="session")
def photographs(made_once):
    """A folder of small photographs in three splits."""

    def make(folder):
        for split, count in (("train", 5), ("validation", 2), ("test", 2)):
            for number in range(count):
                write_photograph(folder / split / f"{number}.png", seed=100 * len(split) + number)

    return made_once("photographs_to_pretrain", make)


def run_small(photographs, records, workdir, *more):
    places = ("--source", str(photographs), "--data-dir", str(records), "--workdir", str(workdir))
    return main("train.rcl", ["pretrain", *SMALL, *places, *more])


@pytest.fixture(scope="session")
def finished(photographs, records, made_once):
    """The folder of a run that nothing interrupted."""

    def make(workdir):
        assert run_small(photographs, records, workdir) == 0

    return made_once("rcl-pretrain", make)


def test_a_run_leaves_a_denoiser_and_a_report(finished):
    rows = read_metrics(finished / "metrics.jsonl")
    steps = [row for row in rows if "loss" in row]
    assert [row["step"] for row in steps] == list(range(1, 7))
    for row in steps:
        total = 0.1 * row["contrastive"] + row["consistency"]
        np.testing.assert_allclose(row["loss"], total, rtol=1e-6)
    judged = [row for row in rows if "validation_loss" in row]
    assert [row["step"] for row in judged] == [0, 3, 6]
    assert {"validation_psnr", "validation_noisy_psnr"} <= judged[0].keys()
    found = json.loads((finished / "evaluation.json").read_text())
    before, after, truth = found["residuals"]
    names = [row["name"] for row in found["residuals"]]
    assert names == ["before training", "RCL", "true noise"]
    assert truth["to_truth"] == 0 < after["to_truth"] and truth["std_over_truth"] == 1
    assert after["trained"] and before["std"] != after["std"] and found["patches"] == 16
    pictures = {path.stem for path in (finished / "figures").iterdir()}
    assert pictures == {"training", "differences", "residual-strength", "estimates"}
    image = np.full((20, 24, 3), 0.5, np.float32)
    assert load(finished / "model").denoise(image).shape == image.shape


def test_other_trainings_may_begin_from_it(finished):
    class Data:
        name, channels = "images", 3

    settings = denoiser.Config(net="unet", channels=3, features=3, normalisation="none")
    assert start_of(finished / "model", settings, data=Data) is not None


def test_going_on_from_an_earlier_checkpoint_is_the_straight_run(
    finished, photographs, records, tmp_path, run_content
):
    resumed = tmp_path / "resumed"
    shutil.copytree(finished, resumed)
    shutil.rmtree(resumed / "checkpoints" / "6")
    shutil.rmtree(resumed / "model")
    assert run_small(photographs, records, resumed) == 0
    assert run_content(resumed) == run_content(finished)


def test_several_devices_give_the_same_losses(photographs, records, assert_same_losses):
    options = {"steps": 3, "batch_size": 8, "patch_size": 16, "features": 4}
    # Steps are so large that the next losses show them; alpha makes the distances count.
    options |= {"learning_rate": 0.01, "alpha": 1.0, "temperature": 1.0, "denoiser": "dncnn"}
    options |= {"depth": 3, "source": str(photographs), "data_dir": str(records)}
    more = {"command": "pretrain", "devices": (1, 2, 8)}
    assert_same_losses("train.rcl", options, loss="loss", **more)


def test_raw_leaves_a_model_that_demosaics(photographs, records, tmp_path):
    workdir = tmp_path / "run"
    options = (*DNCNN, "--input", "raw", "--steps", "3", "--tile", "32")
    assert run_small(photographs, records, workdir, *options) == 0
    found = json.loads((workdir / "evaluation.json").read_text())
    assert found["patch_shape"] == [8, 8, 4]
    assert [row["name"] for row in found["residuals"]][-1] == "true noise"
    model = load(workdir / "model")
    assert model.restore(np.full((10, 12, 4), 0.5, np.float32)).shape == (20, 24, 3)


@pytest.mark.parametrize(
    ("method", "takes"), [("rcl", "raw"), ("noise2self", "rgb"), ("mosaic2mosaic", "raw")]
)
def test_raw_and_other_methods_are_the_same_on_several_devices(
    photographs, records, assert_same_losses, method, takes
):
    options = {"steps": 3, "batch_size": 8, "patch_size": 16, "features": 4, "depth": 3}
    options |= {"input": takes, "method": method, "learning_rate": 0.01, "alpha": 1.0}
    options |= {"denoiser": "dncnn", "source": str(photographs), "data_dir": str(records)}
    assert_same_losses("train.rcl", options, loss="loss", command="pretrain")


@pytest.mark.fast
def test_few_photographs_are_cut_into_tiles(photographs, records, monkeypatch):
    from train.rcl import images
    from train.rcl.config import PretrainConfig

    def count(**options):
        config = PretrainConfig(source=photographs, data_dir=records, **options)
        return images.noisy_crops(config, "rgb").sizes["train"]

    # Each of 5 photographs of 40 x 48 pixels has 6 tiles of 16, and 2 of 24.
    assert count(patch_size=8) == 30 and count(patch_size=8, tile=24) == 10
    # None has room for one of 44.
    assert count(patch_size=8, tile=0) == count(patch_size=22) == 5
    monkeypatch.setattr(images, "FEW_IMAGES", 5)
    assert count(patch_size=8) == 5


def test_without_contrast_a_network_hands_back_its_input_and_has_failed(
    photographs, records, tmp_path, capsys
):
    options = (*DNCNN, "--steps", "10", "--learning-rate", "0.01", "--no-images")
    strength = {}
    for alpha, code in (("0", 4), ("1", 0)):
        workdir = tmp_path / alpha
        assert run_small(photographs, records, workdir, *options, "--alpha", alpha) == code
        rows = read_metrics(workdir / "metrics.jsonl")
        found = [row["validation_residual_over_noise"] for row in rows if "validation_loss" in row]
        strength[alpha] = found
    # A DnCNN begins near the identity, which consistency alone comes ever closer to.
    assert strength["0"][0] == strength["1"][0] < COLLAPSED
    assert strength["0"][-1] < strength["0"][0] and strength["1"][-1] > COLLAPSED
    assert "hands back what it gets" in capsys.readouterr().err
    assert "hands back" in json.loads((tmp_path / "0/evaluation.json").read_text())["failed"][0]
    assert json.loads((tmp_path / "1/evaluation.json").read_text())["failed"] == []


def test_noise2noise_learns_to_remove_noise(photographs, records, tmp_path):
    options = (*DNCNN, "--method", "noise2noise", "--steps", "60", "--learning-rate", "0.01")
    workdir = tmp_path / "run"
    assert run_small(photographs, records, workdir, *options, "--features", "8") == 0
    found = json.loads((workdir / "evaluation.json").read_text())
    before, after, _ = found["residuals"]
    # A DnCNN begins with the noisy image itself.
    assert abs(before["psnr"] - found["noisy_psnr"]) < 0.5 < after["psnr"] - before["psnr"]


@pytest.mark.parametrize(("method", "takes"), [("noise2self", "rgb"), ("mosaic2mosaic", "raw")])
def test_other_methods_lower_their_loss(photographs, records, tmp_path, method, takes):
    options = (*DNCNN, "--method", method, "--input", takes, "--steps", "40", "--no-images")
    options = (*options, "--learning-rate", "0.01", "--features", "8", "--evaluate-every", "40")
    assert run_small(photographs, records, tmp_path / "run", *options) == 0
    rows = read_metrics(tmp_path / "run" / "metrics.jsonl")
    judged = [row["validation_loss"] for row in rows if "validation_loss" in row]
    assert judged[-1] < judged[0]


def test_images_that_are_noisy_already_need_no_clean_ones(records, tmp_path):
    random = np.random.default_rng(0)
    for split, count in (("train", 3), ("validation", 2), ("test", 2)):
        for number in range(count):
            file = tmp_path / "noisy" / split / f"{number}.png"
            write_photograph(file, seed=10 * len(split) + number)
            image = imagecodecs.png_decode(file.read_bytes()).astype(np.float64)
            noisy = image + random.normal(0, 5 + 5 * number, image.shape)
            file.write_bytes(imagecodecs.png_encode(noisy.clip(0, 255).astype(np.uint8)))
    options = ("--dataset", "images/noisy", "--levels", "none", "--no-images")
    assert run_small(tmp_path / "noisy", records, tmp_path / "run", *options) == 0
    found = json.loads((tmp_path / "run/evaluation.json").read_text())
    assert [row["name"] for row in found["residuals"]] == ["before training", "RCL"]
    assert found["noisy_psnr"] is None and found["residuals"][1]["to_truth"] is None
    assert "estimates.png" not in {path.name for path in (tmp_path / "run/figures").iterdir()}


@pytest.mark.fast
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--batch-size", "1"), "no other images"),
        (("--alpha", "-1"), "--alpha must be at least 0"),
        (("--temperature", "0"), "--temperature must be more than 0"),
        (("--highest-sigma", "0"), "--highest-sigma must be more than 0"),
        (("--levels", "strong"), "--levels"),
        (("--levels", "none"), "no noisy images"),
        (("--levels", "none", "--input", "raw"), "takes mosaics or packed raw"),
        (("--method", "noise2noise", "--input", "raw"), "takes rgb"),
        (("--method", "mosaic2mosaic"), "takes raw"),
        (("--method", "noise2self", "--input", "raw"), "takes rgb"),
        (("--method", "mosaic2mosaic", "--input", "raw", "--levels", "none"), "moved"),
        (("--encoder", "nowhere.safetensors"), "nowhere.safetensors"),
        (("--patch-size", "64"), "smaller crop"),
        (("--patch-size", "15", "--input", "raw"), "even"),
        (("--tile", "500"), "--tile 500 is no side"),
        (("--tile", "16"), "--tile 16 is no side of squares for crops of 16 pixels"),
        (("--source", "nowhere"), "nowhere"),
        (("--features", "4"), "must divide by 3"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_a_sentence(
    photographs, records, tmp_path, capsys, options, sentence
):
    code = run_small(photographs, records, tmp_path / "run", *options)
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert code in (2, 3) and sentence in said
    assert not (tmp_path / "run" / "checkpoints").exists()


@pytest.mark.fast
def test_one_image_is_no_contrast(records, tmp_path, capsys):
    for split in ("train", "validation", "test"):
        write_photograph(tmp_path / "few" / split / "0.png", seed=len(split))
    assert run_small(tmp_path / "few", records, tmp_path / "run") == 3
    assert "tells images apart" in capsys.readouterr().err


@pytest.mark.fast
def test_patches_of_one_image_are_no_contrast(records, tmp_path, capsys):
    folder, random = tmp_path / "pairs", np.random.default_rng(0)
    folder.mkdir()
    rows = ["noisy,noisy2,camera,iso,scene,split"]
    for split in ("train", "validation", "test"):
        for kind in ("noisy", "noisy2"):
            image = random.integers(0, 256, (70, 70, 3), dtype=np.uint8)
            (folder / f"{split}_{kind}.png").write_bytes(imagecodecs.png_encode(image))
        rows.append(f"{split}_noisy.png,{split}_noisy2.png,one,100,{split},{split}")
    (folder / "index.csv").write_text("\n".join(rows))
    options = ("--dataset", "pairs", "--levels", "none")
    assert run_small(folder, records, tmp_path / "run", *options) == 3
    assert "tells images apart" in capsys.readouterr().err


@pytest.mark.fast
def test_grey_photographs_are_refused(records, tmp_path, capsys):
    for number in range(9):
        split = "train" if number < 5 else "validation" if number < 7 else "test"
        write_photograph(tmp_path / "grey" / split / f"{number}.png", seed=number, channels=1)
    assert run_small(tmp_path / "grey", records, tmp_path / "run") in (2, 3)
    assert "photographs in colour" in capsys.readouterr().err
