"""A child process that parses files of strangers, with limits on memory, time and what comes back.

Parsers written in C crash, hang or fill the memory on damaged files. In a process of its own that
costs one file and one sentence, not the run. `jaxnoise.io.parser_child` is the other side.
"""

import contextlib
import json
import math
import os
import selectors
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxnoise.errors import DataError, UsageError

MAX_FILE_BYTES = 2 * 2**30
MAX_HEADER_BYTES = 16 * 2**20
MAX_REASON = 1000
ARRAY_TYPES = frozenset(
    {"bool", "float32", "float64"} | {f"{s}int{b}" for s in ("", "u") for b in (8, 16, 32, 64)}
)
START_SECONDS = 60.0
# Processor time tells a hanging parser from a slow disk; the clock catches what waits for ever.
PROCESSOR_SECONDS, BYTES_PER_PROCESSOR_SECOND = 4.0, 5e6
CLOCK_SECONDS, BYTES_PER_CLOCK_SECOND = 60.0, 1e6
_FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP)
_AGAIN = "copy it again from its source or leave it out"


class ParserProcess:
    """One child process for many files; it is started when needed and again after it was killed.

    Attributes:
        parser: name of the parser, a key of `jaxnoise.io.parser_child.PARSERS`.
        max_bytes: largest value that is accepted from a file.
        memory: bytes that the child may use beyond what it starts with (Linux only).
    """

    def __init__(self, parser: str, *, max_bytes: int, memory: int):
        self.parser, self.max_bytes, self.memory = parser, max_bytes, memory
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "ParserProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the child."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def parse(self, path: Path, arguments: Mapping[str, Any]) -> Any:
        """What the parser makes of a file.

        Args:
            path: the file.
            arguments: for the parser, JSON.

        Returns:
            Arrays, strings, lists and dictionaries of them by name.

        Raises:
            DataError: if the file is missing, too large, or the parser refused it, crashed, or went
                over a limit.
            UsageError: if the child does not start.
        """
        size = _size_of(path)
        processor = PROCESSOR_SECONDS + size / BYTES_PER_PROCESSOR_SECOND
        request = {
            "path": str(path),
            "seconds": processor,
            "arguments": {**arguments, "max_bytes": self.max_bytes},
        }
        try:
            header, value = self._ask(request, path, size)
        except _EndedFromOutside:  # which says nothing of the file
            try:
                header, value = self._ask(request, path, size)
            except _EndedFromOutside as ended:
                raise UsageError(
                    f"the process that reads {path} was ended from outside twice ({ended}): find "
                    "out what ends it, perhaps a system short of memory, and give the same command "
                    "again."
                ) from None
        if "refusal" in header:
            # It may quote names from the file, of any length and with codes for the terminal.
            reason = str(header["refusal"])[:MAX_REASON]
            reason = "".join(letter if letter.isprintable() else "?" for letter in reason)
            raise DataError(f"{path} {reason}.")
        if header.get("failure") == "memory":
            raise DataError(
                f"{path} needs more than {self.memory // 2**20} MiB of memory to read: {_AGAIN}."
            )
        if "failure" in header:
            raise DataError(f"{path} cannot be decoded: {_AGAIN}.")
        return value

    def _ask(self, request: dict[str, Any], path: Path, size: int) -> tuple[dict[str, Any], Any]:
        """The child's header and the value, if there is one; after an error the child is gone."""
        try:
            process = self._process or self._start()
            assert process.stdin is not None
            deadline = time.monotonic() + CLOCK_SECONDS + size / BYTES_PER_CLOCK_SECOND
            try:
                process.stdin.write(json.dumps(request).encode() + b"\n")
                header, arrays = self._receive(process, deadline)
                return header, _assemble(header["value"], arrays) if "value" in header else None
            except (EOFError, BrokenPipeError):
                raise self._obituary(process, path, request["seconds"]) from None
            except TimeoutError as error:
                raise DataError(
                    f"{path} takes too long to read: check the disk it lies on, or {_AGAIN}."
                ) from error
            except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
                raise DataError(f"{path} confused its reader: {_AGAIN}.") from error
        except BaseException:
            self.close()
            raise

    def _start(self) -> subprocess.Popen[bytes]:
        root = str(Path(__file__).parents[2])
        paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
        process = self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "jaxnoise.io.parser_child", self.parser, str(self.memory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            # One thread: each one reserves memory that counts against the limit.
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OPENBLAS_NUM_THREADS": "1"},
        )
        try:
            header, _ = self._receive(process, time.monotonic() + START_SECONDS)
            if header != {"ready": True}:
                raise ValueError(header)
        except (EOFError, OSError, ValueError) as error:
            raise UsageError(
                f"the process that reads {self.parser} files does not start: install jaxnoise "
                "again, with its train extra."
            ) from error
        return process

    def _receive(
        self, process: subprocess.Popen[bytes], deadline: float
    ) -> tuple[dict[str, Any], list[np.ndarray]]:
        """A header and the arrays it announces; nothing in it is trusted."""
        length = int.from_bytes(_read(process, 8, deadline), "big")
        if length > MAX_HEADER_BYTES:
            raise ValueError("the header is too long")
        header = json.loads(_read(process, length, deadline))
        announced = [(np.dtype(str(kind)), tuple(shape)) for kind, shape in header.pop("arrays")]
        for dtype, shape in announced:
            if dtype.name not in ARRAY_TYPES or not all(type(n) is int and n >= 0 for n in shape):
                raise ValueError("no such array")
        if sum(math.prod(shape) * dtype.itemsize for dtype, shape in announced) > self.max_bytes:
            raise ValueError("the arrays are too large")
        arrays = []
        for dtype, shape in announced:
            content = _read(process, math.prod(shape) * dtype.itemsize, deadline)
            arrays.append(np.frombuffer(content, dtype).reshape(shape, order="F"))
        return header, arrays

    def _obituary(
        self, process: subprocess.Popen[bytes], path: Path, processor: float
    ) -> Exception:
        try:
            code = process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            code = 0
        if -code in _FROM_OUTSIDE:
            return _EndedFromOutside(signal.Signals(-code).name)
        if code == -signal.SIGPROF:
            return DataError(f"{path} takes more than {processor:.0f} s to read: {_AGAIN}.")
        return DataError(f"{path} ended its reader (exit status {code}): {_AGAIN}.")


class _EndedFromOutside(Exception):
    """The child was ended by a signal that no parser causes; which one."""


def _size_of(path: Path) -> int:
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"cannot read {path} ({reason}): check the path.") from error
    if not stat.S_ISREG(found.st_mode):
        raise DataError(f"{path} is no file: check the path.")
    if found.st_size > MAX_FILE_BYTES:
        raise DataError(
            f"{path} is larger than {MAX_FILE_BYTES // 2**30} GiB: cut the image into parts."
        )
    return found.st_size


def _read(process: subprocess.Popen[bytes], count: int, deadline: float) -> bytearray:
    assert process.stdout is not None
    buffer = bytearray(count)
    filled, view = 0, memoryview(buffer)
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while filled < count:
            left = deadline - time.monotonic()
            if left <= 0 or not selector.select(left):
                raise TimeoutError
            got = os.readv(process.stdout.fileno(), [view[filled:]])
            if got == 0:
                raise EOFError
            filled += got
    return buffer


def _assemble(value: Any, arrays: list[np.ndarray]) -> Any:
    """The value whose arrays were sent beside it; see `parser_child`."""
    if isinstance(value, list):
        return [_assemble(item, arrays) for item in value]
    if isinstance(value, dict):
        if "array" in value:
            return arrays[value["array"]]
        return {name: _assemble(item, arrays) for name, item in value["fields"].items()}
    return value
