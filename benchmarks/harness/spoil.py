"""Ways to spoil a whole file."""

import random
from collections.abc import Callable
from dataclasses import dataclass

CANARY = "made-by-a-file"
"""A folder that the pickles here would make where they are loaded."""

Files = dict[str, bytes]


@dataclass(frozen=True)
class Sample:
    """Whole files that are read as one.

    Attributes:
        files: contents by name.
        read: the one that the reader is given; "" for their folder.
    """

    files: Files
    read: str = ""


def spoil(sample: Sample, generator: random.Random) -> tuple[str, Sample]:
    """What was done, and the sample with one of its files spoiled.

    Args:
        sample: whole files.
        generator: chooses everything.
    """
    name = generator.choice(sorted(sample.files))
    what, change = generator.choice(list(WAYS.items()))
    changed = {**sample.files, name: change(sample.files[name], generator)}
    return what, Sample(changed, sample.read)


def _flip(content: bytes, generator: random.Random) -> bytes:
    out = bytearray(content)
    out[generator.randrange(len(out))] ^= 1 << generator.randrange(8)
    return bytes(out)


def _flip_many(content: bytes, generator: random.Random) -> bytes:
    for _ in range(generator.randint(2, 40)):
        content = _flip(content, generator)
    return content


def _flip_early(content: bytes, generator: random.Random) -> bytes:
    return _flip(content[:256], generator) + content[256:]


def _overwrite(content: bytes, generator: random.Random) -> bytes:
    place, length = generator.randrange(len(content)), generator.choice((4, 8, 64))
    rubbish = generator.choice((b"\0" * length, b"\xff" * length, generator.randbytes(length)))
    return content[:place] + rubbish + content[place + length :]


def _cut(content: bytes, generator: random.Random) -> bytes:
    return content[: generator.randrange(1, len(content))]


def _leave_out(content: bytes, generator: random.Random) -> bytes:
    place = generator.randrange(len(content))
    return content[:place] + content[place + generator.randint(1, 64) :]


def _append(content: bytes, generator: random.Random) -> bytes:
    return content + generator.randbytes(generator.randint(1, 4096))


def pickled() -> bytes:
    """A pickle that makes the folder `CANARY` when it is loaded."""
    return f"cos\nmkdir\n(S'{CANARY}'\ntR.".encode()


# A flipped bit is the most frequent and the hardest to see.
WAYS: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "flipped bit": _flip,
    "flipped bit in the first 256 bytes": _flip_early,
    "flipped bits": _flip_many,
    "overwritten": _overwrite,
    "cut": _cut,
    "part left out": _leave_out,
    "appended": _append,
    "empty": lambda content, generator: b"",
    "a pickle": lambda content, generator: pickled(),
    "another kind": lambda content, generator: generator.choice(STRANGERS),
}
STRANGERS = (b"GIF89a" + bytes(64), b"%PDF-1.7\n", b"\x1f\x8b\x08" + bytes(64), b"clean,noisy\n")
