"""Writes PyTorch's `.pth` files, as small as tests need them, and wrong ones.

The instructions are spelled out here, so that none but those which a test wants are in a file.
"""

import io
import struct
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

KINDS = {
    "float32": "Float",
    "float64": "Double",
    "float16": "Half",
    "int64": "Long",
    "int32": "Int",
    "int16": "Short",
    "int8": "Char",
    "uint8": "Byte",
    "bool": "Bool",
}


@dataclass(frozen=True)
class View:
    """A tensor that shows part of a storage."""

    storage: np.ndarray
    shape: Any
    strides: Any
    offset: Any = 0
    kind: str = ""
    length: int | None = None


@dataclass(frozen=True)
class Parameter:
    """A tensor with a gradient."""

    tensor: np.ndarray


@dataclass(frozen=True)
class Raw:
    """Instructions that leave a value on the stack."""

    instructions: bytes


class StateDict(OrderedDict):
    """Tensors by name, with the attribute that PyTorch adds."""


class Writer:
    """A pickle of protocol 2, and the storages that it refers to."""

    def __init__(self):
        self.out = bytearray(b"\x80\x02")
        self.storages: dict[str, np.ndarray] = {}
        self._memory: dict[Any, int] = {}

    def finish(self, value: Any) -> bytes:
        self.add(value)
        return bytes(self.out + b".")

    def add(self, value: Any) -> None:
        put = self.out.extend
        if isinstance(value, Raw):
            put(value.instructions)
        elif value is None or isinstance(value, bool):
            put({None: b"N", True: b"\x88", False: b"\x89"}[value])
        elif isinstance(value, int):
            put(integer(value))
        elif isinstance(value, float):
            put(b"G" + struct.pack(">d", value))
        elif isinstance(value, str):
            self._once(value, text(value))
        elif isinstance(value, StateDict):
            self._call("collections OrderedDict")
            self._items(value)
            put(b"}")
            self._items({"_metadata": OrderedDict({"": {"version": 1}})})
            put(b"b")
        elif isinstance(value, OrderedDict):
            self._call("collections OrderedDict")
            self._items(value)
        elif isinstance(value, dict):
            put(b"}")
            self._items(value)
        elif isinstance(value, list):
            put(b"](")
            for item in value:
                self.add(item)
            put(b"e")
        elif isinstance(value, tuple):
            put(b"(" if len(value) > 3 else b"")
            for item in value:
                self.add(item)
            put({0: b")", 1: b"\x85", 2: b"\x86", 3: b"\x87"}.get(len(value), b"t"))
        elif isinstance(value, Parameter):
            self._call("torch._utils _rebuild_parameter", value.tensor, True, OrderedDict())
        elif isinstance(value, View):
            self._view(value)
        else:
            array = np.asarray(value, order="C")
            strides = tuple(stride // array.itemsize for stride in array.strides)
            self._view(View(array, array.shape, strides))

    def _view(self, view: View) -> None:
        key = next((k for k, own in self.storages.items() if own is view.storage), None)
        if key is None:
            key = str(len(self.storages))
            self.storages[key] = view.storage
        name = f"torch {view.kind or KINDS[view.storage.dtype.name] + 'Storage'}"
        length = view.storage.size if view.length is None else view.length
        place = ("storage", Raw(self._symbol(name)), key, "cpu", length)
        pointer = Writer()
        pointer._memory, pointer.out = self._memory, bytearray()
        pointer.add(place)
        own = Raw(bytes(pointer.out) + b"Q")
        hooks = OrderedDict()
        arguments = (own, view.offset, view.shape, view.strides, False, hooks)
        self._call("torch._utils _rebuild_tensor_v2", *arguments)

    def _symbol(self, name: str) -> bytes:
        return b"c" + name.replace(" ", "\n").encode() + b"\n"

    def _call(self, name: str, *arguments: Any) -> None:
        self._once(("global", name), self._symbol(name))
        self.add(tuple(arguments))
        self.out.extend(b"R")

    def _once(self, key: Any, instructions: bytes) -> None:
        """A value that is remembered, by a long or a short index."""
        if key in self._memory:
            number = self._memory[key]
            self.out.extend(index(number, b"h", b"j"))
            return
        number = self._memory[key] = 250 + len(self._memory)
        self.out.extend(instructions + index(number, b"q", b"r"))

    def _items(self, items: dict) -> None:
        """One item at a time for a single one, else all at once."""
        self.out.extend(b"(" if len(items) != 1 else b"")
        for key, item in items.items():
            self.add(key)
            self.add(item)
        self.out.extend(b"u" if len(items) != 1 else b"s")


def integer(value: int) -> bytes:
    if 0 <= value < 2**8:
        return b"K" + bytes([value])
    if 0 <= value < 2**16:
        return b"M" + struct.pack("<H", value)
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    size = value.bit_length() // 8 + 1
    return b"\x8a" + bytes([size]) + value.to_bytes(size, "little", signed=True)


def text(value: str) -> bytes:
    content = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(content)) + content


def index(number: int, short: bytes, long: bytes) -> bytes:
    return short + bytes([number]) if number < 256 else long + struct.pack("<I", number)


def entries(value: Any, *, order: str = "little") -> dict[str, bytes]:
    """Contents of an archive by name, in PyTorch's order."""
    writer = Writer()
    found = {"data.pkl": writer.finish(value), "byteorder": order.encode()}
    for key, storage in writer.storages.items():
        swapped = storage.astype(storage.dtype.newbyteorder("<" if order == "little" else ">"))
        found[f"data/{key}"] = swapped.tobytes()
    return found | {"version": b"3\n"}


def archive(contents: dict[str, bytes], *, folder="archive", method=zipfile.ZIP_STORED) -> bytes:
    """A zip archive of one folder."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for name, content in contents.items():
            # A fixed date: the same contents are the same bytes.
            entry = zipfile.ZipInfo(f"{folder}/{name}")
            entry.compress_type = method
            file.writestr(entry, content)
    return buffer.getvalue()


def pickled(instructions: bytes, storages: dict[str, bytes] | None = None) -> bytes:
    """An archive whose data.pkl has these instructions between its first one and its last."""
    named = {f"data/{key}": content for key, content in (storages or {}).items()}
    return archive({"data.pkl": b"\x80\x02" + instructions + b".", **named})


def write(path: Path, value: Any, **options) -> Path:
    """Writes a file as `torch.save` does; its path."""
    path.write_bytes(archive(entries(value, **options)))
    return path
