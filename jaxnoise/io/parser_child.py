"""The program that `jaxnoise.io.parser_process` starts: it limits itself, then parses on request.

A request is one line of JSON. A reply is the length of a header (8 bytes, big-endian), the header
as JSON, and the bytes of the arrays that it announces, first index fastest.
"""

import contextlib
import importlib
import json
import os
import signal
import sys
from typing import Any, BinaryIO

import numpy as np

PARSERS = {"MAT": "jaxnoise.io.mat_parser"}


class Refusal(ValueError):
    """What is wrong with a file and what to do, to follow its path in a sentence."""


def serve(parser: str, memory: int) -> None:
    """Answers requests from standard input until it ends.

    Args:
        parser: a key of `PARSERS`; its module has `parse(path, **arguments)`.
        memory: bytes that may be used beyond what is in use when the parser is loaded.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this one
    # Nothing that a library prints may end up between replies.
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    parse = importlib.import_module(PARSERS[parser]).parse
    limit_memory(memory)
    _send(replies, {"ready": True, "arrays": []}, [])
    for line in sys.stdin.buffer:
        request = json.loads(line)
        arrays: list[np.ndarray] = []
        # The kernel ends the process when the time is over, whatever it is doing.
        signal.setitimer(signal.ITIMER_PROF, request["seconds"])
        try:
            value = parse(request["path"], **request["arguments"])
            header: dict[str, Any] = {"value": _take_apart(value, arrays)}
        except Refusal as refusal:
            header = {"refusal": str(refusal)}
        except MemoryError:
            header = {"failure": "memory"}
        except Exception:  # parsers raise many kinds for damaged files
            header = {"failure": "damaged"}
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        if "value" not in header:
            arrays = []
        header["arrays"] = [(array.dtype.name, array.shape) for array in arrays]
        _send(replies, header, arrays)


def limit_memory(memory: int) -> None:
    """Limits this process to what it uses now and some bytes more; no file may grow either.

    Args:
        memory: the bytes. Only Linux enforces them.
    """
    import resource

    for kind in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE):
        resource.setrlimit(kind, (0, 0))
    with contextlib.suppress(OSError):
        with open("/proc/self/statm") as file:
            pages = [int(count) for count in file.read().split()]
        for kind, used in ((resource.RLIMIT_AS, pages[0]), (resource.RLIMIT_DATA, pages[5])):
            limit = used * resource.getpagesize() + memory
            resource.setrlimit(kind, (limit, limit))


def _send(replies: BinaryIO, header: dict[str, Any], arrays: list[np.ndarray]) -> None:
    text = json.dumps(header).encode()
    replies.write(len(text).to_bytes(8, "big") + text)
    for array in arrays:
        replies.write(np.ascontiguousarray(array.T).reshape(-1).view(np.uint8).data)
    replies.flush()


def _take_apart(value: Any, arrays: list[np.ndarray]) -> Any:
    if isinstance(value, np.ndarray):
        arrays.append(value.astype(value.dtype.newbyteorder("="), copy=False))
        return {"array": len(arrays) - 1}
    if isinstance(value, list):
        return [_take_apart(item, arrays) for item in value]
    if isinstance(value, dict):
        return {"fields": {name: _take_apart(item, arrays) for name, item in value.items()}}
    return value


if __name__ == "__main__":
    from jaxnoise.io import parser_child  # the module that parsers know, not a second copy of it

    parser_child.serve(sys.argv[1], int(sys.argv[2]))
