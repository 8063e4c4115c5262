"""State dicts of PyTorch modules: where they are found, and how a reader takes them apart."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from jaxnoise.errors import DataError
from jaxnoise.interop.torch_archive import read_archive

SUFFIXES = (".pth", ".pt")
BEST = "best_model.pth"
"""What the published training calls the file to use."""

_COUNTERS = "num_batches_tracked"
_FLOATS = (np.float32, np.float64)


class State:
    """Tensors by name, each of which is to be taken once."""

    def __init__(self, path: Path, tensors: dict[str, np.ndarray], known: str):
        """Keeps the tensors.

        Args:
            path: their file, for errors.
            tensors: by name.
            known: what can be read, a half sentence for errors.
        """
        self.path = path
        self._left = dict(tensors)
        self._known = known

    def names(self, pattern: str) -> list[re.Match[str]]:
        """Matches of a regular expression with whole names of tensors that nobody took yet."""
        return [match for name in self._left if (match := re.fullmatch(pattern, name))]

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor; () where there is none of this name."""
        return self._left[name].shape if name in self._left else ()

    def take(
        self,
        name: str,
        shape: tuple[int, ...],
        valid: Callable[[np.ndarray], Any] | None = None,
    ) -> np.ndarray:
        """A tensor, which then counts as taken.

        Args:
            name: of the tensor.
            shape: that it must have.
            valid: whether numbers are possible there; all must be finite in any case.

        Returns:
            The array, float32 or float64 as it was stored.

        Raises:
            DataError: it is missing, or of another shape or type, or its numbers are not possible.
        """
        if name not in self._left:
            raise self.refusal(f"lacks {name}")
        tensor = self._left.pop(name)
        if tensor.shape != shape or tensor.dtype not in _FLOATS:
            raise self.refusal(
                f"has {name} of shape {tensor.shape} and type {tensor.dtype}, not {shape} and "
                "float32 or float64"
            )
        if not np.isfinite(tensor).all() or (valid is not None and not valid(tensor)):
            raise DataError(
                f"{name} in {self.path} holds values that it cannot have: use an earlier "
                "checkpoint of the training, which may have diverged."
            )
        return tensor

    def finish(self) -> None:
        """Raises DataError if there is a tensor that nobody took."""
        if self._left:
            raise self.refusal(f"has {sorted(self._left)[0]}")

    def refusal(self, what: str) -> DataError:
        """An error that says what is wrong and what can be read.

        Args:
            what: a verb and its object, the file being the subject.

        Returns:
            The error, to be raised.
        """
        return DataError(f"{self.path} {what}: {self._known}.")


def find_state_file(path: str | os.PathLike) -> Path | None:
    """The file of a state dict that a path means.

    Args:
        path: a file that ends in `.pth` or `.pt`, or a folder that holds it. Of several in a
            folder, `best_model.pth`.

    Returns:
        The file; None where there is none.

    Raises:
        DataError: the folder holds several, and none of them is called `best_model.pth`.
    """
    path = Path(path)
    if not path.is_dir():
        return path if path.suffix in SUFFIXES and path.is_file() else None
    found = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES and file.is_file())
    if len(found) > 1 and path / BEST in found:
        return path / BEST
    if len(found) > 1:
        raise DataError(
            f"{path} holds {len(found)} files of PyTorch: give one of them, for example "
            f"{found[0]} or {found[1]}."
        )
    return found[0] if found else None


def read_state(path: str | os.PathLike, known: str) -> State:
    """The state dict of a file, or of the entry `state_dict` of a training's checkpoint.

    Args:
        path: as for `find_state_file`.
        known: what can be read, a half sentence for errors.

    Returns:
        The tensors. Counters of batch normalisation, which no network here needs, are left out.

    Raises:
        DataError: the file is missing, damaged or holds no state dict.
    """
    file = find_state_file(path)
    if file is None:
        raise DataError(
            f"{path} is no file of PyTorch: give a .pth file or the folder that holds it."
        )
    tensors = read_archive(file)
    if isinstance(tensors, dict) and isinstance(tensors.get("state_dict"), dict):
        tensors = tensors["state_dict"]
    if not isinstance(tensors, dict) or not tensors or not all(map(_is_entry, tensors.items())):
        raise DataError(
            f"{file} holds no state dict: save the weights with torch.save(model.state_dict(), "
            "FILE)."
        )
    kept = {name: tensor for name, tensor in tensors.items() if not name.endswith(_COUNTERS)}
    return State(file, kept, known)


def _is_entry(item: tuple[object, object]) -> bool:
    name, tensor = item
    return isinstance(name, str) and name.isprintable() and isinstance(tensor, np.ndarray)
