"""Every end of a run has its exit code and one sentence."""

import dataclasses
import json
import os
import signal

import pytest

from jaxnoise.errors import DataError, UsageError
from train import run
from train.errors import Diverged, NoCheckpoint, Stopped
from train.options import Options

pytestmark = pytest.mark.fast


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


def test_foreign_folders_are_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(UsageError, match="holds other files"):
        run.check_workdir(tmp_path, Options())
    with pytest.raises(UsageError, match="is a file"):
        run.check_workdir(tmp_path / "thesis.txt", Options())
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(DataError, match="cannot be read"):
        run.check_workdir(tmp_path, Options())
