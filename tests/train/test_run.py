"""Every end of a run has its exit code and one sentence."""

import dataclasses
import errno
import json
import os
import signal
import subprocess
import sys

import pytest

from jaxnoise.errors import DataError, UsageError
from train import lock, run
from train.errors import Diverged, NoCheckpoint, Stopped
from train.options import Options

pytestmark = pytest.mark.fast


@pytest.fixture(autouse=True)
def _release():
    yield
    lock.release()


def ends_with(error, *arguments):
    def program(options, stop):
        if error is not None:
            raise error

    return run.main(
        Options, program, system="example", presets={"cpu": {}}, arguments=list(arguments)
    )


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (None, 0),
        (UsageError("bad"), 2),
        (DataError("bad"), 3),
        (Diverged("bad"), 4),
        (NoCheckpoint("bad"), 5),
        (Stopped("bad"), 75),
        (KeyboardInterrupt(), 130),
        (RuntimeError("bad\nnews"), 1),
    ],
)
def test_exit_codes(error, code, capsys):
    assert ends_with(error) == code
    said = capsys.readouterr().err
    assert said.count("\n") == (error is not None)
    assert "Traceback" not in said


def test_tracebacks_with_debug_only(capsys):
    assert ends_with(UsageError("bad"), "--debug") == 2
    assert "Traceback" in capsys.readouterr().err


def test_debug_of_a_configuration_file(tmp_path, capsys):
    (tmp_path / "options.toml").write_text("debug = true\n")
    config = ("--config", str(tmp_path / "options.toml"))
    assert ends_with(UsageError("bad"), *config) == 2
    assert "Traceback" in capsys.readouterr().err
    assert ends_with(UsageError("bad"), *config, "--no-debug") == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_full_disk_is_a_sentence(capsys):
    assert ends_with(OSError(errno.ENOSPC, "No space left on device", "/run/metrics.jsonl")) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "/run/metrics.jsonl" in said and "make room" in said


FULL_OUTPUT = """
import sys
from train import run
from train.options import Options

def program(options, stop):
    print("a table")

sys.exit(run.main(Options, program, system="x", presets={"cpu": {}}, arguments=sys.argv[1:]))
"""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
@pytest.mark.parametrize(("stream", "options"), [("stdout", ()), ("stderr", ("--steps", "0"))])
def test_a_full_disk_under_the_output_keeps_the_exit_code(stream, options):
    with open("/dev/full", "w") as full:
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, stream: full}
        command = [sys.executable, "-c", FULL_OUTPUT, *options]
        # An empty PYTHONUNBUFFERED is as good as none.
        environment = {**os.environ, "PYTHONPATH": os.getcwd(), "PYTHONUNBUFFERED": ""}
        done = subprocess.run(command, env=environment, **streams)
    assert done.returncode == 2
    if stream == "stdout":
        assert (
            done.stderr.startswith(b"jaxnoise: the disk is full") and done.stderr.count(b"\n") == 1
        )


def test_help_and_print_config_do_not_run(capsys):
    assert ends_with(RuntimeError("ran"), "--help") == 0
    assert ends_with(RuntimeError("ran"), "--print-config") == 0
    assert "steps = " in capsys.readouterr().out


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)])
def test_a_signal_outside_training_ends_at_once(number, code, capsys):
    def program(options, stop):
        os.kill(os.getpid(), number)
        raise AssertionError("went on")

    before = signal.getsignal(number)
    assert run.main(Options, program, system="x", presets={"cpu": {}}, arguments=[]) == code
    assert signal.getsignal(number) is before


@pytest.mark.parametrize(
    ("system", "machine", "version"),
    [("win32", "AMD64", (3, 12)), ("darwin", "x86_64", (3, 12)), ("linux", "x86_64", (3, 10))],
)
def test_unsupported_platforms_are_named(monkeypatch, capsys, system, machine, version):
    monkeypatch.setattr(run.sys, "platform", system)
    monkeypatch.setattr(run.platform, "machine", lambda: machine)
    monkeypatch.setattr(run.sys, "version_info", (*version, 0, "final", 0))
    with pytest.raises(UsageError, match=f"and this is {system} {machine}"):
        run.check_platform()


def test_this_platform_is_supported():
    run.check_platform()


def test_a_workdir_of_another_configuration_lists_the_differences(tmp_path, mesh):
    options = Options()
    folder = tmp_path / "run"
    run.check_workdir(folder, options)
    assert not folder.exists()
    run.open_workdir(folder, options, mesh=mesh, fingerprint="f", facts={})
    run.check_workdir(folder, dataclasses.replace(options, debug=True, data_dir=tmp_path))
    other = dataclasses.replace(options, seed=5, steps=7)
    with pytest.raises(UsageError, match="seed 0 there, 5 here; steps 400 there, 7 here"):
        run.check_workdir(folder, other)
    with pytest.raises(UsageError, match="fingerprint f there, g here"):
        run.open_workdir(folder, options, mesh=mesh, fingerprint="g", facts={})


def test_the_manifest_says_what_ran(tmp_path, mesh):
    run.open_workdir(
        tmp_path / "run", Options(), mesh=mesh, fingerprint="f", facts={"dataset": "d"}
    )
    manifest = json.loads((tmp_path / "run/manifest.json").read_text())
    assert manifest["data_fingerprint"] == "f"
    assert manifest["dataset"] == "d"
    assert manifest["versions"]["jax"]
    assert manifest["devices"]["number"] == mesh.size
    assert manifest["git_dirty"] in ((None,) if manifest["git_commit"] is None else (True, False))
    assert "resumptions" not in manifest


def test_the_manifest_keeps_the_first_start_and_adds_later_ones(tmp_path, mesh, monkeypatch):
    def begin(**different):
        for name, value in different.items():
            monkeypatch.setattr(run.platform, name, lambda value=value: value)
        run.open_workdir(tmp_path / "run", Options(), mesh=mesh, fingerprint="f", facts={})
        return json.loads((tmp_path / "run/manifest.json").read_text())

    first = begin(platform="here")
    assert begin() == first
    moved = begin(platform="there")
    assert moved.pop("resumptions")[0]["platform"] == "there"
    assert moved == first
    assert len(begin()["resumptions"]) == 1
    back = begin(platform="here", python_version="3.99")["resumptions"]
    assert [(start["platform"], start["python"]) for start in back] == [
        ("there", first["python"]),
        ("here", "3.99"),
    ]
    assert {"command", "versions", "git_commit", "git_dirty"} <= back[0].keys()


@pytest.mark.parametrize("changes", ["", " M train/run.py"])
def test_the_manifest_says_whether_the_source_was_changed(tmp_path, mesh, monkeypatch, changes):
    monkeypatch.setattr(run, "_git", lambda command, *_: "c0" if command != "status" else changes)
    run.open_workdir(tmp_path / "run", Options(), mesh=mesh, fingerprint="f", facts={})
    manifest = json.loads((tmp_path / "run/manifest.json").read_text())
    assert (manifest["git_commit"], manifest["git_dirty"]) == ("c0", changes != "")


def test_a_workdir_below_a_file_is_refused(tmp_path, mesh):
    (tmp_path / "file").write_text("")
    folder = tmp_path / "file/deep/run"
    with pytest.raises(UsageError, match="cannot be written .*file is a file"):
        run.check_workdir(folder, Options())
    with pytest.raises(UsageError, match="cannot be written"):
        run.open_workdir(folder, Options(), mesh=mesh, fingerprint="f", facts={})


def test_a_workdir_that_is_not_ones_own_is_refused(tmp_path, monkeypatch):
    # Whoever tests as root may write everywhere.
    monkeypatch.setattr(run.os, "access", lambda *_: False)
    for folder in (tmp_path, tmp_path / "new/run"):
        with pytest.raises(UsageError, match=f"{tmp_path} is not yours to write"):
            run.check_workdir(folder, Options())


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOSPC, errno.EROFS])
def test_a_workdir_that_cannot_be_written_is_refused(tmp_path, mesh, monkeypatch, number):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(run.os, "replace", refuse)
    with pytest.raises(UsageError, match=f"cannot be written .{os.strerror(number)}"):
        run.open_workdir(tmp_path / "run", Options(), mesh=mesh, fingerprint="f", facts={})


def test_a_run_that_began_meanwhile_is_not_overwritten(tmp_path, mesh):
    folder, options = tmp_path / "run", Options()
    run.check_workdir(folder, options)
    other = dataclasses.replace(options, seed=5)
    run.open_workdir(folder, other, mesh=mesh, fingerprint="f", facts={})
    lock.release()
    before = (folder / "config.json").read_bytes()
    with pytest.raises(UsageError, match="seed 5 there, 0 here"):
        run.open_workdir(folder, options, mesh=mesh, fingerprint="f", facts={})
    assert (folder / "config.json").read_bytes() == before


@pytest.mark.parametrize("error", [DataError("bad"), KeyboardInterrupt()])
def test_a_folder_is_locked_until_the_run_ends(tmp_path, mesh, error):
    def program(options, stop):
        run.open_workdir(tmp_path, options, mesh=mesh, fingerprint="f", facts={})
        assert (tmp_path / lock.FILE).exists()
        raise error

    run.main(Options, program, system="x", presets={"cpu": {}}, arguments=[])
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "manifest.json"}


def test_what_a_kill_leaves_of_a_beginning_is_no_obstacle(tmp_path, mesh):
    for name in (lock.FILE, "config.tmp", "manifest.tmp"):
        (tmp_path / name).write_text("{")
    run.check_workdir(tmp_path, Options())
    run.open_workdir(tmp_path, Options(), mesh=mesh, fingerprint="f", facts={})
    lock.release()
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "manifest.json"}


def test_foreign_folders_are_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(UsageError, match="holds other files"):
        run.check_workdir(tmp_path, Options())
    with pytest.raises(UsageError, match="is a file"):
        run.check_workdir(tmp_path / "thesis.txt", Options())
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(DataError, match="cannot be read"):
        run.check_workdir(tmp_path, Options())
