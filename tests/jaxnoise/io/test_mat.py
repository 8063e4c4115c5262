"""MAT files come through as MATLAB shows them; damaged and hostile ones are one sentence."""

import struct
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import scipy.sparse

from jaxnoise.errors import DataError, UsageError
from jaxnoise.io import mat
from jaxnoise.io.mat import MatReader, read_mat
from tests.mat_files import HEADER_BYTES, tags, write_version_5, write_version_7_3

IMAGE = np.random.default_rng(0).random((6, 10)).astype(np.float32)


@pytest.fixture(scope="module")
def reader():
    with MatReader(max_bytes=2**20) as made:
        yield made


def refuse(reader: MatReader, path: Path, words: str, *arguments, **options):
    with pytest.raises(DataError, match=words) as caught:
        reader.read(path, *arguments, **options)
    said = str(caught.value)
    assert str(path) in said and said.endswith(".") and "\n" not in said and len(said) < 500


def write(version: str, path: Path, **arrays) -> Path:
    return (
        write_version_7_3(path, **arrays) if version == "7.3" else write_version_5(path, **arrays)
    )


@pytest.mark.parametrize("version", ["5", "7.3"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "uint16"])
def test_arrays_have_matlabs_orientation(version, dtype, reader, tmp_path):
    array = (np.arange(2 * 3 * 5 * 7).reshape(2, 3, 5, 7) % 251).astype(dtype)
    path = write(version, tmp_path / "a.mat", other=IMAGE, x=array)
    read = reader.read(path, "x")
    assert read.dtype == dtype and read.flags.writeable
    np.testing.assert_array_equal(read, array)
    np.testing.assert_array_equal(reader.read(path, "x", at=(1, 2)), array[1, 2])
    np.testing.assert_array_equal(reader.read(path, "x", at=(0,)), array[0])
    refuse(reader, path, "without a part", "x", at=(2,))
    refuse(reader, path, "without a part", "x", at=(0, 0, 0, 0, 0))


def test_an_asymmetric_image_is_not_transposed(reader, tmp_path):
    path = write_version_7_3(tmp_path / "a.mat", x=IMAGE)
    with h5py.File(path) as file:
        stored = file["x"]
        assert isinstance(stored, h5py.Dataset) and stored.shape == (10, 6)
    np.testing.assert_array_equal(reader.read(path), IMAGE)


def test_nan_and_infinity_are_the_callers_business(reader, tmp_path):
    array = np.array([[np.nan, np.inf], [-np.inf, 0.5]])
    for version in ("5", "7.3"):
        read = reader.read(write(version, tmp_path / f"{version}.mat", x=array))
        np.testing.assert_array_equal(read, array)


@pytest.mark.parametrize("compressed", [True, False])
def test_structs_of_version_5(compressed, reader, tmp_path):
    cells = np.empty((1, 2), object)
    cells[0, 0], cells[0, 1] = np.array([[1.5]]), "two"
    info = {"Make": "samsung", "Empty": "", "Cells": cells, "UnknownTags": tags(t51041=[1e-3, 0.0])}
    path = write_version_5(tmp_path / "m.mat", compressed=compressed, metadata=info)
    (read,) = reader.read(path, "metadata")
    assert read["Make"] == "samsung" and read["Empty"] == ""
    assert read["Cells"][0] == [[1.5]] and read["Cells"][1] == "two"
    (tag,) = read["UnknownTags"]
    assert tag["ID"].item() == 51041
    np.testing.assert_array_equal(tag["Value"], [[1e-3, 0.0]])


def test_several_variables_of_one_file(tmp_path):
    path = write_version_5(tmp_path / "a.mat", x=IMAGE, y=np.eye(2), text="words")
    read = read_mat(path, "y", "text")
    assert read.keys() == {"y", "text"} and read["text"] == "words"
    np.testing.assert_array_equal(read["y"], np.eye(2))


def test_one_process_reads_many_files(reader, tmp_path):
    reader.read(write_version_5(tmp_path / "a.mat", x=IMAGE))
    process = reader._child._process
    reader.read(write_version_7_3(tmp_path / "b.mat", x=IMAGE))
    refuse(reader, tmp_path / "c.mat", "No such file")
    refuse(reader, tmp_path / "a.mat", "'x' and not one variable 'y'", "y")
    assert reader._child._process is process


def test_a_part_is_that_of_the_file_as_it_is_now(reader, tmp_path):
    path = write_version_5(tmp_path / "a.mat", x=IMAGE)
    np.testing.assert_array_equal(reader.read(path, at=(1,)), IMAGE[1])
    write_version_5(path, x=np.float64(2) * IMAGE)
    np.testing.assert_array_equal(reader.read(path, at=(1,)), np.float64(2) * IMAGE[1])


def edit(path: Path, change) -> Path:
    with h5py.File(path, "w", userblock_size=HEADER_BYTES) as file:
        change(file)
    return path


def half_written(file):
    data = file.create_dataset("x", (8, 8), "f4", chunks=(4, 4))
    data[:4] = 1


def outside(file):
    file.create_dataset("x", (4, 4), "f4", external=[("secret", 0, 64)])


def virtual(file):
    layout = h5py.VirtualLayout((4, 4), "f4")
    layout[:] = h5py.VirtualSource("other.mat", "x", (4, 4))
    file.create_virtual_dataset("x", layout)


def of_class(dtype, name):
    def change(file):
        made = file.create_dataset("x", data=np.ones((2, 2), dtype))
        made.attrs["MATLAB_class"] = np.bytes_(name)

    return change


HDF5 = {
    "nothing": (lambda f: None, "holds nothing"),
    "two variables": (lambda f: f.update({"x": [[1.0]], "y": [[1.0]]}), "'x', 'y' where one"),
    "a group": (lambda f: f.create_group("x"), "struct, cell or sparse"),
    "text": (lambda f: f.create_dataset("x", data="text"), "not as numbers"),
    "references": (lambda f: f.create_dataset("x", (2, 2), h5py.ref_dtype), "not as numbers"),
    "compound": (lambda f: f.create_dataset("x", (2, 2), "f4,f4"), "not as numbers"),
    "too large": (lambda f: f.create_dataset("x", (2**20, 2**20), "f8"), "larger than 1 MiB"),
    "huge chunks": (
        lambda f: f.create_dataset("x", (2, 2), "f4", chunks=(2**14, 2**14), maxshape=(None, None)),
        "larger than 1 MiB",
    ),
    "no dimensions": (lambda f: f.create_dataset("x", data=h5py.Empty("f4")), "as numbers"),
    "no values": (lambda f: f.create_dataset("x", (0, 3), "f4"), "without any numbers"),
    "soft link": (lambda f: f.update(x=h5py.SoftLink("/y")), "by a link"),
    "external link": (lambda f: f.update(x=h5py.ExternalLink("other.mat", "/x")), "by a link"),
    "external storage": (outside, "in other files"),
    "virtual": (virtual, "in other files"),
    "unknown filter": (
        lambda f: f.create_dataset("x", (4, 4), "f4", chunks=(2, 2), compression="lzf"),
        "unknown filter",
    ),
    "missing chunks": (half_written, "not hold all"),
    "never written": (lambda f: f.create_dataset("x", (4, 4), "f4"), "not hold all"),
    "class of another type": (of_class("f4", "double"), "class 'double' stored as float32"),
    "characters": (of_class("u2", "char"), "class 'char'"),
}


@pytest.mark.parametrize("name", HDF5)
def test_what_is_no_plain_array_in_version_7_3(name, reader, tmp_path):
    change, words = HDF5[name]
    (tmp_path / "secret").write_bytes(bytes(64))
    refuse(reader, edit(tmp_path / "a.mat", change), words)


def forged(path: Path, kind: int = 6, shape=(4, 4), data: bytes = bytes(128)) -> Path:
    """An uncompressed version 5 file that declares what it likes."""

    def element(number: int, content: bytes) -> bytes:
        return struct.pack("<II", number, len(content)) + content.ljust(-len(content) % 8, b"\0")

    parts = element(6, struct.pack("<II", kind, 0)) + element(5, struct.pack("<2i", *shape))
    parts += struct.pack("<II", 1, 1) + b"x".ljust(8, b"\0") + element(9, data)
    header = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
    path.write_bytes(header + struct.pack("<II", 14, len(parts)) + parts)
    return path


def test_what_is_no_plain_value_in_version_5(reader, tmp_path):
    good = forged(tmp_path / "good.mat", data=np.arange(16.0).tobytes())
    np.testing.assert_array_equal(reader.read(good), np.arange(16.0).reshape(4, 4).T)
    refuse(reader, forged(tmp_path / "a.mat", shape=(2**15, 2**15)), "larger than 1 MiB")
    refuse(reader, forged(tmp_path / "b.mat", shape=(5, 5)), "cannot be decoded")
    refuse(reader, forged(tmp_path / "c.mat", kind=16), "of class")
    sparse = write_version_5(tmp_path / "d.mat", x=scipy.sparse.eye_array(3).tocsc())
    refuse(reader, sparse, "of class 'sparse'")
    refuse(reader, write_version_5(tmp_path / "e.mat", x=IMAGE * 1j), "complex")
    refuse(reader, write_version_5(tmp_path / "f.mat", s={"a": {"b": IMAGE * 1j}}), "complex")
    deep: dict = {"x": 1}
    for _ in range(20):
        deep = {"x": deep}
    refuse(reader, write_version_5(tmp_path / "g.mat", x=deep), "too deeply")
    many = forged(tmp_path / "h.mat", kind=1, shape=(1000, 1000))
    refuse(reader, many, "larger than")
    refuse(reader, write_version_5(tmp_path / "i.mat", x={"a": 1}), "no array", at=(0,))


def test_a_compressed_bomb_costs_no_memory(reader, tmp_path):
    # 128 MiB in 128 kB
    path = write_version_5(tmp_path / "a.mat", x={"a": np.zeros(2**27, np.uint8)})
    assert path.stat().st_size < 2**18
    # The reader may use 2 MiB for values and 128 MiB beside.
    refuse(reader, path, "MiB of memory|more than its limit")


def test_what_is_no_mat_file(reader, tmp_path):
    for content in (b"", b"x" * 1000, b"\x80\x04\x95" + bytes(600), b"PK\x03\x04" + bytes(600)):
        path = tmp_path / "a.mat"
        path.write_bytes(content)
        refuse(reader, path, "is no MAT file")
    refuse(reader, tmp_path, "is no file")


@pytest.mark.parametrize("version", ["5", "7.3"])
def test_truncated_files_are_refused(version, reader, tmp_path):
    content = write(version, tmp_path / "a.mat", x=np.tile(IMAGE, (20, 20))).read_bytes()
    for part in np.linspace(0, len(content) - 1, 25).astype(int):
        path = tmp_path / "cut.mat"
        path.write_bytes(content[:part])
        refuse(reader, path, "is no MAT file|cannot be decoded|one variable 'x'", "x")


@pytest.mark.parametrize("version", ["5", "7.3"])
def test_flipped_bits_are_refused_or_give_an_array_of_numbers(version, reader, tmp_path):
    array = np.tile(IMAGE, (4, 4))
    content = write(version, tmp_path / "a.mat", x=array).read_bytes()
    random = np.random.default_rng(1)
    changed = 0
    for place in random.integers(0, len(content), 150):
        damaged = bytearray(content)
        damaged[place] ^= 1 << random.integers(8)
        path = tmp_path / "flipped.mat"
        path.write_bytes(bytes(damaged))
        start = time.monotonic()
        try:
            read = reader.read(path, "x")
        except DataError as error:
            assert str(error).endswith(".") and "\n" not in str(error)
        else:
            assert isinstance(read, np.ndarray) and read.dtype.kind in "biuf"
            changed += not np.array_equal(read, array)
        assert time.monotonic() - start < 30
    # Compressed numbers carry a checksum; the description of the array does not.
    assert changed < 4


def test_a_damaged_index_of_chunks_is_never_read_as_zeros(reader, tmp_path):
    path = tmp_path / "a.mat"
    content = write_version_7_3(path, chunks=(5, 3), x=IMAGE).read_bytes()
    node = content.index(b"TREE\x01")
    chunks, key_and_address = int.from_bytes(content[node + 6 : node + 8], "little"), 40
    assert chunks == 4
    refused = 0
    for place in range(node + 24, node + 24 + chunks * key_and_address):
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(bytes(damaged))
        try:
            np.testing.assert_array_equal(reader.read(path), IMAGE)
        except DataError:
            refused += 1
    assert refused > 100


def test_without_the_packages_it_says_what_to_install(monkeypatch):
    real = mat.importlib.util.find_spec
    monkeypatch.setattr(
        mat.importlib.util, "find_spec", lambda name: None if name == "h5py" else real(name)
    )
    with pytest.raises(UsageError, match="pip install h5py"):
        MatReader()


def test_the_metadata_of_a_real_image(real_images: Path):
    path = real_images / "data" / "metadata" / "0001_METADATA_RAW_010.MAT"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    (info,) = read_mat(path, "metadata")["metadata"]
    assert info["Make"] == "samsung" and info["Width"].item() == 5328
    by_id = {tag["ID"].item(): tag["Value"].ravel() for tag in info["UnknownTags"]}
    np.testing.assert_array_equal(by_id[33422], [1, 0, 2, 1])
    assert by_id[51041][1] == 0 and 4.7e-4 < by_id[51041][0] < 4.9e-4
