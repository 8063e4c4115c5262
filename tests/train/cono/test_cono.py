"""The trainer of CoNo: what it learns, resume, devices, levels, and refusals."""

import json
import shutil

import imagecodecs
import numpy as np
import pytest

from jaxnoise import load
from jaxnoise.io.noise_profile import NoiseProfile, write_profile
from train.cono.config import Config
from train.cono.levels import levels_of
from train.cono.step import one_green
from train.engine.metrics import read_metrics
from train.engine.program import main

SMALL = (
    *("--steps", "6", "--batch-size", "4", "--evaluate-every", "3", "--save-every", "4"),
    *("--validation-patches", "4", "--test-patches", "8", "--patch-size", "8"),
    *("--blocks", "2", "--learning-rate", "1e-3", "--accelerator", "cpu"),
)


def write_photograph(path, size=(40, 48), *, seed=0, dtype=np.uint8, channels=3):
    """A picture of soft blobs, whose crops have intensities of their own."""
    random = np.random.default_rng(seed)
    coarse = random.uniform(0.05, 0.95, (5, 6, channels))
    rows, columns = (np.linspace(0, side - 1.01, n) for side, n in zip((5, 6), size, strict=True))
    image = coarse[rows.astype(int)][:, columns.astype(int)] * np.iinfo(dtype).max
    image = image.astype(dtype)
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = np.ascontiguousarray(image if channels > 1 else image[..., 0])
    path.write_bytes(imagecodecs.png_encode(stored))


@pytest.fixture(scope="session")
def photographs(made_once):
    """A folder of small photographs in three splits."""

    def make(folder):
        for split, count in (("train", 5), ("validation", 2), ("test", 2)):
            for number in range(count):
                write_photograph(folder / split / f"{number}.png", seed=100 * len(split) + number)

    return made_once("photographs", make)


def run_small(photographs, records, workdir, *more):
    places = ("--source", str(photographs), "--data-dir", str(records), "--workdir", str(workdir))
    return main("train.cono", [*SMALL, *places, *more])


@pytest.fixture(scope="session")
def finished(photographs, records, made_once):
    """The folder of a run that nothing interrupted."""

    def make(workdir):
        assert run_small(photographs, records, workdir) == 0

    return made_once("cono", make)


def test_a_run_leaves_a_model_that_samples_and_a_report(finished):
    rows = read_metrics(finished / "metrics.jsonl")
    steps = [row for row in rows if "loss" in row]
    assert [row["step"] for row in steps] == list(range(1, 7))
    assert {"contrastive", "perceptual", "alignment", "std_ratio"} <= steps[0].keys()
    found = json.loads((finished / "evaluation.json").read_text())["levels"]
    names = ["AWGN", "NLF", "Poisson", "Poisson-Gaussian", "CoNo, untrained", "CoNo"]
    assert [row["name"] for row in found[: len(names)]] == names
    assert [row["level"] for row in found[:: len(names)]] == ["sigma 10", "sigma 20", "sigma 30"]
    # The start is aligned, and a few small steps do not lead away from it.
    assert all(abs(row["std_ratio"] - 1) < 0.15 for row in found)
    import jax

    model = load(finished / "model")
    clean = np.full((16, 16, 4), 0.5, np.float32)
    noise = model.sample(clean, key=jax.random.key(0), sigma=20 / 255)
    assert noise.shape == clean.shape and 0.8 < np.std(noise) * 255 / 20 < 1.2


def test_going_on_from_an_earlier_checkpoint_is_the_straight_run(
    finished, photographs, records, tmp_path, run_content, without_figures
):
    resumed = tmp_path / "resumed"
    shutil.copytree(finished, resumed)
    shutil.rmtree(resumed / "checkpoints" / "6")
    shutil.rmtree(resumed / "model")
    assert run_small(photographs, records, resumed) == 0
    assert run_content(resumed) == run_content(finished)


def test_one_and_eight_devices_give_the_same_losses(photographs, records, assert_same_losses):
    options = {"steps": 4, "batch_size": 8, "patch_size": 8, "blocks": 2, "learning_rate": 1e-3}
    options |= {"source": str(photographs), "data_dir": str(records)}
    assert_same_losses("train.cono", options, loss="loss", devices=(1, 2, 8))


@pytest.mark.fast
def test_levels_are_a_function_of_seed_and_step():
    levels = levels_of(Config())
    first = levels.drawn(seed=1, step=2, batch_size=3)
    assert np.ptp(first["read"]) == 0 and not first["shot"].any()
    again = levels_of(Config()).drawn(seed=1, step=2, batch_size=3)
    np.testing.assert_array_equal(first["read"], again["read"])
    sigmas = [
        255 * float(np.sqrt(levels.drawn(seed=0, step=step, batch_size=2)["read"][0, 0]))
        for step in range(400)
    ]
    assert 1 <= min(sigmas) < 2 and 29 < max(sigmas) <= 30
    # The mean of 400 uniform draws is known to 29 / (12 * 400)^1/2.
    assert abs(np.mean(sigmas) - 15.5) < 5 * 29 / 4800**0.5


@pytest.mark.fast
def test_a_camera_sets_the_level(tmp_path):
    path = tmp_path / "camera.json"
    rows = tuple((1e-4 * factor,) * 4 for factor in (1, 4, 16))
    write_profile(path, NoiseProfile("aster", (100, 400, 1600), rows, rows))
    levels = levels_of(Config(profile=path))
    stated = levels.stated()
    assert [level.name for level in stated] == ["ISO 100", "ISO 400", "ISO 1600"]
    np.testing.assert_allclose(stated[1].shot, 4e-4, rtol=1e-6)
    drawn = levels.drawn(seed=0, step=0, batch_size=64)["shot"]
    assert 1e-4 <= drawn.min() < 2e-4 and 8e-4 < drawn.max() <= 1.6e-3
    (one,) = levels_of(Config(shot=1e-3, read=1e-4)).stated()
    np.testing.assert_allclose([one.shot[0], one.read[0]], [1e-3, 1e-4], rtol=1e-6)


@pytest.mark.fast
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--sigma", "0"), "--sigma must be more than 0"),
        (("--sigma", "-3"), "--sigma must be more than 0"),
        (("--sigma", "10", "--shot", "1e-3", "--read", "0"), "give one of them"),
        (("--shot", "1e-3"), "two parts"),
        (("--shot", "0", "--read", "0"), "no noise"),
        (("--lowest-sigma", "40"), "give the smaller one first"),
        (("--profile", "nowhere.json"), "nowhere.json"),
        (("--batch-size", "1"), "no other images"),
        (
            ("--contrastive-weight", "0", "--perceptual-weight", "0", "--alignment-weight", "0"),
            "nothing to learn",
        ),
        (("--encoder", "nowhere.safetensors"), "nowhere.safetensors"),
        (("--patch-size", "64"), "smaller crop"),
        (("--source", "nowhere"), "nowhere"),
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
def test_images_without_clean_ones_are_refused(records, tmp_path, capsys):
    for number in range(4):
        write_photograph(tmp_path / "noisy" / f"{number}.png", seed=number)
    options = ("--dataset", "images/noisy")
    assert run_small(tmp_path / "noisy", records, tmp_path / "run", *options) in (2, 3)
    assert "clean images" in capsys.readouterr().err


def test_grey_and_16_bit_photographs_are_trained_on(records, tmp_path):
    for name, rules in (("grey", {"channels": 1}), ("deep", {"dtype": np.uint16})):
        for number in range(9):
            split = "train" if number < 5 else "validation" if number < 7 else "test"
            write_photograph(tmp_path / name / split / f"{number}.png", seed=number, **rules)
        options = ("--steps", "1", "--perceptual-weight", "0", "--no-images")
        assert run_small(tmp_path / name, records, tmp_path / f"run-{name}", *options) == 0


def test_another_camera_is_another_run(photographs, records, tmp_path, capsys):
    path = tmp_path / "camera.json"
    for factor, code in ((1, 0), (2, 2)):
        rows = ((1e-3 * factor,) * 4,)
        write_profile(path, NoiseProfile("aster", (100,), rows, rows))
        options = ("--profile", str(path), "--steps", "2", "--no-images")
        assert run_small(photographs, records, tmp_path / "run", *options) == code
    assert "profile" in capsys.readouterr().err


@pytest.mark.fast
def test_first_crops_show_one_green_and_second_ones_the_other():
    packed = np.arange(2 * 4, dtype=np.float32).reshape(2, 1, 1, 4)
    shown = np.asarray(one_green(packed)).reshape(2, 4)
    assert shown.tolist() == [[0, 1, 1, 3], [4, 6, 6, 7]]
