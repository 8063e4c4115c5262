"""What a trainer tells its terminal: text that any terminal can take, or nobody if it is gone."""

import codecs
import errno
import os
import sys
from typing import TextIO

GONE = (errno.EPIPE, errno.EIO)
"""Error numbers of writing where nobody reads any more: a closed pipe, a closed terminal."""

_SPELT = {"\N{MINUS SIGN}": "-", "\N{MULTIPLICATION SIGN}": "x", "\N{EN DASH}": "-"}
_ERRORS = "jaxnoise-spelt"


def prepare_output() -> None:
    """Lets standard output and standard error spell what their encoding lacks."""
    codecs.register_error(_ERRORS, _spell)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)  # what a test captures has none
        if reconfigure is not None:
            reconfigure(errors=_ERRORS)


def plain(text: str) -> str:
    """Text without what a terminal would obey instead of show.

    Names of cameras, files and folders come from strangers, and a control character in one could
    move the cursor, colour or forge what stands beside it.

    Args:
        text: one or more lines.

    Returns:
        The same with control and format characters, and bytes of file names that are no text,
        spelt as escapes.
    """
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return text
    return "".join(
        c if c.isprintable() or c in "\n\t\N{NO-BREAK SPACE}" else _escaped(c) for c in text
    )


def say(text: str, *, to_error: bool = True) -> None:
    """Prints a text, made `plain`; does nothing where nobody reads any more.

    Args:
        text: without the end of its last line.
        to_error: to standard error, else to standard output.

    Raises:
        OSError: it cannot be written for another reason, such as a full disk.
    """
    stream = sys.stderr if to_error else sys.stdout
    try:
        print(plain(text), file=stream, flush=True)
    except OSError as error:
        if error.errno not in GONE:
            raise
        give_up(stream)


def say_all() -> None:
    """Writes what standard output still holds back.

    Raises:
        OSError: it cannot be written, such as to a full disk.
    """
    try:
        print(end="", flush=True)
    except OSError as error:
        if error.errno not in GONE:
            raise
        give_up(sys.stdout)


def give_up(stream: TextIO) -> None:
    """Sends what else is written to a stream nowhere; its buffer would be tried again for ever.

    Args:
        stream: standard output or standard error.
    """
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except (OSError, ValueError):
        pass  # it has no file of its own


def _spell(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    lost = error.object[error.start : error.end]
    return "".join(_SPELT.get(character) or _escaped(character) for character in lost), error.end


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()
