"""Writes TensorFlow's checkpoint format, as small as tests need it; its own CRC, bit by bit."""

import struct
from pathlib import Path

import numpy as np

DTYPES = {"float32": 1, "float64": 2, "int32": 3, "int64": 9}
MAGIC = 0xDB4775248B80FB57


def crc32c(data: bytes) -> int:
    """CRC-32C by polynomial division, one bit after the other."""
    state = 0xFFFFFFFF
    for byte in data:
        state ^= byte
        for _ in range(8):
            state = state >> 1 ^ 0x82F63B78 * (state & 1)
    return state ^ 0xFFFFFFFF


def masked(data: bytes) -> int:
    value = crc32c(data)
    return ((value >> 15 | value << 17) + 0xA282EAD8) % 2**32


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def message(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(content)) + content


def header(shards: int = 1, endianness: int = 0) -> bytes:
    little = number(2, endianness) if endianness else b""
    return number(1, shards) + little + message(3, number(1, 1))


def entry(array: np.ndarray, offset: int, *, shard: int = 0, dtype: int | None = None) -> bytes:
    shape = b"".join(message(2, number(1, size) if size else b"") for size in array.shape)
    return b"".join(
        (
            number(1, DTYPES[array.dtype.name] if dtype is None else dtype),
            message(2, shape),
            number(3, shard) if shard else b"",
            number(4, offset) if offset else b"",
            number(5, array.nbytes),
            varint(6 << 3 | 5) + struct.pack("<I", masked(array.tobytes())),
        )
    )


def block(items: list[tuple[bytes, bytes]], kind: int = 0) -> bytes:
    """A block of a sorted table, names sharing what they have in common, and its trailer."""
    content, previous = bytearray(), b""
    for key, value in items:
        shared = 0
        while shared < min(len(key), len(previous)) and key[shared] == previous[shared]:
            shared += 1
        content += varint(shared) + varint(len(key) - shared) + varint(len(value))
        content += key[shared:] + value
        previous = key
    body = bytes(content) + struct.pack("<II", 0, 1) + bytes([kind])
    return body + struct.pack("<I", masked(body))


def handle(offset: int, whole: bytes) -> bytes:
    """Where a block lies, its trailer not counted."""
    return varint(offset) + varint(len(whole) - 5)


def table(items: list[tuple[bytes, bytes]], *, per_block: int = 20, kind: int = 0) -> bytes:
    """A sorted table of blocks of entries."""
    blocks, index = b"", []
    for start in range(0, len(items), per_block):
        part = items[start : start + per_block]
        own = block(part, kind)
        index.append((part[-1][0], handle(len(blocks), own)))
        blocks += own
    return finish(blocks, index)


def finish(blocks: bytes, index: list[tuple[bytes, bytes]]) -> bytes:
    """What follows the blocks: an empty block of meta data, the index, the footer."""
    meta, places = block([]), block(index)
    footer = handle(len(blocks), meta) + handle(len(blocks) + len(meta), places)
    return blocks + meta + places + footer.ljust(40, b"\0") + struct.pack("<Q", MAGIC)


def write(prefix: Path, tensors: dict[str, np.ndarray], *, shards: int = 1) -> Path:
    """Writes a checkpoint of these tensors, dealt out over so many data files; its prefix."""
    data = [b""] * shards
    items = [(b"", header(shards))]
    for turn, name in enumerate(sorted(tensors)):
        shard = turn % shards
        array = np.ascontiguousarray(tensors[name]).reshape(np.shape(tensors[name]))
        items.append((name.encode(), entry(array, len(data[shard]), shard=shard)))
        data[shard] += array.tobytes()
    prefix.with_name(f"{prefix.name}.index").write_bytes(table(items))
    for shard, content in enumerate(data):
        name = f"{prefix.name}.data-{shard:05d}-of-{shards:05d}"
        prefix.with_name(name).write_bytes(content)
    return prefix
