"""TensorFlow checkpoints come back exactly, or with a sentence about what is wrong."""

import struct

import numpy as np
import pytest

from jaxnoise.errors import DataError
from jaxnoise.interop import tensor_bundle
from jaxnoise.interop.tensor_bundle import find_checkpoint, read_index, read_tensors

pytestmark = pytest.mark.fast

TENSORS = {
    "model/scale": np.float32(1.5),
    "model/W": np.arange(24, dtype=np.float32).reshape(2, 3, 4) / 7,
    "model/empty": np.zeros((0, 3), np.float64),
    "model/logs": np.array([[np.pi, -np.inf, np.nan]]),
    "global_step": np.int64(-(2**40)),
    "order": np.array([3, -1, 2], np.int32),
}


def everything(path):
    prefix = find_checkpoint(path)
    assert prefix is not None
    index = read_index(prefix)
    return read_tensors(index, list(index.entries))


def refused(path, match):
    with pytest.raises(DataError, match=match) as caught:
        everything(path)
    assert "\n" not in str(caught.value)


@pytest.fixture
def prefix(bundle, tmp_path):
    return bundle.write(tmp_path / "model.ckpt", TENSORS)


@pytest.mark.parametrize("shards", [1, 2, 6])
def test_tensors_come_back(bundle, tmp_path, shards):
    back = everything(bundle.write(tmp_path / "m", TENSORS, shards=shards))
    assert set(back) == set(TENSORS)
    for name, tensor in TENSORS.items():
        assert (back[name].dtype, back[name].shape) == (tensor.dtype, tensor.shape)
        assert back[name].tobytes() == tensor.tobytes()


def test_only_what_is_asked_for_is_read(prefix):
    data = prefix.with_name("model.ckpt.data-00000-of-00001")
    index = read_index(prefix)
    content = bytearray(data.read_bytes())
    content[index.entries["order"].offset] ^= 1
    data.write_bytes(content)
    assert list(read_tensors(index, ["model/W"])) == ["model/W"]
    with pytest.raises(DataError, match="order .* fails its checksum"):
        read_tensors(index, ["model/W", "order"])


def test_no_changed_byte_passes_unnoticed(prefix):
    for path in sorted(prefix.parent.iterdir()):
        content = path.read_bytes()
        for place in range(len(content)):
            damaged = bytearray(content)
            damaged[place] ^= 1 << place % 8
            path.write_bytes(damaged)
            refused(prefix, ": (copy|only|check)|missing")
        path.write_bytes(content)
    assert set(everything(prefix)) == set(TENSORS)


@pytest.mark.parametrize("length", [0, 1, 40])
def test_shortened_files_are_refused(prefix, length):
    for path in sorted(prefix.parent.iterdir()):
        content = path.read_bytes()
        path.write_bytes(content[:length])
        refused(prefix, "copy the checkpoint again")
        path.write_bytes(content)


def test_missing_data_are_named(prefix):
    data = prefix.with_name("model.ckpt.data-00000-of-00001")
    data.unlink()
    refused(prefix, "data-00000-of-00001 is missing")
    data.mkdir()
    refused(prefix, "data-00000-of-00001 is missing")


def one_entry(bundle, tmp_path, message, content=b"\0" * 64):
    """A checkpoint whose index says `message` of its one tensor."""
    prefix = tmp_path / "lie"
    items = [(b"", bundle.header()), (b"t", message)]
    prefix.with_name("lie.index").write_bytes(bundle.table(items))
    prefix.with_name("lie.data-00000-of-00001").write_bytes(content)
    return prefix


def lies(bundle):
    """Messages that no writer writes, and what the refusal says."""
    array = np.zeros((2, 4), np.float32)
    true = bundle.entry(array, 0)
    assert true.startswith(bundle.number(1, 1))
    rest = true[2:]
    huge = bundle.message(2, bundle.message(2, bundle.number(1, 2**40)))
    dimensions = bundle.message(2, bundle.message(2, bundle.number(1, 1)) * 9)
    return {
        "a string tensor": (bundle.entry(array, 0, dtype=7), "as type 7"),
        "no type": (rest, "as type 0"),
        "slices": (true + bundle.message(7, b""), "in slices"),
        "another size": (true + bundle.number(5, 16), "cannot be true"),
        "another file": (true + bundle.number(3, 1), "cannot be true"),
        "a negative file": (true + bundle.number(3, 2**64 - 1), "cannot be true"),
        "beyond the file": (true + bundle.number(4, 2**62), "ends before its last tensor"),
        "a huge dimension": (bundle.number(1, 1) + huge, "impossible shape"),
        "nine dimensions": (bundle.number(1, 1) + dimensions, "impossible shape"),
        "no definite rank": (bundle.message(2, bundle.number(3, 1)), "no definite shape"),
        "an unknown field": (true + bundle.number(9, 1), "unknown field 9"),
        "a group": (true + bundle.varint(8 << 3 | 3), "unknown kind"),
        "a short field": (true + bundle.varint(6 << 3 | 5) + b"\0", "ends inside a field"),
        "a short number": (true + bundle.varint(3 << 3), "ends inside a number"),
    }


def test_an_index_that_lies_is_refused(bundle, tmp_path):
    array = np.zeros((2, 4), np.float32)
    assert everything(one_entry(bundle, tmp_path, bundle.entry(array, 0)))["t"].shape == (2, 4)
    for message, sentence in lies(bundle).values():
        refused(one_entry(bundle, tmp_path, message), sentence)


def test_nonsense_with_right_checksums_is_refused_or_harmless(bundle, prefix):
    # A checksum shows an accident, not a forgery: here the index is changed and signed anew.
    path = prefix.with_name("model.ckpt.index")
    content = path.read_bytes()
    random = np.random.default_rng(0)
    size = content.index(bundle.block([])) - 5
    for _ in range(400):
        block = bytearray(content[: size + 1])
        for _ in range(random.integers(1, 4)):
            block[random.integers(size)] = random.integers(256)
        trailer = struct.pack("<I", bundle.masked(bytes(block)))
        path.write_bytes(bytes(block) + trailer + content[size + 5 :])
        try:
            tensors = everything(prefix)
        except DataError as error:
            assert "\n" not in str(error)
        else:
            assert sum(tensor.nbytes for tensor in tensors.values()) <= 2**10


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        (lambda bundle: b"", "states 0 data files"),
        (lambda bundle: bundle.header(shards=100_000), "states 100000 data files"),
        (lambda bundle: bundle.header(endianness=1), "big-endian"),
        (lambda bundle: bundle.message(1, b"1"), "data files"),
    ],
)
def test_a_header_that_cannot_be_is_refused(bundle, prefix, header, sentence):
    index = prefix.with_name("model.ckpt.index")
    index.write_bytes(bundle.table([(b"", header(bundle))]))
    refused(prefix, sentence)


def test_names_that_are_no_text_are_refused(bundle, prefix):
    for key in (b"\xff\xfe", b"a\nb", b"\x1b[2J"):
        items = [(b"", bundle.header()), (key, b"")]
        prefix.with_name("model.ckpt.index").write_bytes(bundle.table(items))
        refused(prefix, "a name is no text")
    prefix.with_name("model.ckpt.index").write_bytes(bundle.table([(b"a", b"")]))
    refused(prefix, "no header")


def test_sizes_are_bounded_before_anything_is_read(bundle, tmp_path, monkeypatch, prefix):
    # The file is sparse: it states 32 MiB and occupies none.
    size = 32 * 2**20
    shape = bundle.message(2, bundle.message(2, bundle.number(1, size // 8)))
    message = bundle.number(1, 2) + shape + bundle.number(5, size)
    message += bundle.varint(6 << 3 | 5) + struct.pack("<I", 0)
    lie = one_entry(bundle, tmp_path, message)
    with lie.with_name("lie.data-00000-of-00001").open("wb") as file:
        file.truncate(size)
    refused(lie, "33,554,432 bytes of tensors, more than 16,777,216")
    with lie.with_name("lie.index").open("wb") as file:
        file.truncate(tensor_bundle.MAX_INDEX_BYTES + 1)
    refused(lie, "more than 2,097,152")
    monkeypatch.setattr(tensor_bundle, "MAX_TENSOR_BYTES", 40)
    refused(prefix, "more than 40")


def test_a_checkpoint_is_found_by_any_of_its_files(prefix):
    folder = prefix.parent
    (folder / "hps.txt").write_text("arch,unc\n")
    (folder / "checkpoint").write_text('model_checkpoint_path: "model.ckpt"\n')
    data, index = (folder / f"model.ckpt.{end}" for end in ("data-00000-of-00001", "index"))
    for path in (prefix, folder, str(folder), data, index, folder / "model.ckpt.meta"):
        assert find_checkpoint(path) == prefix
    assert find_checkpoint(folder / "checkpoint") == prefix
    for path in (folder / "hps.txt", folder / "other", folder / "other" / "model.ckpt", "/"):
        assert find_checkpoint(path) is None


def test_of_several_checkpoints_the_state_file_names_the_newest(bundle, tmp_path):
    for name in ("model.ckpt-9", "model.ckpt-10"):
        bundle.write(tmp_path / name, {"t": np.zeros(1, np.float32)})
    refused(tmp_path, "holds 2 checkpoints: .*model.ckpt-10 or .*model.ckpt-9")
    for stated in (
        "model.ckpt-9",
        "/of/another/machine/model.ckpt-9",
        "C:\\\\runs\\\\model.ckpt-9",
    ):
        text = f'model_checkpoint_path: "{stated}"\nall_model_checkpoint_paths: "model.ckpt-10"\n'
        (tmp_path / "checkpoint").write_text(text)
        assert find_checkpoint(tmp_path) == tmp_path / "model.ckpt-9"
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "gone"\n')
    refused(tmp_path, "holds 2 checkpoints")
    (tmp_path / "checkpoint").write_bytes(b"\xff\x00")
    refused(tmp_path, "holds 2 checkpoints")
