"""From a command line to an exit code: what every trainer's program does around its run."""

import errno
import platform
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any

from jaxnoise.errors import DataError, UsageError
from jaxnoise.process import forget_interrupt
from train.engine import lock
from train.engine.devices import set_flags
from train.engine.errors import Diverged, NoCheckpoint, Stopped
from train.engine.files import NO_ROOM
from train.engine.options import Command, parse, to_toml
from train.engine.output import give_up, prepare_output, say, say_all
from train.engine.signals import BETWEEN, StopSignals

EXIT_CODES: dict[type[BaseException], int] = {
    UsageError: 2,
    DataError: 3,
    Diverged: 4,
    NoCheckpoint: 5,
    Stopped: 75,
    KeyboardInterrupt: 130,
}
PLATFORMS = {("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64")}


def main(package: str, arguments: Sequence[str] | None = None) -> int:
    """Runs a trainer and returns its exit code.

    Args:
        package: of the system. Its module `config` has `COMMANDS`, a `Command` by subcommand, and
            its module `system` has `SYSTEMS`, a `System` by subcommand; the one subcommand ""
            stands for a trainer without any.
        arguments: the command line; by default that of the process.

    Returns:
        0 when all is done, else the code of what was raised, after one sentence on standard error;
        1 for what nobody foresaw.
    """
    ends_here = arguments is None
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    options, stop = None, StopSignals()
    try:
        prepare_output()
        check_platform()
        program = f"python -m {package}"
        commands = import_module(f"{package}.config").COMMANDS
        name, arguments = _subcommand(commands, arguments, program)
        command = commands[name]
        program = f"{program} {name}".strip()
        options, show = parse(command.options, arguments, program=program, presets=command.presets)
        if show:
            say(to_toml(options).rstrip("\n"), to_error=False)
            return 0
        stop.listen()
        _run(package, name, options, stop)
        say_all()  # a full disk is to be noticed here
        return 0
    except BaseException as error:
        stop.hold()
        forget_interrupt()
        if isinstance(error, SystemExit):  # argparse after --help
            return int(error.code or 0)
        # The file of --config may ask for it as well, unless it is the options that are wrong.
        debug = options.debug if options is not None else "--debug" in arguments
        return _said(error, debug=debug)
    finally:
        stop.hold()  # what comes now finds all saved and said
        lock.release()
        _settle_output()
        # Nothing may change the exit code of a process that ends as it was asked to.
        stop.ignore() if ends_here and stop.requested is not None else stop.restore()


def _run(package: str, name: str, options: Any, stop: StopSignals) -> None:
    set_flags(options.accelerator)
    # From here on jax and all that takes long to start is imported, and not before. A library
    # written in C may make something else of a signal that comes while it is imported.
    with stop.after(BETWEEN):
        system = import_module(f"{package}.system").SYSTEMS[name]
        run = import_module("train.engine.run").run
    folder = package.rpartition(".")[2]
    try:
        run(system, options, name=f"{folder}/{name}" if name else folder, stop=stop)
    except OSError:
        lock.look_again()  # a folder that was moved away says more than the file that is missing
        raise


def _subcommand(
    commands: Mapping[str, Command], arguments: list[str], program: str
) -> tuple[str, list[str]]:
    """The subcommand of a command line and what follows it."""
    if set(commands) == {""}:
        return "", arguments
    first = arguments[0] if arguments else ""
    if first in commands:
        return first, arguments[1:]
    if first in ("-h", "--help"):
        print(f"usage: {program} COMMAND ...; COMMAND --help lists the options of one.\n")
        for name, command in commands.items():
            print(f"  {name:12} {(command.options.__doc__ or '').splitlines()[0]}")
        raise SystemExit(0)
    choice = ", ".join(commands)
    raise UsageError(f"{program} needs a command first, one of {choice}; see --help.")


def _said(error: BaseException, *, debug: bool) -> int:
    """Says what ended the program, in one sentence, and returns its exit code."""
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        where = f" where {error.filename} is written" if error.filename else ""
        full = f"the disk is full{where}: make room and give the same command again."
        if error.errno == errno.EFBIG:
            full = (
                f"a file would be larger than this system allows{where}: raise the limit "
                "(ulimit -f) and give the same command again."
            )
        error = UsageError(full).with_traceback(error.__traceback__)
    if isinstance(error, ImportError | SystemError) and (asked := _request_behind(error)):
        error = asked
    code = next((code for kind, code in EXIT_CODES.items() if isinstance(error, kind)), 1)
    if debug:
        with suppress(OSError):
            traceback.print_exception(error)
    elif code == 1:
        reason = " ".join(str(error).split())[:300]
        _say(f"unexpected {type(error).__name__}: {reason}; --debug shows where.")
    else:
        _say(str(error) or "stopped by Ctrl-C; the same command goes on from the last checkpoint.")
    return code


def _request_behind(error: BaseException) -> BaseException | None:
    """The request to stop that a library, written in C, made another error of."""
    seen = error.__cause__ or error.__context__
    while seen is not None and not isinstance(seen, Stopped | KeyboardInterrupt):
        seen = seen.__cause__ or seen.__context__
    return seen


def check_platform() -> None:
    """Raises where the packages that jaxnoise trains with do not exist.

    Raises:
        UsageError: says what is supported.
    """
    here = (sys.platform, platform.machine())
    if here not in PLATFORMS or not (3, 11) <= sys.version_info[:2] <= (3, 13):
        raise UsageError(
            f"training runs on Linux (x86_64, aarch64) and macOS (arm64) with Python 3.11 to 3.13, "
            f"and this is {here[0]} {here[1]} with Python {platform.python_version()}."
        )


def _settle_output() -> None:
    """Gives up output that a full disk does not take: Python would try again at its end and, when
    that fails as well, exit with a code of its own.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            print(end="", flush=True, file=stream)
        except OSError:
            give_up(stream)


def _say(sentence: str) -> None:
    with suppress(OSError):  # its file may be on the disk that is full; the exit code says enough
        say(f"jaxnoise: {sentence}")
