"""Every end of a run has its exit code and one sentence."""

import errno
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from jaxnoise.errors import DataError, UsageError
from train.engine import folder, lock, program
from train.engine.errors import Diverged, NoCheckpoint, Stopped
from train.engine.options import Command, Options

pytestmark = pytest.mark.fast

CONFIG = SimpleNamespace(COMMANDS={"": Command(options=Options, presets={"cpu": {}})})


@pytest.fixture(autouse=True)
def _release():
    yield
    lock.release()


@pytest.fixture
def ends_with(monkeypatch):
    """Runs a program of the given function, or one that raises an error, to its exit code."""

    def run(end, *arguments):
        def work(system, options, *, name, stop):
            if callable(end):
                end(options, stop)
            elif end is not None:
                raise end

        modules = {
            "example.config": CONFIG,
            "example.system": SimpleNamespace(SYSTEMS={"": None}),
            "train.engine.run": SimpleNamespace(run=work),
        }
        monkeypatch.setattr(program, "import_module", modules.__getitem__)
        return program.main("example", list(arguments))

    return run


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
def test_exit_codes(ends_with, error, code, capsys):
    assert ends_with(error) == code
    said = capsys.readouterr().err
    assert said.count("\n") == (error is not None)
    assert "Traceback" not in said


@pytest.mark.parametrize(("request_", "code"), [(Stopped("s"), 75), (KeyboardInterrupt("s"), 130)])
def test_a_request_to_stop_that_a_library_renamed_has_its_code(ends_with, request_, code, capsys):
    error = ImportError("initialization failed")
    error.__cause__ = request_
    assert ends_with(error) == code
    assert capsys.readouterr().err == "jaxnoise: s\n"
    # What else goes wrong after a request is told.
    error = OSError(errno.ENOSPC, "No space left on device")
    error.__cause__ = request_
    assert ends_with(error) == 2


def test_a_signal_while_modules_are_imported_waits_for_them(monkeypatch, capsys):
    imported = []

    def import_module(name):
        if name == "example.config":
            return CONFIG
        os.kill(os.getpid(), signal.SIGTERM)
        imported.append(name)
        return SimpleNamespace(SYSTEMS={"": None}, run=lambda *_, **__: imported.append("run"))

    monkeypatch.setattr(program, "import_module", import_module)
    assert program.main("example", []) == 75
    assert imported == ["example.system", "train.engine.run"]
    assert "stopped by a signal" in capsys.readouterr().err


def test_tracebacks_with_debug_only(ends_with, capsys):
    assert ends_with(UsageError("bad"), "--debug") == 2
    assert "Traceback" in capsys.readouterr().err


def test_debug_of_a_configuration_file(ends_with, tmp_path, capsys):
    (tmp_path / "options.toml").write_text("debug = true\n")
    config = ("--config", str(tmp_path / "options.toml"))
    assert ends_with(UsageError("bad"), *config) == 2
    assert "Traceback" in capsys.readouterr().err
    assert ends_with(UsageError("bad"), *config, "--no-debug") == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_full_disk_is_a_sentence(ends_with, capsys):
    assert ends_with(OSError(errno.ENOSPC, "No space left on device", "/run/metrics.jsonl")) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "/run/metrics.jsonl" in said and "make room" in said


@pytest.mark.parametrize("moved", [True, False])
def test_a_folder_that_is_moved_in_the_middle_of_writing_is_told(
    ends_with, tmp_path, moved, capsys
):
    place = tmp_path / "run"

    def write(options, stop):
        place.mkdir()
        lock.acquire(place)
        if moved:
            place.rename(tmp_path / "elsewhere")
        (place / "checkpoints" / "4").mkdir()

    assert ends_with(write) == (2 if moved else 1)
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert ("was renamed, deleted or replaced" in said) == moved


FULL_OUTPUT = """
import sys
from types import SimpleNamespace
from train.engine import program
from train.engine.options import Command, Options

modules = {
    "example.config": SimpleNamespace(COMMANDS={"": Command(options=Options, presets={"cpu": {}})}),
    "example.system": SimpleNamespace(SYSTEMS={"": None}),
    "train.engine.run": SimpleNamespace(run=lambda *_, **__: print("a table")),
}
program.import_module = modules.__getitem__
sys.exit(program.main("example", sys.argv[1:]))
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


def test_help_and_print_config_do_not_run(ends_with, capsys):
    assert ends_with(RuntimeError("ran"), "--help") == 0
    assert ends_with(RuntimeError("ran"), "--print-config") == 0
    assert "steps = " in capsys.readouterr().out


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)])
def test_a_signal_outside_training_ends_at_once(ends_with, number, code, capsys):
    def work(options, stop):
        os.kill(os.getpid(), number)
        raise AssertionError("went on")

    before = signal.getsignal(number)
    assert ends_with(work) == code
    assert signal.getsignal(number) is before


@pytest.mark.parametrize(
    ("system", "machine", "version"),
    [("win32", "AMD64", (3, 12)), ("darwin", "x86_64", (3, 12)), ("linux", "x86_64", (3, 10))],
)
def test_unsupported_platforms_are_named(monkeypatch, capsys, system, machine, version):
    monkeypatch.setattr(program.sys, "platform", system)
    monkeypatch.setattr(program.platform, "machine", lambda: machine)
    monkeypatch.setattr(program.sys, "version_info", (*version, 0, "final", 0))
    with pytest.raises(UsageError, match=f"and this is {system} {machine}"):
        program.check_platform()


def test_this_platform_is_supported():
    program.check_platform()


@pytest.mark.parametrize("error", [DataError("bad"), KeyboardInterrupt()])
def test_a_folder_is_locked_until_the_run_ends(ends_with, tmp_path, mesh, error):
    def work(options, stop):
        folder.open_workdir(tmp_path, options, mesh=mesh, fingerprint="f", facts={})
        assert (tmp_path / lock.FILE).exists()
        raise error

    ends_with(work)
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "manifest.json"}
