"""Writers of MAT files as MATLAB writes them, for tests."""

from pathlib import Path

import h5py
import numpy as np
import scipy.io

HEADER_BYTES = 512
CLASSES = {"float32": "single", "float64": "double", "uint8": "uint8", "uint16": "uint16"}


def write_version_7_3(path: Path, *, chunks=None, **arrays: np.ndarray) -> Path:
    """HDF5 behind MATLAB's header, every array transposed and with the name of its class."""
    with h5py.File(path, "w", userblock_size=HEADER_BYTES) as file:
        for name, array in arrays.items():
            data = np.ascontiguousarray(array.T)
            pieces = chunks or tuple(min(side, 64) for side in data.shape)
            made = file.create_dataset(name, data=data, chunks=pieces, compression="gzip")
            made.attrs["MATLAB_class"] = np.bytes_(CLASSES.get(array.dtype.name, "double"))
    text = b"MATLAB 7.3 MAT-file, Platform: GLNXA64, HDF5 schema 1.00 ."
    head = text.ljust(116) + bytes(8) + b"\x00\x02IM"
    with path.open("r+b") as file:
        file.write(head)
    return path


def write_version_5(path: Path, *, compressed: bool = True, **variables) -> Path:
    """A file as MATLAB's save -v7 (compressed) or -v6 leaves it."""
    scipy.io.savemat(path, variables, do_compression=compressed)
    return path


def tags(**values_by_id) -> np.ndarray:
    """A struct array of tags as imfinfo gives it: ID, Offset, Value."""
    made = np.empty((len(values_by_id), 1), [(name, object) for name in ("ID", "Offset", "Value")])
    for row, (name, value) in enumerate(values_by_id.items()):
        made[row, 0] = (np.uint16(name.lstrip("t")), np.uint8(0), np.atleast_2d(value))
    return made
