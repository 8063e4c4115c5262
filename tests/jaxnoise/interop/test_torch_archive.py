"""PyTorch's files come back exactly, or with a sentence about what is wrong."""

import struct
import zipfile

import numpy as np
import pytest

from jaxnoise.errors import DataError
from jaxnoise.interop import torch_archive
from jaxnoise.interop.torch_archive import read_archive

pytestmark = pytest.mark.fast

KINDS = "float32 float64 float16 int64 int32 int16 int8 uint8 bool".split()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.pth"


@pytest.fixture
def small(torch_file, path):
    """A small whole file, and what it holds."""
    value = {
        "epoch": 7,
        "state_dict": torch_file.StateDict(
            {"a.weight": np.arange(6, dtype=np.float32).reshape(2, 3) / 7, "a.bias": np.ones(2)}
        ),
    }
    return torch_file.write(path, value), value


def same(found, expected) -> bool:
    """Whether two values are the same, arrays bit by bit."""
    if isinstance(expected, dict):
        return set(found) == set(expected) and all(same(found[k], expected[k]) for k in expected)
    if isinstance(expected, list | tuple):
        return (
            type(found) is type(expected)
            and len(found) == len(expected)
            and all(map(same, found, expected))
        )
    if isinstance(expected, np.ndarray | np.generic):
        alike = (found.dtype, found.shape) == (expected.dtype, expected.shape)
        return alike and found.tobytes() == expected.tobytes()
    return type(found) is type(expected) and found == expected


def refused(path, match):
    with pytest.raises(DataError, match=match) as caught:
        read_archive(path)
    sentence = str(caught.value)
    assert sentence.isprintable() and sentence.endswith(".")
    assert sentence.startswith((str(path), f"cannot read {path}"))


def test_values_come_back(torch_file, path):
    integers = [0, 255, 256, 65_535, 65_536, -1, -(2**31), 2**31, 2**63 - 1, -(2**63)]
    value = {
        "texts": ["", "layer.0.weight", "é\nä"],
        "integers": integers,
        "others": [1.5, -np.inf, None, True, False, (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
        3: {"empty": {}, "one": {"item": []}},
    }
    assert same(read_archive(torch_file.write(path, value)), value)


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("kind", KINDS)
def test_tensors_come_back(torch_file, path, kind, order):
    random = np.random.default_rng(0)
    whole = np.frombuffer(random.bytes(8 * 120), kind if kind != "bool" else "u1")[:120]
    whole = whole % 2 == 1 if kind == "bool" else whole
    value = {
        "whole": whole.reshape(2, 3, 4, 5),
        "number": whole[:1].reshape(()),
        "empty": np.zeros((0, 3), kind),
    }
    assert same(read_archive(torch_file.write(path, value, order=order)), value)


def test_views_of_a_storage_come_back(torch_file, path):
    storage = np.arange(24, dtype=np.float32)
    value = {
        "transposed": torch_file.View(storage, (6, 4), (1, 6)),
        "row": torch_file.View(storage, (4,), (1,), 20),
        "every fifth": torch_file.View(storage, (4,), (5,), 4),
        "repeated": torch_file.View(storage, (9, 3), (0, 1)),
        "trained": torch_file.Parameter(storage),
    }
    contents = torch_file.entries(value)
    assert [name for name in contents if name.startswith("data/")] == ["data/0"]
    path.write_bytes(torch_file.archive(contents))
    expected = {
        "transposed": storage.reshape(4, 6).T,
        "row": storage[20:],
        "every fifth": storage[4::5],
        "repeated": np.stack([storage[:3]] * 9),
        "trained": storage,
    }
    assert same(read_archive(path), expected)


def test_arrays_are_their_own(small):
    found = read_archive(small[0])["state_dict"]
    assert all(array.flags.owndata and array.flags.writeable for array in found.values())


def test_without_a_byte_order_numbers_are_little_endian(torch_file, path):
    contents = torch_file.entries({"a": np.arange(5)})
    del contents["byteorder"]
    path.write_bytes(torch_file.archive(contents, folder="model"))
    assert same(read_archive(path), {"a": np.arange(5)})
    path.write_bytes(torch_file.archive({**contents, "byteorder": b"middle"}))
    refused(path, "byte order is neither little nor big")


LIES = {
    "beyond the end": ({"shape": (2, 3), "strides": (3, 1), "offset": 1}, "beyond its numbers"),
    "a long stride": ({"shape": (2, 3), "strides": (4, 1)}, "beyond its numbers"),
    "a huge offset": ({"shape": (), "strides": (), "offset": 2**62}, "beyond its numbers"),
    "repeated often": ({"shape": (2**24 + 1,), "strides": (0,)}, "bytes together"),
    "repeated forever": ({"shape": (2**40, 2**40), "strides": (0, 0)}, "bytes together"),
    "backwards": ({"shape": (6,), "strides": (-1,), "offset": 5}, "no non-negative"),
    "before the start": ({"shape": (1,), "strides": (1,), "offset": -1}, "no non-negative"),
    "a negative size": ({"shape": (-2, -3), "strides": (3, 1)}, "no non-negative"),
    "a list": ({"shape": [6], "strides": (1,)}, "no non-negative"),
    "a fraction": ({"shape": (6.0,), "strides": (1,)}, "no non-negative"),
    "a truth value": ({"shape": (True,), "strides": (1,)}, "no non-negative"),
    "no number": ({"shape": (6,), "strides": (1,), "offset": None}, "no non-negative"),
    "a text": ({"shape": "ab", "strides": (1, 1)}, "no non-negative"),
    "more strides": ({"shape": (6,), "strides": (1, 1)}, "axes without strides"),
    "nine axes": ({"shape": (1,) * 9, "strides": (1,) * 9}, "more than 8 axes"),
    "hugely empty": ({"shape": (0, 2**40), "strides": (1, 1)}, "bytes together"),
    "another length": ({"shape": (6,), "strides": (1,), "length": 5}, "another length"),
    "a huge length": ({"shape": (6,), "strides": (1,), "length": 2**62}, "another length"),
    "a negative length": ({"shape": (6,), "strides": (1,), "length": -6}, "another length"),
    "another kind": ({"shape": (6,), "strides": (1,), "kind": "DoubleStorage"}, "another length"),
    "no kind": ({"shape": (6,), "strides": (1,), "kind": "QUInt8Storage"}, "no plain state dict"),
}


@pytest.mark.parametrize("case", LIES)
def test_tensors_that_cannot_be_are_refused(torch_file, path, case):
    lie, match = LIES[case]
    torch_file.write(path, {"a": torch_file.View(np.arange(6, dtype=np.float32), **lie)})
    refused(path, match)


def test_numbers_that_are_missing_or_impossible_are_refused(torch_file, path):
    contents = torch_file.entries({"a": np.ones(4, bool)})
    path.write_bytes(torch_file.archive({**contents, "data/0": b"\0\1\2\1"}))
    refused(path, "neither 0 nor 1")
    del contents["data/0"]
    path.write_bytes(torch_file.archive(contents))
    refused(path, "missing or of another length")


def test_compressed_and_other_archives_are_refused(torch_file, path):
    contents = torch_file.entries({"a": np.zeros(1000)})
    path.write_bytes(torch_file.archive(contents, method=zipfile.ZIP_DEFLATED))
    refused(path, "it is compressed")
    bomb = {**contents, "data/1": bytes(100 * 2**20)}
    path.write_bytes(torch_file.archive(bomb, method=zipfile.ZIP_DEFLATED))
    assert path.stat().st_size < 2**20
    refused(path, "it is compressed")
    path.write_bytes(torch_file.archive({"weights.npy": b"", "a/data.pkl": b""}))
    refused(path, "0 entries named data.pkl")
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("one/data.pkl", b"")
        file.writestr("two/data.pkl", b"")
    refused(path, "2 entries named data.pkl")
    with zipfile.ZipFile(path, "w") as file, pytest.warns(UserWarning, match="Duplicate name"):
        file.writestr("one/data.pkl", b"\x80\x02N.")
        file.writestr("one/data.pkl", b"\x80\x02].")
    refused(path, "two of its entries have one name")


def test_entries_that_overlap_are_refused(torch_file, path):
    # Ten entries that are all the first one.
    contents = {f"data/{n}": bytes(1000 if n == 0 else 0) for n in range(10)}
    content = torch_file.archive(contents)
    start = content.index(b"PK\x01\x02")
    first = content[start : content.index(b"PK\x01\x02", start + 1)]
    end = content[content.index(b"PK\x05\x06") :]
    listed = struct.pack("<I", 10 * len(first))
    path.write_bytes(content[:start] + first * 10 + end[:12] + listed + end[16:])
    refused(path, "its entries overlap")


def test_programs_and_older_files_are_refused(torch_file, path):
    contents = torch_file.entries({"a": np.zeros(3)})
    for name in ("constants.pkl", "code/__torch__/model.py"):
        path.write_bytes(torch_file.archive({**contents, name: b""}))
        refused(path, "holds a TorchScript program, which is no plain")
    for content in (
        b"",
        b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.",
        b"cos\nmkdir\n.",
        b"PK\x05\x06",
    ):
        path.write_bytes(content)
        refused(path, "save it again with torch>=1.6")


def test_files_that_are_missing_or_too_large_are_refused(path, tmp_path):
    refused(path, "is missing or no file")
    refused(tmp_path, "is missing or no file")
    with path.open("wb") as file:
        file.truncate(torch_archive.MAX_FILE_BYTES + 1)
    refused(path, "67,108,865 bytes, more than 67,108,864")
    path.write_bytes(b"PK\x03\x04" + b"PK\x01\x02" * (torch_archive.MAX_ENTRIES + 1))
    refused(path, "more than 20,000 entries")


def test_no_changed_bit_passes_unnoticed(small):
    path, value = small
    content = path.read_bytes()
    random = np.random.default_rng(0)
    noticed = 0
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 1 << random.integers(8)
        path.write_bytes(damaged)
        try:
            found = read_archive(path)
        except DataError as error:
            assert str(error).isprintable()
            noticed += 1
        else:
            assert same(found, value)
    # Dates, versions and attributes of entries mean nothing.
    assert noticed > len(content) / 2


def test_shortened_files_are_refused(small):
    path, _ = small
    content = path.read_bytes()
    for length in range(0, len(content), 7):
        path.write_bytes(content[:length])
        refused(path, "copy it again|torch>=1.6")
