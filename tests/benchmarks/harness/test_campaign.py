"""Many runs: what is done is not done again, and what went wrong has a sentence."""

import json
from types import SimpleNamespace

import pytest

from benchmarks.harness import campaign
from benchmarks.harness.campaign import Run, run_all

pytestmark = pytest.mark.fast


@pytest.fixture
def commands(monkeypatch):
    """Commands that were started; each leaves what a trainer leaves, or fails if its name says."""
    started = []

    def start(command, *, stdout, stderr):
        started.append(command[1:])
        workdir = campaign.Path(command[command.index("--workdir") + 1])
        workdir.mkdir(exist_ok=True)
        (workdir / "evaluation.json").write_text(json.dumps({"score": len(started)}))
        manifest = {"git_commit": "0123456789abcdef", "git_dirty": "changed" in workdir.name}
        (workdir / "manifest.json").write_text(json.dumps(manifest))
        return SimpleNamespace(returncode=3 if "bad" in workdir.name else 0)

    monkeypatch.setattr(campaign.subprocess, "run", start)
    return started


def test_flags_and_values_become_a_command_line(tmp_path):
    run = Run("one", "denoiser", {"steps": 5, "images": False, "train_denoiser": True})
    assert run.command(tmp_path)[1:] == [
        *("-m", "train.denoiser", "--workdir", str(tmp_path)),
        *("--steps", "5", "--no-images", "--train-denoiser"),
    ]


def test_what_is_finished_is_not_run_again(tmp_path, commands):
    runs = [Run("one", "denoiser", {"steps": 5}), Run("changed", "denoiser", {"steps": 6})]
    first = run_all(runs[:1], tmp_path)
    both = run_all(runs, tmp_path)
    assert len(commands) == 2
    assert first["one"] == both["one"] == {"score": 1, "commit": "0123456789ab"}
    assert both["changed"] == {"score": 2, "commit": "0123456789ab+changes"}


def test_other_options_in_one_folder_are_refused(tmp_path, commands):
    run_all([Run("one", "denoiser", {"steps": 5})], tmp_path)
    with pytest.raises(RuntimeError, match="one.json is of other options"):
        run_all([Run("one", "denoiser", {"steps": 6})], tmp_path)
    assert len(commands) == 1


def test_a_failure_names_its_log_and_is_tried_again(tmp_path, commands):
    for _ in range(2):
        with pytest.raises(RuntimeError, match="bad ended with 3: see .*bad.log"):
            run_all([Run("bad", "denoiser")], tmp_path)
    assert len(commands) == 2
