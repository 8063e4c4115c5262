"""The script that makes the environment: when it installs, and what it says when it cannot."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

import in_venv

pytestmark = pytest.mark.fast

SCRIPT = Path(in_venv.__file__)


@dataclass
class Clone:
    """A folder with the script's surroundings, and what the script did in it."""

    root: Path
    events: list


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A clone without an environment, in which installing is a note in a list."""
    for name in ("ROOT", "ENVIRONMENT", "STAMP", "LOG"):
        inside = Path(getattr(in_venv, name)).relative_to(SCRIPT.parent)
        monkeypatch.setattr(in_venv, name, str(tmp_path / inside))
    (tmp_path / "constraints").mkdir()
    Path(in_venv.constraints_file()).write_text("numpy==2.0\n")
    (tmp_path / "pyproject.toml").write_text("one")
    events = []

    def make():
        events.append("make")
        (tmp_path / ".venv/bin").mkdir()
        (tmp_path / ".venv/bin/python").touch()

    monkeypatch.setattr(in_venv, "make_environment", make)
    monkeypatch.setattr(in_venv, "pip_install", lambda python: events.append("install"))
    monkeypatch.setattr(os, "execv", lambda path, command: events.append(command))
    monkeypatch.setattr(os, "environ", dict(os.environ))
    return Clone(tmp_path, events)


def test_the_first_call_installs_and_later_calls_do_not(clone):
    python = str(clone.root / ".venv/bin/python")
    in_venv.main(["-m", "train.noiseflow", "--steps", "3"])
    command = [python, "-m", "train.noiseflow", "--steps", "3"]
    assert clone.events == ["make", "install", command]
    in_venv.main(["-c", "1"])
    assert clone.events[3:] == [[python, "-c", "1"]]
    assert os.environ["PYTHONPATH"].split(os.pathsep)[0] == str(clone.root)


@pytest.mark.parametrize("changed", ["pyproject.toml", "constraints"])
def test_a_change_of_the_dependencies_installs_again(clone, changed):
    in_venv.main(["-c", "1"])
    path = clone.root / changed if changed.endswith("toml") else Path(in_venv.constraints_file())
    path.write_text("numpy==2.1\n")
    del clone.events[:]
    in_venv.main(["-c", "1"])
    assert clone.events[0] == "install"


def test_an_interrupted_installation_is_redone(clone, monkeypatch):
    def interrupt(python):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(in_venv, "pip_install", interrupt)
        with pytest.raises(KeyboardInterrupt):
            in_venv.main(["-c", "1"])
    del clone.events[:]
    (clone.root / ".venv/half").touch()
    in_venv.main(["-c", "1"])
    assert clone.events[:2] == ["make", "install"]
    assert not (clone.root / ".venv/half").exists()


def test_an_environment_of_somebody_else_is_left_alone(clone):
    (clone.root / ".venv").mkdir()
    (clone.root / ".venv/precious").touch()
    with pytest.raises(in_venv.SetUpError, match="move it away"):
        in_venv.main(["-c", "1"])
    assert (clone.root / ".venv/precious").exists()


def test_an_unsupported_platform_is_named(monkeypatch):
    monkeypatch.setattr(in_venv.platform, "system", lambda: "Windows")
    with pytest.raises(in_venv.SetUpError, match="Windows.*not supported") as caught:
        in_venv.check_platform()
    assert caught.value.code == 2


def test_no_fitting_python_is_said(monkeypatch):
    monkeypatch.setattr(in_venv.shutil, "which", lambda name: None)
    with pytest.raises(in_venv.SetUpError, match=r"needs 3\.11 to 3\.13") as caught:
        in_venv.fitting_python()
    assert caught.value.code == 2


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("NewConnectionError: Failed to establish a new connection", "cannot be reached"),
        ("OSError: [Errno 28] No space left on device", "disk is full"),
        ("ERROR: ResolutionImpossible", "ResolutionImpossible"),
    ],
)
def test_a_failed_installation_has_a_reason_in_one_sentence(line, sentence):
    reason = in_venv.reason(["Collecting numpy", line, ""])
    assert sentence in reason and "\n" not in reason


def test_exit_code_and_signals_are_those_of_the_command():
    # The environment that runs the tests stands in for .venv.
    program = (
        "import os, sys, in_venv\n"
        "in_venv.read_stamp = in_venv.environment_key = lambda: 'ready'\n"
        "in_venv.os.path.join = lambda *parts: sys.executable if parts[-1] == 'python' "
        "else '/'.join(parts)\n"
        "in_venv.main(['-c', sys.argv[1]])\n"
    )
    command = [sys.executable, "-c", program]
    run = subprocess.run([*command, "raise SystemExit(75)"], cwd=SCRIPT.parent)
    assert run.returncode == 75
    child = subprocess.Popen(
        [*command, "print('up', flush=True); import time; time.sleep(60)"],
        cwd=SCRIPT.parent,
        stdout=subprocess.PIPE,
    )
    assert child.stdout.readline() == b"up\n"
    started = time.monotonic()
    child.send_signal(signal.SIGTERM)
    assert child.wait() == -signal.SIGTERM
    assert time.monotonic() - started < 30
    child.stdout.close()
