"""Reader of the sorted table of keys and values that TensorFlow writes as `.index` files."""

import struct
from collections.abc import Iterator

MAGIC = 0xDB4775248B80FB57
MAX_KEY_BYTES = 512
MAX_ENTRIES = 20_000

_FOOTER_BYTES = 48
_TRAILER_BYTES = 5
_POLYNOMIAL = 0x82F63B78


class Damaged(ValueError):
    """The bytes are not what the format says; the message is half a sentence that says why."""


def read_table(data: bytes) -> dict[bytes, bytes]:
    """All entries of a table.

    Args:
        data: content of the file.

    Returns:
        Values by key, in the file's order, which is that of the keys.

    Raises:
        Damaged: the bytes are no such table, fail a checksum, or are compressed.

    Source: the table format of LevelDB (`doc/table_format.md`), which TensorFlow took over.
    """
    if len(data) < _FOOTER_BYTES or struct.unpack("<Q", data[-8:])[0] != MAGIC:
        raise Damaged("it does not end as such a table does")
    footer = data[-_FOOTER_BYTES:-8]
    meta, place = _handle(footer, 0)
    index, place = _handle(footer, place)
    if any(footer[place:]):
        raise Damaged("its footer is not padded with zeros")
    handles = []
    for _, value in _block(data, index):
        handle, end = _handle(value, 0)
        if end != len(value):
            raise Damaged("a block's place is followed by something else")
        handles.append(handle)
    # Blocks fill the file one after the other: naming one of them many times would only cost time.
    place = 0
    for offset, size in (*handles, meta, index):
        if offset != place:
            raise Damaged("its blocks do not follow each other")
        place = offset + size + _TRAILER_BYTES
    if place != len(data) - _FOOTER_BYTES:
        raise Damaged("something follows its last block")
    if any(_block(data, meta)):
        raise Damaged("it holds meta data of an unknown kind")
    entries: dict[bytes, bytes] = {}
    previous = None
    for handle in handles:
        for key, value in _block(data, handle):
            if previous is not None and key <= previous:
                raise Damaged("its keys are not in order")
            if len(entries) == MAX_ENTRIES:
                raise Damaged(f"it has more than {MAX_ENTRIES:,} entries")
            entries[key] = value
            previous = key
    return entries


def varint(data: bytes, place: int) -> tuple[int, int]:
    """A non-negative integer of up to 64 bits stored in 7-bit groups, the lowest first.

    Args:
        data: bytes that hold it.
        place: where it begins.

    Returns:
        The integer, and the place behind it.

    Raises:
        Damaged: the bytes end before it does, or it is longer than 64 bits or than it needs to be.
    """
    value = 0
    for group in range(10):
        if place >= len(data):
            raise Damaged("it ends inside a number")
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << (7 * group)
        if byte < 0x80:
            break
    else:
        raise Damaged("a number has more than 64 bits")
    if value >> 64:
        raise Damaged("a number has more than 64 bits")
    if byte == 0 and group > 0:
        raise Damaged("a number is longer than it needs to be")
    return value, place


def masked_crc32c(data: bytes) -> int:
    """The checksum that TensorFlow stores: CRC-32C, rotated and shifted by a constant.

    Args:
        data: any bytes; about 0.1 microseconds for each.

    Returns:
        A number of 32 bits.

    Source: RFC 3720, appendix B.4; the mask is that of LevelDB (`doc/log_format.md`).
    """
    state = 0xFFFFFFFF
    for byte in data:
        state = _CRC_TABLE[(state ^ byte) & 0xFF] ^ (state >> 8)
    state ^= 0xFFFFFFFF
    return (((state >> 15) | (state << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _crc_table() -> tuple[int, ...]:
    table = []
    for state in range(256):
        for _ in range(8):
            state = (state >> 1) ^ (_POLYNOMIAL if state & 1 else 0)
        table.append(state)
    return tuple(table)


_CRC_TABLE = _crc_table()


def _handle(data: bytes, place: int) -> tuple[tuple[int, int], int]:
    """Offset and size of a block."""
    offset, place = varint(data, place)
    size, place = varint(data, place)
    return (offset, size), place


def _block(data: bytes, handle: tuple[int, int]) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of one block, its checksum verified first."""
    offset, size = handle
    end = offset + size
    if end + _TRAILER_BYTES > len(data) - _FOOTER_BYTES:
        raise Damaged("it ends before one of its blocks")
    kind, checksum = struct.unpack("<BI", data[end : end + _TRAILER_BYTES])
    if masked_crc32c(data[offset : end + 1]) != checksum:
        raise Damaged("a block fails its checksum")
    if kind != 0:
        raise Damaged("it is compressed, which TensorFlow's own index files are not")
    return _entries(data[offset:end])


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values: each key leaves out what it shares with the key before it."""
    (restarts,) = struct.unpack("<I", block[-4:]) if len(block) >= 4 else (0,)
    end = len(block) - 4 * (restarts + 1)
    if restarts == 0 or end < 0:
        raise Damaged("a block has no list of restarts")
    key, place = b"", 0
    while place < end:
        shared, place = varint(block, place)
        own, place = varint(block, place)
        length, place = varint(block, place)
        if shared > len(key) or place + own + length > end:
            raise Damaged("an entry is longer than its block")
        if shared + own > MAX_KEY_BYTES:
            raise Damaged(f"a name is longer than {MAX_KEY_BYTES} bytes")
        key = key[:shared] + block[place : place + own]
        place += own
        yield key, block[place : place + length]
        place += length
