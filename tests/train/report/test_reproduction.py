"""What a report says of how it was made, and that the lines of Python in it run."""

import json
import runpy
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxnoise import models
from jaxnoise.io import save_model
from train.report.report import Report
from train.report.reproduction import reproduction
from train.report.section import Section

MANIFEST = {
    "command": ["python", "-m", "train.noiseflow", "--workdir", "runs/a run", "--seed", "7"],
    "dataset": "camera_sim/exact",
    "data_fingerprint": "f00d",
    "platform": "Linux-6.1-x86_64",
    "devices": {"kind": "cpu", "number": 2},
    "python": "3.12.1",
    "versions": {"jax": "0.11", "orbax-checkpoint": None},
    "git_commit": "abc123",
    "git_dirty": True,
}


def write(folder: Path, manifest, options=None):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "config.json").write_text(json.dumps(options or {"seed": 7, "arch": "N-W-K3"}))


def save(folder: Path, name, **options):
    model = models.get(name)
    config = model.Config(**options)
    variables = jax.tree.map(np.asarray, model.init(jax.random.key(0), config))
    save_model(folder / "model", name, config, variables)


def test_a_folder_that_says_nothing_has_no_block(tmp_path):
    assert reproduction(tmp_path) is None
    (tmp_path / "manifest.json").write_text("{ broken")
    assert reproduction(tmp_path) is None


def test_the_block_says_what_the_run_folder_says(tmp_path):
    write(tmp_path, MANIFEST)
    found = reproduction(tmp_path)
    assert found is not None
    assert found.command == "python -m train.noiseflow --workdir 'runs/a run' --seed 7"
    facts = dict(found.facts)
    assert facts["commit"] == "abc123, with changes that are not committed"
    assert facts["seed"] == "7" and facts["device"] == "2 × cpu"
    assert facts["fingerprint of the data"] == "f00d" and facts["packages"] == "jax 0.11"
    assert dict(found.options) == {"seed": "7", "arch": "N-W-K3"}
    assert found.use == ""


def test_later_starts_are_said(tmp_path):
    later = [{"git_commit": "old"}, {"git_commit": "new", "git_dirty": False}]
    write(tmp_path, {**MANIFEST, "resumptions": later})
    found = reproduction(tmp_path)
    assert found is not None
    said = dict(found.facts)["started again"]
    assert said == "2 times with another command, machine or commit; last at commit new"


def names_of(program, folder):
    """What the lines of a program define when they run as a file."""
    path = folder / "use.py"
    path.write_text(program)
    return runpy.run_path(str(path))


def test_what_is_absent_is_left_out(tmp_path):
    write(tmp_path, {"git_commit": "abc123", "git_dirty": False, "python": None})
    found = reproduction(tmp_path)
    assert found is not None
    assert found.command == "" and dict(found.facts) == {"seed": "7", "commit": "abc123"}


def test_the_home_folder_is_not_named(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / "runs/one"
    source = f"--source={tmp_path}/my images"
    command = ["python", "-m", "train.noiseflow", "--workdir", str(folder), source]
    write(folder, {**MANIFEST, "command": command})
    save(folder, "noiseflow", arch="S-G")
    found = reproduction(folder)
    assert found is not None and str(tmp_path) not in repr(found)
    assert " --workdir ~/runs/one " in found.command
    assert 'os.path.expanduser("~/runs/one/model")' in found.use
    names_of(found.use, tmp_path)


@pytest.mark.parametrize(
    ("name", "options", "made"),
    [
        ("noiseflow", {"arch": "N-Q-K1", "cameras": ("a", 'b "c"'), "isos": (0, 100)}, {"noise"}),
        ("denoiser", {"features": 4, "depth": 2}, {"estimate"}),
        ("noise2noiseflow", {}, {"noise", "estimate"}),
        ("rcl", {"task": "jdd", "denoiser": {"features": 6, "net": "unet"}}, {"restored"}),
    ],
)
def test_the_lines_of_python_run(tmp_path, monkeypatch, name, options, made):
    monkeypatch.chdir(tmp_path)
    write(Path("runs/one"), MANIFEST)
    save(Path("runs/one"), name, **options)
    found = reproduction(Path("runs/one"))
    assert found is not None and 'jaxnoise.load("runs/one/model")' in found.use
    names = names_of(found.use, tmp_path)
    assert made == {"noise", "estimate", "restored"} & set(names)
    height, width, channels = names["image"].shape
    for one in made:
        shape = (2 * height, 2 * width, 3) if one == "restored" else (height, width, channels)
        assert names[one].shape == shape and np.isfinite(names[one]).all()


def test_the_page_has_the_block_and_escapes_it(tmp_path):
    write(tmp_path, {**MANIFEST, "platform": "<Linux> & co"}, {"arch": "<b>"})
    Report(title="t", subject="", sections=[Section(verdict="v")]).write(tmp_path)
    source = (tmp_path / "report.html").read_text(encoding="utf-8")
    page = ElementTree.fromstring(source.removeprefix("<!DOCTYPE html>"))
    words = " ".join(page.itertext())
    assert "<Linux> & co" in words and "arch = <b>" in words and "abc123" in words
    assert "runs/a run" in words
