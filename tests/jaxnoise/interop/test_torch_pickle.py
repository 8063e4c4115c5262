"""Pickles of state dicts become values; anything else is refused and nothing is executed."""

import pickletools
import struct

import numpy as np
import pytest

from jaxnoise.errors import DataError
from jaxnoise.interop import torch_archive, torch_pickle
from jaxnoise.interop.torch_archive import read_archive

ALLOWED = set(
    """PROTO STOP MARK NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 BINFLOAT BINUNICODE
    EMPTY_DICT EMPTY_LIST EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 GLOBAL REDUCE BUILD BINPERSID
    BINPUT LONG_BINPUT BINGET LONG_BINGET APPEND APPENDS SETITEM SETITEMS""".split()
)
CANARY = "made-by-a-file"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.pth"


def refused(path, match):
    with pytest.raises(DataError, match=match) as caught:
        read_archive(path)
    sentence = str(caught.value)
    assert sentence.isprintable() and sentence.endswith(".")
    assert sentence.startswith((str(path), f"cannot read {path}"))


def refused_pickle(torch_file, path, instructions, match, **storages):
    path.write_bytes(torch_file.pickled(instructions, storages))
    refused(path, match)


NAMES = [
    "os system",
    "builtins eval",
    "builtins getattr",
    "nt system",
    "posix system",
    "subprocess Popen",
    "torch load",
    "torch._utils _rebuild_tensor",
    "torch.storage UntypedStorage",
    "collections OrderedDict.update",
    "collections defaultdict",
    "numpy.core.multiarray scalar",
    "jaxnoise.cli main",
    "x \x1b[2Jy",
]


@pytest.mark.fast
@pytest.mark.parametrize("name", NAMES)
def test_names_of_anything_else_are_refused(torch_file, path, name):
    symbol = b"c" + name.replace(" ", "\n").encode() + b"\n"
    match = "which is no plain state dict: nothing of it was executed"
    refused_pickle(torch_file, path, symbol, match)
    refused_pickle(torch_file, path, symbol + b")R", match)


@pytest.mark.fast
def test_nothing_is_executed(torch_file, path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = b"X" + struct.pack("<I", len(CANARY)) + CANARY.encode()
    for instructions in (
        b"cos\nmkdir\n" + made + b"\x85R",
        b"cos\nmkdir\nS'" + CANARY.encode() + b"'\n\x85R",
        b"(S'" + CANARY.encode() + b"'\nios\nmkdir\n",
        b"\x8c\x02os\x8c\x05mkdir\x93" + made + b"\x85R",
        b"}q\x00X\x01\x00\x00\x00acos\nmkdir\n" + made + b"\x85Rs",
        b"ccollections\nOrderedDict\n)R}X\x01\x00\x00\x00acos\nmkdir\n" + made + b"\x85Rsb",
        b"cos\nmkdir\n" + made + b"\x85\x81",
    ):
        refused_pickle(torch_file, path, instructions, "nothing of it was executed")
    assert not (tmp_path / CANARY).exists()


@pytest.mark.fast
def test_no_other_instruction_is_let_in(torch_file, path):
    names = {opcode.name: opcode.code.encode("latin-1") for opcode in pickletools.opcodes}
    assert ALLOWED < set(names)
    for name in set(names) - ALLOWED:
        refused_pickle(torch_file, path, b"N" + names[name], f"the pickle instruction {name},")


@pytest.mark.fast
def test_calls_of_anything_else_are_refused(torch_file, path):
    ordered, storage = b"ccollections\nOrderedDict\n", b"ctorch\nFloatStorage\n"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n"
    for instructions, match in {
        ordered + b"]\x85R": "a call of collections.OrderedDict",
        storage + b"K\x05\x85R": "a call of torch.FloatStorage",
        tensor + b")R": "a call of torch._utils._rebuild_tensor_v2",
        tensor + b"(NK\x00))N}tR": "a call of torch._utils._rebuild_tensor_v2",
        b"N)R": "calls what is no function",
        b"})R": "calls what is no function",
        ordered + b"NR": "calls what is no function",
        ordered: "collections.OrderedDict, which",
        b"]" + storage + b"a": "torch.FloatStorage, which",
        b"N}b": "the state of an object",
        b"}Nb": "the state of an object",
    }.items():
        refused_pickle(torch_file, path, instructions, match)


@pytest.mark.fast
def test_instructions_that_make_no_sense_are_refused(torch_file, path):
    for instructions in (
        b"",
        b"NN",
        b"(",
        b"(N",
        b"R",
        b"NR",
        b"t",
        b"a",
        b"Na",
        b"}Na",
        b"Ns",
        b"]NNs",
        b"NNNs",
        b"(u",
        b"}(Nu",
        b"}NNs",
        b"}G\x00\x00\x00\x00\x00\x00\x00\x00Ns",
        b"})Ns",
        b"}\x88Ns",
        b"]]}e",
        b"h\x00",
        b"q\x00",
        b"NQ",
        b")Q",
        b"b",
        b"\x8a\x09" + b"\xff" * 8 + b"\x7f",
        b"\x8a\xff",
        b"X\xff\xff\xff\xff",
        b"X\x01\x00\x00\x00\xff",
        b"cos",
        b"c\xff\n\xfe\n",
        b"N.N",
        b"\xff",
    ):
        refused_pickle(torch_file, path, instructions, "copy it again|no plain state dict")


@pytest.mark.fast
def test_values_that_contain_themselves_are_refused(torch_file, path):
    deep = torch_pickle.MAX_NESTING
    for instructions in (
        b"]q\x00h\x00a",
        b"}q\x00X\x01\x00\x00\x00ah\x00s",
        b"]q\x00h\x00\x85a",
        b"]" * (deep + 1) + b"N" + b"a" * (deep + 1),
        b")" + b"\x85" * 50_000,
    ):
        refused_pickle(torch_file, path, instructions, "nested more than 32 deep")
    nested = b"]" * deep + b"N" + b"a" * deep
    path.write_bytes(torch_file.pickled(nested))
    value = read_archive(path)
    for _ in range(deep - 1):
        (value,) = value
    assert value == [None]


def test_repetitions_are_bounded(torch_file, path, monkeypatch):
    # Twenty lists, each ten times the one before it.
    laughs = b"]q\x00" + b"".join(b"](" + b"h%c" % n * 10 + b"eq%c" % (n + 1) for n in range(20))
    refused_pickle(torch_file, path, b"(" + laughs + b"t", "more than 100,000 values")
    refused_pickle(torch_file, path, b"]" + b"N\x85" * 60_000, "more than 100,000 instructions")
    refused_pickle(torch_file, path, b"]" * (2**22 + 1), "more than 4,194,304")
    monkeypatch.setattr(torch_archive, "MAX_TENSOR_BYTES", 1000)
    storage = np.zeros(200, np.float32)
    torch_file.write(path, [storage])
    assert read_archive(path)[0].tobytes() == storage.tobytes()
    refused(torch_file.write(path, [storage, storage]), "more than 1,000 bytes together")


@pytest.mark.fast
def test_the_place_of_a_tensor_is_checked(torch_file, path):
    kind = b"ctorch\nFloatStorage\n"
    text = torch_file.text
    for place in (
        b"(" + text("module") + kind + text("0") + text("cpu") + b"K\x01t",
        b"(" + text("storage") + kind + text("0") + text("cpu") + b"t",
        b"(" + text("storage") + kind + b"K\x00" + text("cpu") + b"K\x01t",
        b"(" + text("storage") + b"N" + text("0") + text("cpu") + b"K\x01t",
        b"(" + text("storage") + b"ccollections\nOrderedDict\n" + text("0") * 2 + b"K\x01t",
    ):
        match = "does not state the place"
        refused_pickle(torch_file, path, place + b"Q", match, **{"0": bytes(4)})
    place = b"(" + text("storage") + kind + text("0") + text("cpu") + b"K\x01tQ"
    refused_pickle(torch_file, path, place, "a storage without a tensor", **{"0": bytes(4)})


@pytest.mark.fast
def test_nonsense_with_right_checksums_is_refused_or_harmless(torch_file, path):
    # A checksum shows an accident, not a forgery: here the pickle is changed and packed anew.
    state = torch_file.StateDict({"a.weight": np.ones((2, 3), np.float32), "a.bias": np.ones(2)})
    value = {"epoch": 7, "state_dict": state, "rates": [0.1, (0.9, 0.999), None]}
    contents = torch_file.entries(value)
    random = np.random.default_rng(0)
    read = 0
    for _ in range(500):
        changed = bytearray(contents["data.pkl"])
        for _ in range(random.integers(1, 4)):
            changed[random.integers(len(changed))] = random.integers(256)
        path.write_bytes(torch_file.archive({**contents, "data.pkl": bytes(changed)}))
        try:
            read_archive(path)
            read += 1
        except DataError as error:
            assert str(error).isprintable()
    assert read < 250
