"""The command itself: help at once, exit codes, one sentence for what went wrong."""

import errno
import subprocess
import sys
from types import ModuleType

import pytest

import jaxnoise
from jaxnoise import cli
from jaxnoise.errors import DataError, UsageError

pytestmark = pytest.mark.fast

COMMANDS = sorted(command.NAME for command in cli._commands())
SLOW = {"jax", "flax", "distrax", "optax", "scipy", "matplotlib"}


def test_help_and_version_need_no_command(capsys):
    assert cli.main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"\n    {name}" in shown for name in COMMANDS)
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"jaxnoise {jaxnoise.__version__}\n"


@pytest.mark.parametrize("arguments", [["--help"], *([name, "--help"] for name in COMMANDS)])
def test_help_imports_nothing_slow(arguments):
    program = (
        "import sys; from jaxnoise.cli import main; code = main(sys.argv[1:]); "
        f"sys.exit(code or ' '.join({SLOW} & set(sys.modules)) or 0)"
    )
    command = [sys.executable, "-c", program, *arguments]
    run = subprocess.run(command, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith("usage: jaxnoise ")


def test_the_package_runs_as_the_command():
    command = [sys.executable, "-m", "jaxnoise", "--version"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout == f"jaxnoise {jaxnoise.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "required: COMMAND; see jaxnoise --help."),
        (["dream"], "invalid choice: 'dream'"),
        (["convert", "x"], "required: --output; see jaxnoise convert --help."),
        (["convert", "x", "--outp", "y"], "required: --output"),
    ],
)
def test_what_cannot_be_parsed_is_one_sentence(capsys, arguments, sentence):
    assert cli.main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith("jaxnoise: ") and shown.err.count("\n") == 1
    assert sentence in shown.err
    assert shown.out == ""


def command(error: BaseException):
    """A subcommand that fails."""

    def run(arguments):
        raise error

    made = ModuleType("fail")
    vars(made).update(NAME="fail", SUMMARY="fails", add_arguments=lambda parser: None, run=run)
    return made


FAILURES = [
    (UsageError("use another."), 2, "use another."),
    (DataError("it is\ndamaged."), 3, "it is damaged."),
    (KeyboardInterrupt(), 130, "stopped by Ctrl-C."),
    (MemoryError(), 2, "the memory is full"),
    (RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes"), 2, "the memory is full"),
    (OSError(errno.ENOSPC, "No space left on device", "out.png"), 2, "the disk is full"),
    (OSError(errno.EDQUOT, "Disk quota exceeded"), 2, "the disk is full"),
    (
        PermissionError(errno.EACCES, "Permission denied", "out"),
        2,
        "out cannot be used (Permission",
    ),
    (OSError("odd"), 1, "unexpected OSError: odd; --debug shows where."),
    (ZeroDivisionError("division by zero"), 1, "unexpected ZeroDivisionError: division by zero"),
]


@pytest.mark.parametrize(("error", "code", "sentence"), FAILURES)
def test_every_failure_has_its_code_and_its_sentence(capsys, monkeypatch, error, code, sentence):
    monkeypatch.setattr(cli, "_commands", lambda: [command(error)])
    assert cli.main(["fail"]) == code
    shown = capsys.readouterr().err
    assert shown.startswith(f"jaxnoise: {sentence}") and shown.count("\n") == 1
    assert cli.main(["fail", "--debug"]) == code
    shown = capsys.readouterr().err
    assert "Traceback" in shown and f"jaxnoise: {sentence}" in shown


def test_the_exit_code_is_that_of_the_subcommand(monkeypatch):
    done = command(UsageError())
    vars(done)["run"] = lambda arguments: 7
    monkeypatch.setattr(cli, "_commands", lambda: [done])
    assert cli.main(["fail"]) == 7
