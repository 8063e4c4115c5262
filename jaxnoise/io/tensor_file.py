"""Tensors of a safetensors file that somebody else wrote: some of them, by name."""

import math
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from jaxnoise.errors import DataError
from jaxnoise.io.regular_files import open_regular

MAX_FILE_BYTES = 2**31
"""Bytes of a file; VGG16 with its classifier has 553,000,000."""
MAX_BYTES = 2**29
"""Bytes of the tensors that are read."""
MAX_TENSORS = 10_000
FLOATS = {"F16": np.float16, "F32": np.float32, "F64": np.float64}


def read_tensors(path: str | os.PathLike, wanted: Callable[[str], bool]) -> dict[str, np.ndarray]:
    """Tensors of a safetensors file; of those that are not wanted no byte is read.

    Args:
        path: the file.
        wanted: whether a tensor is read, by its name.

    Returns:
        Arrays by name, float32, whichever floats are stored; infinite where it knows none so large.

    Raises:
        DataError: there is no such file, it is damaged or larger than 2 GiB, or what is wanted
            takes more than 512 MiB or is of another type.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    # It opens the file itself, and would wait for what a pipe never says.
    open_regular(path, at_most=MAX_FILE_BYTES, advice="give one with the weights alone")[0].close()
    try:
        with safe_open(path, framework="numpy") as file:
            names = file.keys()
            if len(names) > MAX_TENSORS:
                raise DataError(
                    f"{path} holds {len(names):,} tensors, and at most {MAX_TENSORS:,} are read: "
                    "give a file with the weights of one network."
                )
            kept = {name: file.get_slice(name) for name in names if wanted(name)}
            _check(path, kept)
            tensors = {name: file.get_tensor(name) for name in kept}
    except DataError:
        raise
    except (SafetensorError, OSError, ValueError, TypeError, KeyError, MemoryError) as error:
        reason = " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
        raise DataError(
            f"{path} is no safetensors file or is damaged ({reason}): write the weights with "
            "safetensors.torch.save_file(model.state_dict(), FILE)."
        ) from error
    with np.errstate(over="ignore"):
        return {name: tensor.astype(np.float32, copy=False) for name, tensor in tensors.items()}


def _check(path: Path, kept: dict) -> None:
    """Raises where tensors are of another type or too large."""
    total = 0
    for name, tensor in kept.items():
        kind = tensor.get_dtype()
        if kind not in FLOATS:
            raise DataError(
                f"{path} has {name[:80]!r} of type {kind}: save the weights as float32, by "
                "model.float() in PyTorch."
            )
        total += math.prod(tensor.get_shape()) * np.dtype(FLOATS[kind]).itemsize
    if total > MAX_BYTES:
        raise DataError(
            f"{path} holds {total:,} bytes of weights, and at most {MAX_BYTES:,} are read: give a "
            "file with the weights of one network."
        )
