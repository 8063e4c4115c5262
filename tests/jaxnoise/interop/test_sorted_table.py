"""The sorted table: what a writer wrote comes back, and nothing damaged passes."""

import pytest

from jaxnoise.interop.sorted_table import Damaged, masked_crc32c, read_table, varint

pytestmark = pytest.mark.fast


@pytest.fixture
def items():
    names = ["", *(f"level0/bijector{k}/{part}" for k in range(9) for part in ("P", "log_S"))]
    return [(name.encode(), name[::-1].encode() * 3) for name in names]


@pytest.mark.parametrize("per_block", [1, 2, 7, 100])
def test_entries_come_back(bundle, items, per_block):
    assert list(read_table(bundle.table(items, per_block=per_block)).items()) == items


def test_a_table_without_entries_is_empty(bundle):
    assert read_table(bundle.table([])) == {}


def test_the_checksum_is_crc32c():
    # RFC 3720, B.4: the CRC-32C of 32 zero bytes and of 0, 1, ..., 31.
    for data, crc in ((bytes(32), 0x8A9136AA), (bytes(range(32)), 0x46DD794E)):
        value = (masked_crc32c(data) - 0xA282EAD8) % 2**32
        assert (value >> 17 | value << 15) % 2**32 == crc


@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, 2**32, 2**64 - 1])
def test_numbers_come_back(bundle, value):
    encoded = bundle.varint(value)
    assert varint(b"x" + encoded + b"y", 1) == (value, 1 + len(encoded))


@pytest.mark.parametrize("data", [b"", b"\x80", b"\xff" * 9 + b"\x02", b"\xff" * 11])
def test_numbers_that_end_too_early_or_late_are_damage(data):
    with pytest.raises(Damaged):
        varint(data, 0)


def test_no_changed_byte_passes(bundle, items):
    content = bundle.table(items[:6], per_block=2)
    for place in range(len(content)):
        for change in (1, 0x80, 0xFF):
            damaged = bytearray(content)
            damaged[place] ^= change
            with pytest.raises(Damaged):
                read_table(bytes(damaged))


def test_no_shortened_or_lengthened_file_passes(bundle, items):
    content = bundle.table(items[:6], per_block=2)
    for length in range(len(content)):
        with pytest.raises(Damaged):
            read_table(content[:length])
    for extra in (b"\0", b"\0" * 48, content):
        with pytest.raises(Damaged):
            read_table(extra + content)


def test_compression_is_refused_by_name(bundle, items):
    with pytest.raises(Damaged, match="compressed"):
        read_table(bundle.table(items, kind=1))


def test_keys_out_of_order_are_refused(bundle, items):
    with pytest.raises(Damaged, match="order"):
        read_table(bundle.table([items[1], items[0]]))
    with pytest.raises(Damaged, match="order"):
        read_table(bundle.table([items[1], items[1]], per_block=1))


def test_a_block_is_named_once(bundle):
    block = bundle.block([])
    handle = bundle.varint(0) + bundle.varint(len(block) - 5)
    once, twice = (
        bundle.finish(block, [(name, handle) for name in names]) for names in ([b"a"], [b"a", b"b"])
    )
    assert read_table(once) == {}
    with pytest.raises(Damaged, match="do not follow each other"):
        read_table(twice)


def test_names_cannot_grow_without_bounds(bundle):
    # Names that share all but their end cost the file a few bytes each, and the reader all of it.
    for length, fits in ((512, True), (513, False)):
        items = [(b"n" * (length - 3) + b"%03d" % k, b"") for k in range(100)]
        content = bundle.table(items, per_block=100)
        if fits:
            assert len(read_table(content)) == 100
        else:
            with pytest.raises(Damaged, match="longer than 512"):
                read_table(content)


def test_more_entries_than_any_model_has_are_refused(bundle, monkeypatch, items):
    monkeypatch.setattr("jaxnoise.interop.sorted_table.MAX_ENTRIES", 5)
    assert len(read_table(bundle.table(items[:5]))) == 5
    with pytest.raises(Damaged, match="more than 5"):
        read_table(bundle.table(items[:6]))
