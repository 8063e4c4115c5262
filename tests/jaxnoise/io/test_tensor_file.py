"""Files of tensors that somebody else wrote: what is read of them, and what is refused."""

import json
import struct

import numpy as np
import pytest
from safetensors.numpy import save_file

from jaxnoise.errors import DataError
from jaxnoise.io import tensor_file
from jaxnoise.io.tensor_file import read_tensors

pytestmark = pytest.mark.fast

TENSORS = {
    "a": np.arange(6, dtype=np.float32).reshape(2, 3),
    "b": np.array([0.5, -2.0], np.float16),
    "c": np.array([1e300, 0.1]),
    "counter": np.array(3),
}


@pytest.fixture
def path(tmp_path):
    save_file(TENSORS, tmp_path / "own.safetensors")
    return tmp_path / "own.safetensors"


def all_of(name):
    return True


def floats(name):
    return name != "counter"


def refused(path, match, wanted=floats):
    with pytest.raises(DataError, match=match) as caught:
        read_tensors(path, wanted)
    assert str(caught.value).isprintable() and str(caught.value).endswith(".")


def write(path, header, data=b""):
    """A file whose header says anything."""
    text = json.dumps(header).encode() if isinstance(header, dict) else header
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def test_what_is_wanted_is_read_as_float32(path):
    found = read_tensors(path, floats)
    assert set(found) == {"a", "b", "c"}
    assert {tensor.dtype for tensor in found.values()} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(found["a"], TENSORS["a"])
    np.testing.assert_array_equal(found["b"], [0.5, -2])
    np.testing.assert_array_equal(found["c"], np.array([np.inf, 0.1], np.float32))
    assert set(read_tensors(path, "a".__eq__)) == {"a"}


def test_other_types_are_refused(path, tmp_path):
    refused(path, "'counter' of type I64: save the weights as float32", all_of)
    entry = {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}
    refused(write(tmp_path / "b", {"x": entry}, bytes(4)), "'x' of type BF16")


def test_what_is_too_much_is_refused(path, monkeypatch):
    monkeypatch.setattr(tensor_file, "MAX_BYTES", 43)
    refused(path, "holds 44 bytes of weights, and at most 43")
    monkeypatch.setattr(tensor_file, "MAX_TENSORS", 3)
    refused(path, "holds 4 tensors, and at most 3")
    monkeypatch.setattr(tensor_file, "MAX_FILE_BYTES", 20)
    refused(path, "larger than 20 bytes")


@pytest.mark.parametrize(
    ("header", "data"),
    [
        ({"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, bytes(4)),
        ({"x": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}, bytes(8)),
        ({"x": {"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}}, bytes(8)),
        ({"x": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]}}, bytes(12)),
        ({"x": {"dtype": "nonsense", "shape": [2], "data_offsets": [0, 8]}}, bytes(8)),
        ({"x": [1, 2]}, b""),
        (b"{" * 1000, b""),
        (b"\xff\xfe", b""),
    ],
)
def test_damage_is_refused(tmp_path, header, data):
    refused(write(tmp_path / "file", header, data), "is no safetensors file or is damaged")


def test_cut_files_are_refused(path, tmp_path):
    content = path.read_bytes()
    for length in (0, 7, 8, 20, len(content) - 1):
        (tmp_path / "cut").write_bytes(content[:length])
        refused(tmp_path / "cut", "is no safetensors file or is damaged")
    refused(tmp_path / "absent", "cannot read .*No such file")
