"""What commands say, on any terminal or none: names of strangers' files do no harm there."""

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import Any


def printable(text: str) -> str:
    """A text on one line without codes for the terminal.

    Args:
        text: may quote names of files, of any bytes.

    Returns:
        The text with a space for all that cannot be printed.
    """
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def say(text: str, *, error: bool = False) -> None:
    """Prints a line; where nobody reads it any more, nothing.

    Args:
        text: the line.
        error: whether it goes to standard error.
    """
    stream = sys.stderr if error else sys.stdout
    try:
        print(printable(text), file=stream, flush=True)
    except BrokenPipeError:
        leave_closed(stream)


def leave_closed(stream: Any) -> None:
    """Lets what is still written to a pipe that was closed go nowhere.

    Args:
        stream: standard output or standard error.
    """
    with contextlib.suppress(OSError, ValueError), open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


def print_anything() -> None:
    """Lets both outputs spell what their encoding has no character for."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextlib.contextmanager
def libraries_are_silent() -> Iterator[None]:
    """Context in which what libraries written in C print of damaged files goes nowhere."""
    sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # there is no standard error
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
