"""Reader of PyTorch's `.pth` files that needs no PyTorch and runs nothing that they hold.

A file is a zip archive of one folder: `data.pkl` says what there is, `data/<key>` are the numbers
of each storage, and `byteorder` is their byte order.
"""

import io
import math
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxnoise.errors import DataError
from jaxnoise.interop.torch_pickle import Damaged, NotPlain, Tensor, read_pickle

MAX_FILE_BYTES = 64 * 2**20
MAX_ENTRIES = 20_000
MAX_TENSOR_BYTES = 64 * 2**20
"""Of all tensors together, which may show the same numbers more than once."""
MAX_RANK = 8

_SAVE = "save the weights with torch.save(model.state_dict(), FILE)"
_COPY_AGAIN = "copy it again from its source"
_ORDERS = {b"little": "<", b"big": ">"}
_OF_PROGRAMS = ("code/", "constants.pkl")
_ENTRY, _LISTED = b"PK\x03\x04", b"PK\x01\x02"


def read_archive(path: Path) -> Any:
    """What a file written by `torch.save` holds, tensors as numpy arrays.

    Args:
        path: the file, as PyTorch writes it since version 1.6.

    Returns:
        Nested dictionaries, lists and tuples of numbers, texts and arrays. All checksums of the
        archive are verified.

    Raises:
        DataError: the file is missing, too large, damaged or of an older PyTorch, or holds what is
            no plain data.
    """
    content = _content(path)
    if not content.startswith(_ENTRY):
        raise DataError(
            f"{path} is no file of PyTorch 1.6 or later: where an older version wrote it, load it "
            "there and save it again with torch>=1.6."
        )
    try:
        entries = _entries(content)
        folder = _folder(entries)
        return read_pickle(entries[f"{folder}data.pkl"], _Arrays(entries, folder).make)
    except NotPlain as error:
        raise DataError(
            f"{path} holds {error}, which is no plain state dict: nothing of it was executed; "
            f"{_SAVE}."
        ) from error
    except Damaged as error:
        raise DataError(f"{path} is no intact file of PyTorch ({error}): {_COPY_AGAIN}.") from error


def _content(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise DataError(f"{path} is missing or no file: check the path.")
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise DataError(
                f"{path} has {size:,} bytes, more than {MAX_FILE_BYTES:,}: give a smaller model's "
                "file, or one without the optimiser's state."
            )
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path} ({error.strerror}): check the path.") from error


def _entries(content: bytes) -> dict[str, bytes]:
    """All entries of the archive, their checksums verified."""
    # The list of entries is read into memory as a whole, several times as large as it is there.
    if content.count(_LISTED) > MAX_ENTRIES:
        raise Damaged(f"it has more than {MAX_ENTRIES:,} entries")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _check_list(archive.infolist(), len(content))
            return {entry.filename: archive.read(entry) for entry in archive.infolist()}
    except (Damaged, NotPlain):
        raise
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise Damaged("its zip archive is damaged") from error
    except (ValueError, IndexError, KeyError, OverflowError, OSError, struct.error) as error:
        raise Damaged("its zip archive makes no sense") from error


def _check_list(entries: list[zipfile.ZipInfo], length: int) -> None:
    """Raises unless the entries are those of weights and fit side by side into the file."""
    for entry in entries:
        if entry.filename.partition("/")[2].startswith(_OF_PROGRAMS):
            raise NotPlain("a TorchScript program")
        if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
            raise Damaged("it is compressed, which files of PyTorch are not")
    if sum(entry.file_size for entry in entries) > length:
        raise Damaged("its entries overlap")
    if len({entry.filename for entry in entries}) < len(entries):
        raise Damaged("two of its entries have one name")


def _folder(entries: Mapping[str, bytes]) -> str:
    """Name of the archive's one folder, with a slash."""
    found = {name.partition("/")[0] for name in entries if name.partition("/")[2] == "data.pkl"}
    if len(found) != 1:
        raise Damaged(f"it has {len(found)} entries named data.pkl")
    return f"{found.pop()}/"


class _Arrays:
    """Makes arrays of tensors from the entries that hold their numbers."""

    def __init__(self, entries: Mapping[str, bytes], folder: str):
        self._entries, self._folder = entries, folder
        order = entries.get(f"{folder}byteorder", b"little")
        if order not in _ORDERS:
            raise Damaged("its byte order is neither little nor big")
        self._order = _ORDERS[order]
        self._bytes = 0

    def make(self, tensor: Tensor) -> np.ndarray:
        """A tensor's numbers, in an array of its own."""
        dtype = np.dtype(self._order + tensor.storage.kind)
        content = self._entries.get(f"{self._folder}data/{tensor.storage.key}")
        if content is None or len(content) != tensor.storage.length * dtype.itemsize:
            raise Damaged("the numbers of a tensor are missing or of another length")
        shape, strides, offset = _geometry(tensor)
        # What is checked is the size that an empty axis would hide.
        self._bytes += math.prod(max(size, 1) for size in shape) * dtype.itemsize
        if self._bytes > MAX_TENSOR_BYTES:
            raise Damaged(f"its tensors have more than {MAX_TENSOR_BYTES:,} bytes together")
        if 0 in shape:
            return np.zeros(shape, dtype.newbyteorder("="))
        steps = tuple(stride * dtype.itemsize for stride in strides)
        stored = np.dtype(np.uint8) if dtype.kind == "b" else dtype
        array = np.ndarray(shape, stored, content, offset * dtype.itemsize, steps)
        if dtype.kind == "b" and array.max() > 1:
            raise Damaged("a truth value is neither 0 nor 1")
        return np.array(array, dtype.newbyteorder("="), order="C")


def _geometry(tensor: Tensor) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """Shape, strides and offset of a tensor that lies in its storage."""
    shape, strides, offset = tensor.shape, tensor.strides, tensor.offset
    for values in (shape, strides, (offset,)):
        if not isinstance(values, tuple) or not all(type(n) is int and n >= 0 for n in values):
            raise Damaged("the shape, strides or offset of a tensor are no non-negative numbers")
    if len(shape) != len(strides) or len(shape) > MAX_RANK:
        raise Damaged(f"a tensor has axes without strides, or more than {MAX_RANK} axes")
    if 0 not in shape:
        last = offset + sum((size - 1) * step for size, step in zip(shape, strides, strict=True))
        if last >= tensor.storage.length:
            raise Damaged("a tensor reaches beyond its numbers")
    # Of an axis with one place the stride says nothing, and may be any number.
    strides = tuple(step if size > 1 else 0 for size, step in zip(shape, strides, strict=True))
    return shape, strides, offset
