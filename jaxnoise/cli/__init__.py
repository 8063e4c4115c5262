"""The command `jaxnoise`: one module per subcommand."""

import argparse
import errno
import importlib
import pkgutil
import sys
import traceback
from collections.abc import Sequence
from types import ModuleType
from typing import NoReturn

from jaxnoise import __version__
from jaxnoise.cli._say import leave_closed, print_anything, printable, say
from jaxnoise.errors import DataError, UsageError
from jaxnoise.process import forget_interrupt

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
MEMORY_FULL = "the memory is full: give less at once, or use a machine with more memory."


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one subcommand.

    A subcommand is a module of this package with `NAME`, `SUMMARY`, `add_arguments(parser)` and
    `run(arguments) -> int`. It imports what is slow inside `run`, so that `--help` answers at once.

    Args:
        argv: the command line without the program's name; by default that of the process.

    Returns:
        0 when all is done; else, after one sentence on standard error, 2 for a request that cannot
        be met, 3 for data that are missing or damaged, 130 for Ctrl-C, and 1 for what nobody
        foresaw.
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    print_anything()
    try:
        arguments = _parser(_commands()).parse_args(argv)
        return arguments.run(arguments)
    except SystemExit as leave:  # argparse after --help and --version
        return int(leave.code or 0)
    except BrokenPipeError:  # nobody reads the help to its end
        leave_closed(sys.stdout)
        return 0
    except (Exception, KeyboardInterrupt) as error:
        forget_interrupt()
        code, sentence = _code_and_sentence(error)
        if "--debug" in argv:
            traceback.print_exception(error)
        say(f"jaxnoise: {sentence}", error=True)
        return code


def _commands() -> list[ModuleType]:
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return [importlib.import_module(f"{__name__}.{name}") for name in names if name[0] != "_"]


def _parser(commands: Sequence[ModuleType]) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="jaxnoise",
        description="Camera noise: put it on images, take it off, and bring models from elsewhere.",
        epilog="exit codes: 0 done, 2 a request that cannot be met, 3 data missing or damaged, "
        "130 stopped by Ctrl-C",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"jaxnoise {__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in commands:
        own = subparsers.add_parser(
            command.NAME, help=command.SUMMARY, description=command.SUMMARY, allow_abbrev=False
        )
        command.add_arguments(own)
        own.add_argument("--debug", action="store_true", help="show where an error arose")
        own.set_defaults(run=command.run)
    return parser


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see {self.prog} --help.")


def _code_and_sentence(error: BaseException) -> tuple[int, str]:
    """Exit code of an error, and what to tell the user."""
    reason = printable(str(error))[:1000]
    if isinstance(error, KeyboardInterrupt):
        return 130, "stopped by Ctrl-C."
    if isinstance(error, DataError):
        return 3, reason
    if isinstance(error, UsageError):
        return 2, reason
    # What XLA raises when it cannot allocate is a RuntimeError of its own.
    if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in reason:
        return 2, MEMORY_FULL
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return 2, f"the disk is full ({reason}): make room and give the same command again."
    if isinstance(error, OSError) and error.strerror:
        place = error.filename or "a file"
        return 2, f"{place} cannot be used ({error.strerror}): choose another path."
    return 1, f"unexpected {type(error).__name__}: {reason[:300]}; --debug shows where."
