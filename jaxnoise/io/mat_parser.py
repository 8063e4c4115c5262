"""Parsing of MAT files; run by `jaxnoise.io.parser_child`, where a crash does no harm."""

import itertools
import math
import os
import warnings
import zlib
from typing import Any

import h5py
import numpy as np
import scipy.io

from jaxnoise.io.parser_child import Refusal

MAX_ITEMS = 100_000
MAX_DEPTH = 16
MAX_DIMENSIONS = 8
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
MATLAB_HEADER_BYTES = 512
# Other filters would load code from outside.
DEFLATE, SHUFFLE, CHECKSUM = 1, 2, 3
BYTES_OF_CLASS = {
    **{"double": 8, "single": 4, "logical": 1, "char": 2},
    **{f"{sign}int{bits}": bits // 8 for sign in ("", "u") for bits in (8, 16, 32, 64)},
}
TYPE_OF_CLASS = {
    **{name: name for name in BYTES_OF_CLASS if "int" in name},
    **{"double": "float64", "single": "float32", "logical": "uint8"},
}
_SAVE = "save it again from MATLAB as a plain numeric array"
_COPY = "copy the file again from its source or leave it out"

_kept: tuple[tuple, np.ndarray] | None = None


def parse(
    path: str, *, name: str | None, at: list[int] | None = None, max_bytes: int
) -> np.ndarray | str | list:
    """One variable of a MAT file; see `jaxnoise.io.mat.MatReader.read`.

    Args:
        path: the file.
        name: the variable; None for the only one.
        at: leading indices of the part that is wanted.
        max_bytes: largest value that is read.
    """
    global _kept
    found = os.stat(path)
    key = (path, name, found.st_size, found.st_mtime_ns)
    if _kept is not None and at is not None and _kept[0] == key:
        return _part(_kept[1], at)
    _kept = None
    with open(path, "rb") as file:
        start = file.read(MATLAB_HEADER_BYTES + len(HDF5_SIGNATURE))
    if HDF5_SIGNATURE in (start[: len(HDF5_SIGNATURE)], start[MATLAB_HEADER_BYTES:]):
        value = _read_hdf5(path, name, max_bytes)
    elif start[124:128] in (b"\x00\x01IM", b"\x01\x00MI"):
        value = _read_version_5(path, name, max_bytes)
    else:
        raise Refusal("is no MAT file of version 5 to 7.3: save it from MATLAB with -v7 or -v7.3")
    if at is None:
        return value
    if not isinstance(value, np.ndarray):
        raise Refusal(f"holds no array to take a part of: {_SAVE}")
    _kept = (key, value)
    return _part(value, at)


def _part(value: np.ndarray, at: list[int]) -> np.ndarray:
    if len(at) > value.ndim or not all(
        0 <= i < n for i, n in zip(at, value.shape[: len(at)], strict=True)
    ):
        raise Refusal(f"holds an array of shape {value.shape} without a part {tuple(at)}: {_COPY}")
    return value[tuple(at)]


def _choose(name: str | None, names: list[str]) -> str:
    shown = ", ".join(repr(found)[:40] for found in names[:8]) or "nothing"
    if name is None and len(names) != 1:
        raise Refusal(f"holds {shown} where one variable is expected: {_COPY}")
    if name is not None and names.count(name) != 1:
        raise Refusal(f"holds {shown} and not one variable '{name}': {_COPY}")
    return names[0] if name is None else name


def _check_shape(shape: tuple[int, ...], item_bytes: int, max_bytes: int) -> None:
    if len(shape) > MAX_DIMENSIONS or math.prod(shape) * item_bytes > max_bytes:
        raise Refusal(
            f"declares an array of shape {shape[:MAX_DIMENSIONS]}, larger than "
            f"{max_bytes // 2**20} MiB: {_COPY}"
        )


def _read_hdf5(path: str, name: str | None, max_bytes: int) -> np.ndarray:
    with h5py.File(path, "r", locking=False) as file:
        name = _choose(name, [key for key in map(str, file) if not key.startswith("#")])
        # Links of other kinds lead out of the file.
        if not isinstance(file.get(name, getlink=True), h5py.HardLink):
            raise Refusal(f"holds '{name}' by a link only: {_SAVE}")
        data = file[name]
        if not isinstance(data, h5py.Dataset):
            raise Refusal(f"holds '{name}' as a struct, cell or sparse array: {_SAVE}")
        _check_dataset(data, name, max_bytes)
        return data[()].T


def _check_dataset(data: h5py.Dataset, name: str, max_bytes: int) -> None:
    kind = data.attrs.get("MATLAB_class", b"")
    kind = kind.decode("latin1") if isinstance(kind, bytes) else str(kind)
    type_name = data.dtype.newbyteorder("=").name
    if data.shape is None or type_name not in TYPE_OF_CLASS.values():
        raise Refusal(f"holds '{name}' as {type_name} and not as numbers: {_SAVE}")
    if kind and TYPE_OF_CLASS.get(kind) != type_name:
        raise Refusal(f"holds '{name}' of class {kind!r:.40} stored as {type_name}: {_SAVE}")
    if not data.id.get_type().equal(h5py.h5t.py_create(data.dtype)):
        raise Refusal(f"holds '{name}' as numbers of no usual format: {_COPY}")
    _check_shape(data.shape, data.dtype.itemsize, max_bytes)
    if data.size == 0 or "MATLAB_empty" in data.attrs:
        raise Refusal(f"holds '{name}' without any numbers: {_COPY}")
    plan = data.id.get_create_plist()
    filters = {plan.get_filter(index)[0] for index in range(plan.get_nfilters())}
    if data.is_virtual or plan.get_external_count() or filters - {DEFLATE, SHUFFLE, CHECKSUM}:
        raise Refusal(f"holds '{name}' in other files or by an unknown filter: {_SAVE}")
    if data.chunks:
        _check_shape(data.chunks, data.dtype.itemsize, max_bytes)
    if not (_has_all_chunks(data, filters) if data.chunks else _has_all_bytes(data)):
        raise Refusal(f"does not hold all of '{name}': {_COPY}")


def _has_all_bytes(data: h5py.Dataset) -> bool:
    return data.id.get_storage_size() == data.size * data.dtype.itemsize


def _has_all_chunks(data: h5py.Dataset, filters: set[int]) -> bool:
    """Whether every chunk is found, went through the filters and has its size without them.

    A chunk that a damaged index does not lead to would be read as zeros, without a word.
    """
    steps = data.chunks or data.shape
    size = math.prod(steps) * data.dtype.itemsize
    stored = data.id.get_num_chunks()
    if not filters and data.id.get_storage_size() != stored * size:
        return False
    sides = zip(data.shape, steps, strict=True)
    for corner in itertools.product(*(range(0, side, step) for side, step in sides)):
        try:
            skipped, content = data.id.read_direct_chunk(corner)
        except (OSError, RuntimeError, ValueError):
            return False
        if skipped or not content:
            return False
        if filters == {DEFLATE} and not any(corner) and not _inflates_to(content, size):
            return False
        stored -= 1
    return stored == 0


def _inflates_to(content: bytes, size: int) -> bool:
    return len(zlib.decompressobj().decompress(content, size + 1)) == size


def _read_version_5(path: str, name: str | None, max_bytes: int) -> np.ndarray | str | list:
    found = scipy.io.whosmat(path, appendmat=False)
    name = _choose(name, [entry[0] for entry in found if not entry[0].startswith("__")])
    _, shape, kind = next(entry for entry in found if entry[0] == name)
    if kind in ("struct", "cell"):
        _check_shape(shape, max(1, max_bytes // MAX_ITEMS), max_bytes)
    elif kind in BYTES_OF_CLASS:
        _check_shape(shape, BYTES_OF_CLASS[kind], max_bytes)
    else:
        raise Refusal(f"holds '{name}' of class '{kind:.40}': {_SAVE}")
    with warnings.catch_warnings():
        # scipy warns of what it cannot read and puts a text in its place.
        warnings.filterwarnings("error", message="Unreadable variable|Duplicate variable")
        value = scipy.io.loadmat(
            path,
            appendmat=False,
            variable_names=[name],
            struct_as_record=True,
            verify_compressed_data_integrity=True,
        )[name]
    return _Converter(max_bytes).convert(value)


class _Converter:
    """Plain values of what scipy makes of a variable, within limits."""

    def __init__(self, max_bytes: int):
        self.items, self.bytes = MAX_ITEMS, max_bytes

    def convert(self, value: Any, depth: int = 0) -> Any:
        self.items -= 1
        if self.items < 0 or depth > MAX_DEPTH:
            raise Refusal(f"nests its values too deeply or has too many: {_SAVE}")
        # Objects, functions and sparse arrays come as other types.
        if type(value) is not np.ndarray:
            raise Refusal(f"holds an object, a function or a sparse array: {_SAVE}")
        if value.dtype.names is not None:
            return [
                {field: self.convert(item[field], depth + 1) for field in value.dtype.names}
                for item in value.ravel(order="F")
            ]
        if value.dtype.kind == "O":
            return [self.convert(item, depth + 1) for item in value.ravel(order="F")]
        self.bytes -= value.nbytes
        if self.bytes < 0:
            raise Refusal(f"holds more than its limit in all: {_COPY}")
        if value.dtype.kind == "U":
            return "\n".join(str(row) for row in value.ravel(order="F"))
        if value.dtype.kind not in "biuf" or value.dtype.itemsize > 8:
            raise Refusal(f"holds {value.dtype.name} values: {_SAVE}")
        return value
