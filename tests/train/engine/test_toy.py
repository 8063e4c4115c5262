"""A sixth system of a few lines: trained, killed and resumed, on 1 and 8 devices, reported."""

import json
import random
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from jaxnoise.process import usable_cores
from tests.forked import Forked
from tests.processes import ROOT, environment
from train.engine.metrics import read_metrics


def options(workdir, *more):
    fixed = ("fit", "--workdir", str(workdir), "--pause", "0.02", "--accelerator", "cpu")
    return [*fixed, *more]


def start(environment, workdir, *more):
    with open(f"{workdir}.txt", "w") as said:
        return subprocess.Popen(
            [sys.executable, "-m", "toy", *options(workdir, *more)],
            env=environment,
            stderr=said,
            stdout=subprocess.DEVNULL,
        )


def fork(workdir, *more):
    """The same in a process that has imported all before."""
    said = workdir.with_name(f"{workdir.name}.txt")
    return Forked("toy", options(workdir, *more), said=said, folder=ROOT / "tests/train")


def wait_for_rows(workdir, process, rows):
    while process.poll() is None and len(read_metrics(workdir / "metrics.jsonl")) < rows:
        time.sleep(0.02)


@pytest.fixture(scope="module")
def straight(toy_environment, tmp_path_factory):
    """The folder of a run that nothing interrupted."""
    workdir = tmp_path_factory.mktemp("runs") / "straight"
    assert start(toy_environment, workdir).wait() == 0
    return workdir


def test_it_trains_both_phases_and_reports(straight):
    assert (straight / "mean/model/model.safetensors").is_file()
    scale = json.loads((straight / "evaluation.json").read_text())["scale"]
    # Noise of 0.1 on each side; 60 steps from 1 at a rate of 0.05 cannot go below exp(-3).
    assert 0.04 < scale < 0.25
    assert "Its scale is" in (straight / "report.html").read_text()
    rows = read_metrics(straight / "metrics.jsonl")
    assert [row["step"] for row in rows if "nll" in row] == list(range(1, 61))


def test_what_is_frozen_is_in_the_manifest_and_in_no_checkpoint(straight):
    fixed = json.loads((straight / "manifest.json").read_text())["fixed"]
    assert set(fixed) == {"mean", "both"} and fixed["mean"] == fixed["both"]
    for checkpoint in (straight / "checkpoints").iterdir():
        assert "offset" not in (checkpoint / "leaves/metadata").read_text()


def test_kill_9_at_random_moments_changes_nothing(straight, tmp_path, run_content):
    generator, killed = random.Random(0), 0
    for _ in range(5):
        process = fork(tmp_path / "killed")
        # From the first saved rows on, so that the moments fall into training and not into imports.
        known = len(read_metrics(tmp_path / "killed/metrics.jsonl"))
        wait_for_rows(tmp_path / "killed", process, known + 1)
        time.sleep(generator.uniform(0, 0.5))
        process.kill()
        killed += process.wait() == -signal.SIGKILL
    assert killed >= 3
    assert fork(tmp_path / "killed").wait() == 0
    assert run_content(tmp_path / "killed") == run_content(straight)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)])
def test_a_signal_saves_the_step_and_the_run_goes_on(
    straight, toy_environment, tmp_path, number, code, run_content
):
    process = start(toy_environment, tmp_path / "stopped", "--save-every", "5")
    wait_for_rows(tmp_path / "stopped", process, 7)
    process.send_signal(number)
    assert process.wait() == code
    sentence = (tmp_path / "stopped.txt").read_text().splitlines()[-1]
    assert "which is saved" in sentence
    assert int(sentence.split("step ")[1].split()[0]) < 60
    assert fork(tmp_path / "stopped").wait() == 0
    assert run_content(tmp_path / "stopped") == run_content(straight)


def test_a_signal_is_heard_while_the_first_batch_is_made(toy_environment, tmp_path):
    process = start(toy_environment, tmp_path / "slow", "--pause", "60")
    while process.poll() is None and not (tmp_path / "slow/mean/metrics.jsonl").exists():
        time.sleep(0.02)
    asked = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 75
    assert time.monotonic() - asked < 30


def test_a_run_that_got_worse_exits_4_and_says_so_first(toy_environment, tmp_path):
    process = start(toy_environment, tmp_path / "worse", "--rate", "2")
    assert process.wait() == 4
    assert "got worse by training" in (tmp_path / "worse.txt").read_text().splitlines()[-1]
    page = (tmp_path / "worse/report.html").read_text()
    assert page.index("got worse by training") < page.index("Its scale is")
    # The same command again ends in the same way, although there is nothing left to train.
    assert fork(tmp_path / "worse", "--rate", "2").wait() == 4


def test_other_frozen_weights_are_refused(straight, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(straight, copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["fixed"]["both"] = "0" * 64
    del manifest["sha256"]  # as earlier versions have written it
    (copy / "manifest.json").write_text(json.dumps(manifest))
    assert fork(copy).wait() == 2
    assert "other frozen weights (both)" in (tmp_path / "copy.txt").read_text()


def test_one_and_eight_devices_give_the_same_losses(assert_same_losses):
    assert_same_losses("toy", {"steps": 20}, loss="nll", command="fit", devices=(1, 2, 8))


def test_a_run_keeps_its_cpu_devices_or_says_that_bits_may_differ(tmp_path):
    workdir, said = tmp_path / "run", tmp_path / "said.txt"

    def train(*more, devices="usual"):
        env = environment(devices=devices)
        arguments = options(workdir, "--steps", "6", *more)
        folder = ROOT / "tests/train"
        assert Forked("toy", arguments, said=said, folder=folder, environment=env).wait() == 0
        manifest = json.loads((workdir / "manifest.json").read_text())
        later = [start["devices"]["number"] for start in manifest.get("resumptions", [])]
        return said.read_text(), [manifest["devices"]["number"], *later]

    told, numbers = train()
    usual = max(count for count in (1, 2, 4, 8) if count <= usable_cores())
    assert numbers == [usual] and "bits may differ" not in told
    told, numbers = train("--cpu-devices", "1" if usual > 1 else "2")
    assert ("1 x cpu and goes on on 2" if usual == 1 else "goes on on 1 x cpu: its bits") in told
    assert numbers[1] != usual
    # Left alone again, it goes on as it was begun.
    told, numbers = train()
    assert numbers[-1] == usual and "bits may differ" not in told
    # The environment is a choice too.
    told, numbers = train(devices=8 if usual < 8 else 4)
    assert numbers[-1] != usual and f"begun on {usual} x cpu" in told


@pytest.mark.fast
def test_subcommands_are_asked_for_and_have_folders_of_their_own(tmp_path, monkeypatch, capsys):
    from train.engine.program import main

    monkeypatch.syspath_prepend(str(__file__).rpartition("/engine")[0])
    monkeypatch.chdir(tmp_path)
    assert main("toy", []) == 2
    assert "needs a command first, one of fit" in capsys.readouterr().err
    assert main("toy", ["--help"]) == 0
    assert "Fits the mean of noise" in capsys.readouterr().out
    options = ("--steps", "1", "--accelerator", "cpu", "--batch-size", "8")
    assert main("toy", ["fit", *options]) == 0
    assert (tmp_path / "runs/toy/fit/model").is_dir()
    assert np.isfinite(json.loads((tmp_path / "runs/toy/fit/evaluation.json").read_text())["scale"])
