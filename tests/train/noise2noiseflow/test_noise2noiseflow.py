"""The trainer of noise model and denoiser: a small run, resume, devices, refusals, warning."""

import json
import shutil
from functools import partial
from xml.etree import ElementTree

import numpy as np
import pytest

from train.engine.metrics import read_metrics
from train.engine.program import main
from train.engine.system import Run
from train.noise2noiseflow import system
from train.noise2noiseflow.config import PRESETS, Config

SMALL = (
    *("--steps", "6", "--batch-size", "8", "--evaluate-every", "3", "--save-every", "4"),
    *("--start-patches", "64", "--validation-patches", "20", "--test-patches", "21"),
    *("--patch-size", "16", "--arch", "N-W", "--features", "4", "--depth", "3"),
    *("--accelerator", "cpu", "--objective", "cross", "--weight", "262144"),
)


def run_small(records, workdir, *more):
    places = ("--data-dir", str(records), "--workdir", str(workdir))
    return main("train.noise2noiseflow", [*SMALL, *places, *more])


@pytest.fixture(scope="module")
def finished(records, made_once):
    def make(workdir):
        assert run_small(records, workdir, "--pretraining-steps", "4") == 0

    return made_once("noise2noiseflow", make)


def test_a_run_leaves_its_files_and_both_tables(finished):
    assert {path.name for path in finished.iterdir()} == {
        *("config.json", "manifest.json", "metrics.jsonl", "checkpoints", "model", "pretraining"),
        *("figures", "evaluation.json", "report.html"),
    }
    rows = read_metrics(finished / "metrics.jsonl")
    assert [row["step"] for row in rows if "total" in row] == [1, 2, 3, 4, 5, 6]
    assert [row["step"] for row in rows if "validation_nll" in row] == [0, 3, 6]
    evaluation = json.loads((finished / "evaluation.json").read_text())
    assert [row["name"] for row in evaluation["denoisers"]] == ["noisy", "Noise2Noise", "joint"]
    assert {"AWGN", "NLF", "autoregressive", "N-W"} == {m["name"] for m in evaluation["models"]}
    source = (finished / "report.html").read_text(encoding="utf-8")
    page = ElementTree.fromstring(source.removeprefix("<!DOCTYPE html>"))
    headings = {"".join(heading.itertext()) for heading in page.iter("h2")}
    assert {"Denoising", "Noisy and denoised", "PSNR by camera and ISO"} <= headings


def test_the_exported_model_is_the_best_by_validation(finished, records):
    import jax
    import jax.numpy as jnp

    from datasets.pipeline import open_dataset
    from jaxnoise import models
    from jaxnoise.io import load_model

    name, config, variables = load_model(finished / "model")
    assert name == "noise2noiseflow"
    data = open_dataset("camera_sim/exact", data_dir=records, patch_size=16)
    # Another batch size than in training: padding must not count.
    joint_loss = jax.jit(partial(models.get(name).joint_loss, train=False), static_argnums=1)
    losses = []
    for batch in data.batches("validation", batch_size=7, limit=20):
        columns = [jnp.asarray(batch[key]) for key in ("noisy", "noisy2", "camera", "iso")]
        for place in np.flatnonzero(batch["mask"]):
            one = [column[place : place + 1] for column in columns]
            terms, _ = joint_loss(variables, config, *one)
            losses.append(float(terms.total))
    assert len(losses) == 20
    rows = [row for row in read_metrics(finished / "metrics.jsonl") if "validation_nll" in row]
    assert all(row["validation_nll"] > row["lowest_possible_nll"] for row in rows)
    scores = [row["validation_total"] for row in rows]
    np.testing.assert_allclose(np.mean(losses), min(scores), rtol=1e-5)


def test_going_on_from_an_earlier_checkpoint_is_the_straight_run(
    finished, records, tmp_path, run_content, without_figures
):
    resumed = tmp_path / "resumed"
    shutil.copytree(finished, resumed)
    shutil.rmtree(resumed / "checkpoints" / "6")
    shutil.rmtree(resumed / "model")
    assert run_small(records, resumed, "--pretraining-steps", "4") == 0
    assert run_content(resumed) == run_content(finished)


@pytest.fixture(scope="module")
def data(records, finished):
    from datasets.pipeline import open_dataset

    return open_dataset("camera_sim/exact", data_dir=records, patch_size=16)


def small_config(**options):
    sizes = {"steps": 2, "batch_size": 8, "evaluate_every": 2, "start_patches": 64}
    sizes |= {"validation_patches": 20, "arch": "N-W", "features": 4, "depth": 3}
    return Config(**sizes | options)


def run_of(data, mesh, workdir, **options):
    return Run(config=small_config(**options), data={"data": data}, mesh=mesh, workdir=workdir)


def test_a_frozen_denoiser_stays_that_of_the_pretraining(data, mesh, tmp_path):
    from train.engine.loop import fit
    from train.engine.run import schedule_of

    run = run_of(data, mesh, tmp_path, pretraining_steps=2, train_denoiser=False, objective="self")
    fitted = {}
    for phase in system.phases(run):
        schedule = schedule_of(run.config, steps=phase.steps)
        place = tmp_path / phase.name
        fitted[phase.name] = fit(phase.task(fitted), schedule, workdir=place, seed=0, mesh=mesh)
    alone, joint = (fitted[name].kept for name in ("pretraining", "joint"))
    for name, own in alone["params"].items():
        for key, value in own.items():
            np.testing.assert_array_equal(joint["denoiser"]["params"][name][key], value)


@pytest.mark.parametrize("pretraining", [0, 2])
def test_the_denoiser_may_begin_as_that_of_an_earlier_run(
    pretraining, finished, data, mesh, tmp_path
):
    from jaxnoise.io import load_model

    options = {"pretraining_steps": pretraining, "start_from": finished / "model"}
    run = run_of(data, mesh, tmp_path, train_denoiser=pretraining > 0, **options)
    system.check(run.config)
    assert system.check_data(run).startswith("start ")
    first = system.phases(run)[0].task({})
    own = first.state["variables"]
    own = own if pretraining else own["denoiser"]
    expected = load_model(finished / "model").variables["denoiser"]
    for kind, layers in expected.items():
        for name, leaves in layers.items():
            for key, value in leaves.items():
                np.testing.assert_array_equal(own[kind][name][key], value)


def test_a_likelihood_below_what_is_possible_is_told(data, mesh, tmp_path):
    # A fresh DnCNN is all but the identity, so its own shot leaves no noise to explain.
    task = system.joint_task(run_of(data, mesh, tmp_path, objective="self", weight=0.0), {})
    found = task.evaluate(task.state, task.fixed)
    assert "the lowest that the noise of these shots allows" in found.warning
    # What is won below the bound is lost again: no honest state is worse.
    bound, nll = found.values["lowest_possible_nll"], found.values["validation_nll"]
    assert nll < bound < found.score == pytest.approx(2 * bound - nll)


def test_a_noise_model_that_got_worse_has_failed(data, mesh, tmp_path):
    import jax

    task = system.joint_task(run_of(data, mesh, tmp_path, objective="difference"), {})
    assert task.evaluate(task.state, task.fixed).failed is None
    # Standard deviations that are e^-5 of what they were explain nothing.
    worse = jax.tree.map(np.array, task.state)
    layers = worse["variables"]["noise_model"]["params"]
    name = next(name for name in layers if "log_std" in layers[name])
    layers[name]["log_std"] -= 5
    assert "far above" in task.evaluate(worse, task.fixed).failed


def test_recorrupted_single_shots_take_a_step(data, mesh, tmp_path):
    import jax

    task = system.joint_task(run_of(data, mesh, tmp_path, objective="r2r"), {})
    _, metrics = jax.jit(task.step)(task.state, task.fixed, task.batch(0), jax.random.key(0))
    assert np.isfinite(metrics["total"])


def test_cross_samples_are_not_warned_of(finished):
    assert not any("warning" in row for row in read_metrics(finished / "metrics.jsonl"))


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        (("--objective", "crossed"), 2, "--objective"),
        (("--weight", "-1"), 2, "--weight must be at least 0"),
        (("--depth", "1"), 2, "--depth must be at least 2"),
        (("--no-train-denoiser",), 2, "give --pretraining-steps, or a trained one by --start-from"),
        (("--start-from", "/nonexistent"), 3, "/nonexistent is not a folder"),
        (("--denoiser", "unet", "--features", "4"), 2, "must divide by 3"),
        (("--arch", "S-X9"), 2, "X9"),
        (("--dataset", "sidd_full"), 2, "--source"),
        (("--dataset", "pairs", "--source", "/nonexistent"), 3, "/nonexistent"),
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
@pytest.mark.parametrize("preset", list(PRESETS))
def test_presets_are_options_of_the_system(preset, capsys):
    assert main("train.noise2noiseflow", ["--preset", preset, "--print-config"]) == 0
    printed = capsys.readouterr().out
    for name, value in PRESETS[preset].items():
        assert f"{name} = {json.dumps(value)}\n" in printed


def write_burst(folder, *, same=False):
    """A folder of pairs of shots of smooth scenes with white noise, for the data set `pairs`."""
    random = np.random.default_rng(0)
    folder.mkdir()
    lines = ["noisy,noisy2,camera,iso,scene,split"]
    for number, split in enumerate(["train"] * 4 + ["validation", "test"]):
        clean = 0.2 + 0.6 * np.linspace(0, 1, 32)[None, :, None] * np.ones((32, 32, 3))
        shots = [np.clip(clean + 0.02 * random.normal(size=clean.shape), 0, 1) for _ in range(2)]
        names = [f"{number}a.npz", f"{number}b.npz"]
        for name, shot in zip(names, [shots[0], shots[0]] if same else shots, strict=True):
            np.savez(folder / name, image=shot.astype(np.float32))
        lines.append(f"{names[0]},{names[1]},one,100,{number},{split}")
    (folder / "index.csv").write_text("\n".join(lines) + "\n")
    return ("--dataset", "pairs", "--source", str(folder))


def test_bursts_without_clean_images(tmp_path, without_figures):
    source = write_burst(tmp_path / "burst")
    assert run_small(tmp_path / "records", tmp_path / "run", *source) == 0
    evaluation = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    noisy = evaluation["denoisers"][0]
    # Noise of standard deviation 0.02 is 34 dB.
    assert noisy["psnr"] == pytest.approx(-20 * np.log10(0.02), abs=0.3)
    assert noisy["error_ratio"] == pytest.approx(1, abs=0.05)
    assert noisy["ssim"] is None


def test_a_clipped_burst_is_learnt_from_what_is_not_clipped(tmp_path, without_figures):
    """Much of each scene is black, where both shots are exactly 0 and differ in nothing."""
    import jaxnoise

    random, folder = np.random.default_rng(11), tmp_path / "burst"
    folder.mkdir()
    lines, scenes = ["noisy,noisy2,camera,iso,scene,split"], []
    for number, split in enumerate(["train"] * 4 + ["validation", "test"]):
        waves = np.sin(np.arange(64) / (11 + number))[None] + np.cos(np.arange(64) / 7)[:, None]
        clean = np.stack([np.clip(0.12 * waves, 0, None) ** 1.5 * g for g in (0.6, 1, 0.5)], -1)
        spread = np.sqrt(2e-3 * clean + 1e-5)
        shots = [np.clip(clean + spread * random.normal(size=clean.shape), 0, 1) for _ in "ab"]
        for name, shot in zip((f"{number}a", f"{number}b"), shots, strict=True):
            np.savez(folder / f"{name}.npz", shot.astype(np.float32))
        lines.append(f"{number}a.npz,{number}b.npz,one,100,{number},{split}")
        scenes.append((clean.astype(np.float32), shots, spread))
    (folder / "index.csv").write_text("\n".join(lines) + "\n")
    source = ("--dataset", "pairs", "--source", str(folder), "--objective", "difference")
    assert run_small(tmp_path / "records", tmp_path / "run", *source) == 0
    model = jaxnoise.load(tmp_path / "run/model")
    above, count = 0.0, 0
    for clean, shots, spread in scenes:
        valid = np.all([(shot > 0).all(-1) for shot in shots], 0)[..., None]
        for shot in shots:
            noise = (shot - clean).astype(np.float32)
            found = model.log_prob(noise, clean, camera="one", iso=100, valid=valid)
            truth = -0.5 * np.log(2 * np.pi * spread**2) - 0.5 * (noise / spread) ** 2
            above += float((truth * valid).sum() - found)
            count += 3 * valid.sum()
    assert above / count < 0.1


@pytest.mark.fast
def test_shots_that_do_not_differ_are_refused(tmp_path, capsys):
    source = write_burst(tmp_path / "burst", same=True)
    assert run_small(tmp_path / "records", tmp_path / "run", *source) == 3
    assert "are the same image" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_one_and_eight_devices_give_the_same_losses(records, assert_same_losses):
    options = {"arch": "N-W", "batch_size": 8, "steps": 6, "start_patches": 64, "features": 4}
    options |= {"validation_patches": 16, "depth": 3, "weight": 4096.0, "start": "fresh"}
    options |= {"objective": "cross", "patch_size": 16, "data_dir": str(records)}
    assert_same_losses("train.noise2noiseflow", options, loss="total")
