"""Training on labels: what a run leaves, where it starts, what stays frozen, resume and devices."""

import json
import shutil
from pathlib import Path

import imagecodecs
import jax
import numpy as np
import pytest

import jaxnoise
from datasets.crops import open_images
from datasets.labels import take_labels
from jaxnoise.io import load_model, save_model
from jaxnoise.models import denoiser
from tests.train.cono.test_cono import write_photograph
from train.engine.metrics import read_metrics
from train.engine.program import main
from train.rcl.measured import folder_name

CONFIG = denoiser.Config(channels=3, features=4, depth=3, normalisation="none")
SIDE = 16
SMALL = (
    *("--steps", "6", "--batch-size", "4", "--evaluate-every", "3", "--save-every", "4"),
    *("--validation-patches", "6", "--test-patches", "10", "--patch-size", str(SIDE)),
    *("--accelerator", "cpu"),
)
TINY = ("--denoiser", "dncnn", "--features", "4", "--depth", "3")


@pytest.fixture(scope="session")
def photographs(made_once):
    """A folder of small photographs in three splits."""

    def make(folder):
        for split, count in (("train", 4), ("validation", 2), ("test", 2)):
            for number in range(count):
                write_photograph(folder / split / f"{number}.png", seed=10 * len(split) + number)

    return made_once("labelled_photographs", make)


@pytest.fixture(scope="session")
def start(made_once):
    """The folder of a denoiser that no run has made."""

    def make(folder):
        save_model(folder, "denoiser", CONFIG, weights(7))

    return made_once("denoiser_for_labels", make)


def weights(seed):
    """Fresh variables whose estimates are not nearly the image."""
    variables = denoiser.init(jax.random.key(seed), CONFIG)
    last = variables["params"]["conv_2"]
    last["kernel"] = 10 * last["kernel"]
    return variables


def run_small(photographs, records, workdir, *more, command="finetune"):
    places = ("--source", str(photographs), "--data-dir", str(records), "--workdir", str(workdir))
    return main("train.rcl", [command, *SMALL, *places, *more])


def rows_of(workdir):
    return json.loads((workdir / "evaluation.json").read_text())["restored"]


def validation_psnr(workdir):
    rows = read_metrics(workdir / "metrics.jsonl")
    return [row["validation_psnr"] for row in rows if "validation_psnr" in row]


@pytest.fixture(scope="session")
def finished(photographs, records, start, made_once):
    """The folder of a run on three labels that nothing interrupted."""

    def make(workdir):
        options = ("--start-from", str(start), "--label-count", "3")
        assert run_small(photographs, records, workdir, *options) == 0

    return made_once("finetune", make)


@pytest.fixture(scope="session")
def frozen(photographs, records, start, made_once):
    """The folder of a run that trains the last layer alone."""

    def make(workdir):
        assert run_small(photographs, records, workdir, "--start-from", str(start), "--frozen") == 0

    return made_once("finetune_frozen", make)


@pytest.fixture(scope="session")
def held(photographs, records):
    """Labels of a split, taken anew."""
    images = open_images("images", source=photographs, data_dir=records)
    options = {"task": "denoise", "size": SIDE, "highest": 20 / 255, "tile": 2 * SIDE}
    return lambda split, most: take_labels(images, split, most=most, **options)


def test_training_begins_at_the_model_and_ends_in_a_model(finished, start, held):
    steps = [row for row in read_metrics(finished / "metrics.jsonl") if "loss" in row]
    assert [row["step"] for row in steps] == list(range(1, 7))
    labels = held("validation", 6)
    errors = (np.asarray(jaxnoise.load(start).denoise(labels.inputs)) - labels.targets) ** 2
    found = validation_psnr(finished)
    assert found[0] == pytest.approx(-10 * np.log10(errors.mean(dtype=np.float64)), abs=1e-3)
    assert found[-1] > found[0]
    assert load_model(finished / "model").name == "denoiser"


def test_the_report_has_the_input_the_start_and_the_network(finished, start, held):
    labels = held("test", 10)
    rows = rows_of(finished)
    assert [row["name"] for row in rows] == [
        "noisy",
        f"{start.name}, 0 labels",
        f"{start.name} + 3 labels",
    ]
    estimates = [
        labels.inputs,
        *(
            np.asarray(jaxnoise.load(folder).denoise(labels.inputs))
            for folder in (start, finished / "model")
        ),
    ]
    for row, estimate in zip(rows, estimates, strict=True):
        errors = ((estimate.clip(0, 1) - labels.targets) ** 2).mean((1, 2, 3), dtype=np.float64)
        assert row["psnr"] == pytest.approx(np.mean(-10 * np.log10(errors)), abs=1e-3)
        assert 0 < row["ssim"] <= 1
    facts = json.loads((finished / "evaluation.json").read_text())
    assert (facts["labels"], facts["label_images"], facts["frozen"]) == (3, 3, False)
    assert (facts["crops"], facts["images"]) == (10, 2)


def test_a_frozen_network_keeps_all_but_a_fresh_last_layer(frozen, start):
    before, after = (load_model(folder).variables["params"] for folder in (start, frozen / "model"))
    assert before.keys() == after.keys()
    for layer, leaves in before.items():
        same = all(np.array_equal(leaves[name], after[layer][name]) for name in leaves)
        assert same == (layer != "conv_2")
    found = validation_psnr(frozen)
    assert found[-1] > found[0]


def test_a_frozen_run_goes_on_from_an_earlier_checkpoint(
    frozen, photographs, records, start, tmp_path, run_content, without_figures
):
    resumed = tmp_path / "resumed"
    shutil.copytree(frozen, resumed)
    shutil.rmtree(resumed / "checkpoints" / "6")
    shutil.rmtree(resumed / "model")
    options = ("--start-from", str(start), "--frozen")
    assert run_small(photographs, records, resumed, *options) == 0
    assert run_content(resumed) == run_content(frozen)


def test_going_on_from_an_earlier_checkpoint_is_the_straight_run(
    finished, photographs, records, start, tmp_path, run_content, without_figures
):
    resumed, moved = tmp_path / "resumed", tmp_path / "moved"
    shutil.copytree(start, moved)
    shutil.copytree(finished, resumed)
    shutil.rmtree(resumed / "checkpoints" / "6")
    shutil.rmtree(resumed / "model")
    options = ("--start-from", str(moved), "--label-count", "3")
    assert run_small(photographs, records, resumed, *options) == 0
    assert run_content(resumed) == run_content(finished)


@pytest.mark.parametrize("frozen", [False, True])
def test_one_and_eight_devices_give_the_same_losses(
    photographs, records, start, assert_same_losses, frozen
):
    options = {"steps": 4, "batch_size": 8, "patch_size": SIDE, "start_from": str(start)}
    options |= {"source": str(photographs), "data_dir": str(records), "frozen": frozen}
    options |= {"label_count": 5}
    assert_same_losses("train.rcl", options, loss="loss", command="finetune", devices=(1, 8))


@pytest.mark.parametrize(
    ("task", "channels", "factor"),
    [("sr", 3, 2), ("jdensr", 3, 2), ("jdd", 4, 2), ("jdemsr", 4, 4), ("jddsr", 4, 4)],
)
def test_every_other_task_ends_in_a_model_that_restores(
    photographs, records, tmp_path, without_figures, task, channels, factor
):
    options = ("--task", task, "--label-count", "4", "--steps", "2", *TINY)
    assert run_small(photographs, records, tmp_path / "run", *options) == 0
    model = jaxnoise.load(tmp_path / "run" / "model")
    assert (model.name, model.config.task) == ("rcl", task)
    image = np.full((6, 10, channels), 0.5, np.float32)
    assert model.restore(image).shape == (6 * factor, 10 * factor, 3)
    assert rows_of(tmp_path / "run")[-1]["psnr"] > 0


def test_a_denoiser_lends_its_layers_to_another_task(
    photographs, records, start, tmp_path, without_figures
):
    options = ("--task", "sr", "--start-from", str(start), "--frozen", "--steps", "2")
    assert run_small(photographs, records, tmp_path / "run", *options) == 0
    found = load_model(tmp_path / "run" / "model").variables["params"]
    before = load_model(start).variables["params"]
    for layer, leaves in before.items():
        if layer != "conv_2":
            for name, leaf in leaves.items():
                np.testing.assert_array_equal(found["backbone"][layer][name], leaf)


def test_other_shots_are_learnt_from_and_the_clean_image_is_the_judge(
    photographs, records, start, tmp_path, without_figures
):
    options = ("--labels", "other-shot", "--start-from", str(start))
    assert run_small(photographs, records, tmp_path / "run", *options) == 0
    rows = read_metrics(tmp_path / "run" / "metrics.jsonl")
    found = [row["validation_psnr_other_shot"] for row in rows if "loss" not in row]
    # The noise of the other shot is in it, so that it stays below that against the clean image.
    assert found and max(found) < rows_of(tmp_path / "run")[-1]["psnr"]


def test_the_last_state_is_kept_where_validation_is_not_to_choose(
    photographs, records, start, tmp_path, without_figures
):
    options = ("--start-from", str(start), "--keep", "last", "--label-images", "1")
    assert run_small(photographs, records, tmp_path / "run", *options) == 0
    facts = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert facts["label_images"] == 1 and "after the last of 6 steps" in str(facts["notes"])


def write_pairs(folder, *, with_clean=True):
    """Two shots of four scenes, whose noise is uniform from -9 to 9 of 255."""
    random = np.random.default_rng(0)
    folder.mkdir()
    rows = ["noisy,noisy2,clean,camera,iso,scene,split"]
    for number, split in enumerate(("train", "train", "validation", "test")):
        clean = random.integers(60, 190, (4, 3, 3)).repeat(10, 0).repeat(12, 1)
        shots = [clean + random.integers(-9, 10, clean.shape) for _ in range(2)]
        kinds = ("noisy", "noisy2", "clean") if with_clean else ("noisy", "noisy2")
        names = [f"{number}_{kind}.png" for kind in kinds]
        for name, image in zip(names, (*shots, clean), strict=False):
            (folder / name).write_bytes(imagecodecs.png_encode(image.astype(np.uint8)))
        names += [] if with_clean else [""]
        rows.append(",".join([*names, "one", "100", f"scene {number}", split]))
    (folder / "index.csv").write_text("\n".join(rows))
    return folder


def test_real_pairs_are_labels(records, start, tmp_path, without_figures):
    folder = write_pairs(tmp_path / "pairs")
    common = ("--dataset", "pairs", "--levels", "none", "--start-from", str(start))
    for labels in ("clean", "other-shot"):
        workdir = tmp_path / labels
        assert run_small(folder, records, workdir, *common, "--labels", labels) == 0
        noisy = rows_of(workdir)[0]
        # Uniform noise of -9 to 9 has a variance of (19^2 - 1) / 12.
        assert noisy["psnr"] == pytest.approx(20 * np.log10(255 / 30**0.5), abs=0.5)
    common = (*common[:4], "--start-from", str(tmp_path / "clean" / "model"))
    assert run_small(folder, records, tmp_path / "measured", *common, command="evaluate") == 0
    assert rows_of(tmp_path / "measured")[-1]["psnr"] == rows_of(tmp_path / "clean")[-1]["psnr"]


def test_pairs_of_shots_need_no_clean_image_at_any_stage(records, start, tmp_path):
    folder = write_pairs(tmp_path / "shots", with_clean=False)
    options = ("--dataset", "pairs", "--levels", "none", "--start-from", str(start))
    workdir = tmp_path / "run"
    assert run_small(folder, records, workdir, *options, "--labels", "other-shot") == 0
    found = json.loads((workdir / "evaluation.json").read_text())
    # The noise of both shots is in their difference.
    expected = 20 * np.log10(255 / 60**0.5)
    assert found["target"] == "other shot"
    assert found["restored"][0]["psnr"] == pytest.approx(expected, abs=0.5)
    assert "No clean images are known" in (workdir / "report.html").read_text()


def test_a_model_below_the_folder_one_stands_in_has_the_name_of_its_run(tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path / "run")
    assert folder_name(Path("model")) == folder_name(tmp_path / "run" / "model") == "run"
    assert folder_name(Path("../other")) == "other"


@pytest.mark.fast
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--labels", "other-shot", "--task", "sr"), "--labels other-shot is for --task denoise"),
        (("--label-count", "10000"), "labels"),
        (("--label-images", "5"), "images"),
        (("--patch-size", "18", "--task", "jddsr"), "18"),
        (("--patch-size", "64"), "64"),
        (("--levels", "none"), "no noisy images in train"),
        (("--start-from", "nowhere"), "nowhere"),
        (("--start-from", "START", "--task", "jdd"), "3 channels, and --task jdd has 4"),
        (("--start-from", "START", "--features", "8"), "leave out --features"),
        (("--source", "nowhere"), "nowhere"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_a_sentence(
    photographs, records, start, tmp_path, capsys, options, sentence
):
    options = [str(start) if word == "START" else word for word in options]
    code = run_small(photographs, records, tmp_path / "run", *options)
    said = capsys.readouterr().err.strip().splitlines()
    assert code in (2, 3) and sentence in said[-1] and len(said) == 1
    assert not (tmp_path / "run").exists()


def test_another_start_is_another_run(finished, photographs, records, tmp_path, capsys):
    copy = tmp_path / "run"
    shutil.copytree(finished, copy)
    other = save_model(tmp_path / "other", "denoiser", CONFIG, weights(8))
    options = ("--start-from", str(other), "--label-count", "3")
    assert run_small(photographs, records, copy, *options) == 2
    assert "read other files beside its data" in capsys.readouterr().err
