"""Reader of TensorFlow checkpoints (tensor bundles, version 2) that needs no TensorFlow.

A checkpoint `model.ckpt` is the files `model.ckpt.index`, a sorted table from a tensor's name to
its type, shape and place, and `model.ckpt.data-00000-of-00001` and so on, the numbers.
"""

import math
import os
import re
import struct
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxnoise.errors import DataError
from jaxnoise.interop.sorted_table import Damaged, masked_crc32c, read_table, varint

MAX_INDEX_BYTES = 2 * 2**20
MAX_TENSOR_BYTES = 16 * 2**20
"""Of all tensors read at a time: a pure-Python checksum takes 0.1 seconds for each MiB."""
MAX_RANK = 8
MAX_SHARDS = 1000

DTYPES = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8"}

_SUFFIX = re.compile(r"\.(?:index|meta|data-\d{5}-of-\d{5})$")
_STATE_FILE = "checkpoint"
_MAX_NOTE_BYTES = 2**20
_COPY_AGAIN = "copy the checkpoint again from its source"


class Entry(NamedTuple):
    """What an index says about one tensor.

    Attributes:
        dtype: TensorFlow's number of the type; those of `DTYPES` can be read.
        shape: of the tensor.
        shard: which of the data files holds it.
        offset: where in that file it begins, bytes.
        size: its length, bytes.
        checksum: masked CRC-32C of these bytes.
        sliced: stored in parts.
    """

    dtype: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    checksum: int
    sliced: bool


class Index(NamedTuple):
    """What a checkpoint holds.

    Attributes:
        prefix: path of the checkpoint's files without their endings.
        shards: number of its data files.
        entries: its tensors by name.
    """

    prefix: Path
    shards: int
    entries: Mapping[str, Entry]


def find_checkpoint(path: str | os.PathLike) -> Path | None:
    """Path of a checkpoint's files without their endings.

    Args:
        path: such a path, one of the checkpoint's files, or the folder that holds it. Of several in
            a folder, that which TensorFlow's file `checkpoint` names as the newest.

    Returns:
        The path; None where there is no checkpoint.

    Raises:
        DataError: the folder holds several checkpoints, and nothing says which is meant.
    """
    path = Path(path)
    if not path.is_dir():
        if path.name == _STATE_FILE and path.is_file():
            return find_checkpoint(path.parent)
        prefix = path.with_name(_SUFFIX.sub("", path.name)) if path.name else path
        return prefix if _index_path(prefix).is_file() else None
    found = sorted(file.name.removesuffix(".index") for file in path.glob("*.index"))
    if len(found) < 2:
        return path / found[0] if found else None
    newest = _newest(path / _STATE_FILE)
    if newest not in found:
        raise DataError(
            f"{path} holds {len(found)} checkpoints: give one of them, for example "
            f"{path / found[0]} or {path / found[1]}."
        )
    return path / newest


def read_index(prefix: Path) -> Index:
    """Names, types and shapes of a checkpoint's tensors.

    Args:
        prefix: from `find_checkpoint`.

    Returns:
        The index. Its numbers are checked when tensors are read.

    Raises:
        DataError: the file is missing, too large or damaged.
    """
    path = _index_path(prefix)
    data = _read(path, 0, None, limit=MAX_INDEX_BYTES)
    try:
        table = read_table(data)
        if b"" not in table:
            raise Damaged("it has no header")
        shards = _header(table.pop(b""))
        entries = {_name(key): _entry(value) for key, value in table.items()}
    except Damaged as error:
        raise DataError(
            f"{path} is no intact index of a TensorFlow checkpoint ({error}): {_COPY_AGAIN}."
        ) from error
    return Index(prefix, shards, entries)


def read_tensors(index: Index, names: Collection[str]) -> dict[str, np.ndarray]:
    """The numbers of some tensors, checksums verified.

    Args:
        index: from `read_index`.
        names: which tensors; each is in the index.

    Returns:
        Arrays by name: float32, float64, int32 or int64.

    Raises:
        DataError: a data file is missing or damaged, or a tensor is of a type or size that is not
            read.
    """
    entries = {name: index.entries[name] for name in names}
    for name, entry in entries.items():
        _check(index, name, entry)
    total = sum(entry.size for entry in entries.values())
    if total > MAX_TENSOR_BYTES:
        raise DataError(
            f"{index.prefix} holds {total:,} bytes of tensors, more than {MAX_TENSOR_BYTES:,}: "
            "give the checkpoint of a smaller model."
        )
    tensors = {}
    for name, entry in entries.items():
        path = data_path(index.prefix, entry.shard, index.shards)
        content = _read(path, entry.offset, entry.size, limit=MAX_TENSOR_BYTES)
        if len(content) != entry.size or masked_crc32c(content) != entry.checksum:
            raise DataError(f"{name} in {path} fails its checksum: {_COPY_AGAIN}.")
        tensors[name] = np.frombuffer(content, DTYPES[entry.dtype]).reshape(entry.shape)
    return tensors


def data_path(prefix: Path, shard: int, shards: int) -> Path:
    """Path of one of a checkpoint's data files.

    Args:
        prefix: path of the checkpoint's files without their endings.
        shard: number of the file, from 0.
        shards: how many there are.

    Returns:
        The path.
    """
    return prefix.with_name(f"{prefix.name}.data-{shard:05d}-of-{shards:05d}")


def read_note(path: Path) -> str:
    """A text file beside a checkpoint.

    Args:
        path: the file.

    Returns:
        Its first MiB; nothing if it is absent or cannot be read.
    """
    if not path.is_file():
        return ""
    try:
        with path.open("rb") as file:
            return file.read(_MAX_NOTE_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def _index_path(prefix: Path) -> Path:
    return prefix.with_name(f"{prefix.name}.index")


def _newest(state_file: Path) -> str | None:
    """Name of the checkpoint that a state file calls the newest, without its folder."""
    text = read_note(state_file)
    stated = re.search(r'^[ \t]*model_checkpoint_path:[ \t]*"([^"\n]*)"', text, re.MULTILINE)
    return re.split(r"[/\\]", stated[1])[-1] if stated else None


def _read(path: Path, offset: int, size: int | None, *, limit: int) -> bytes:
    """Part of a file; the whole of it without a size."""
    try:
        if not path.is_file():
            raise DataError(f"{path} is missing: {_COPY_AGAIN}, with all its files.")
        length = path.stat().st_size
        size = length if size is None else size
        if size > limit:
            raise DataError(f"{path} holds {size:,} bytes, more than {limit:,}: {_COPY_AGAIN}.")
        if offset + size > length:
            raise DataError(f"{path} ends before its last tensor: {_COPY_AGAIN}.")
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(size)
    except OSError as error:
        raise DataError(f"cannot read {path} ({error.strerror}): check the path.") from error


def _check(index: Index, name: str, entry: Entry) -> None:
    if entry.dtype not in DTYPES or entry.sliced:
        kind = "in slices" if entry.sliced else f"as type {entry.dtype}"
        raise DataError(
            f"{index.prefix} stores {name} {kind}: only whole float32, float64, int32 and int64 "
            "tensors are read."
        )
    expected = math.prod(entry.shape) * np.dtype(DTYPES[entry.dtype]).itemsize
    if entry.size != expected or entry.shard >= index.shards:
        raise DataError(
            f"{index.prefix} says of {name} what cannot be true ({entry.size} bytes for shape "
            f"{entry.shape} in file {entry.shard} of {index.shards}): {_COPY_AGAIN}."
        )


def _name(key: bytes) -> str:
    try:
        name = key.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Damaged("a name is no text") from error
    if not name.isprintable():
        raise Damaged("a name is no text")
    return name


def _header(message: bytes) -> int:
    """Number of data files, from a BundleHeaderProto."""
    fields = dict(_fields(message))
    shards = fields.get(1, 0)
    if not isinstance(shards, int) or not 1 <= shards <= MAX_SHARDS:
        raise Damaged(f"it states {shards} data files")
    if fields.get(2, 0) != 0:
        raise Damaged("its numbers are big-endian")
    return shards


def _entry(message: bytes) -> Entry:
    """What a BundleEntryProto says."""
    numbers = {1: 0, 3: 0, 4: 0, 5: 0, 6: 0}
    shape: tuple[int, ...] = ()
    sliced = False
    for field, value in _fields(message):
        if field in numbers and isinstance(value, int):
            numbers[field] = value
        elif field == 2 and isinstance(value, bytes):
            shape = _shape(value)
        elif field == 7:
            sliced = True
        else:
            raise Damaged(f"a tensor has the unknown field {field}")
    return Entry(
        numbers[1], shape, numbers[3], numbers[4], numbers[5], numbers[6] & 0xFFFFFFFF, sliced
    )


def _shape(message: bytes) -> tuple[int, ...]:
    """A TensorShapeProto."""
    sizes = []
    for field, value in _fields(message):
        if field != 2 or not isinstance(value, bytes):
            raise Damaged("a tensor has no definite shape")
        size = dict(_fields(value)).get(1, 0)
        if not isinstance(size, int) or size > MAX_TENSOR_BYTES or len(sizes) == MAX_RANK:
            raise Damaged("a tensor has an impossible shape")
        sizes.append(size)
    return tuple(sizes)


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field numbers and values of a protocol buffer message, as far as bundles use them.

    Source: the Protocol Buffers documentation, "Encoding".
    """
    place = 0
    while place < len(message):
        tag, place = varint(message, place)
        field, kind = tag >> 3, tag & 7
        if kind == 0:
            value, place = varint(message, place)
            yield field, value
            continue
        if kind == 2:
            size, place = varint(message, place)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise Damaged("a message has a field of an unknown kind")
        if place + size > len(message):
            raise Damaged("a message ends inside a field")
        content = message[place : place + size]
        place += size
        yield (
            field,
            content if kind == 2 else struct.unpack("<I" if kind == 5 else "<Q", content)[0],
        )
