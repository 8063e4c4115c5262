"""Checkpoints of one pytree: atomic, numbered by step, with a sha256 for every leaf."""

import errno
import hashlib
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

from train.engine.errors import NoCheckpoint
from train.engine.files import NO_ROOM

PUT_ASIDE = "damaged"
NOT_THE_FILES_FAULT = (errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE, errno.ESTALE)
"""Error numbers of reading that say nothing about what a file holds."""


class _OfAnotherState(ValueError):
    """A checkpoint that is as it was written, of a state of another structure."""


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: where the numbered steps lie; damaged ones are moved to `damaged/` beside it.
        keep: how many of the newest steps stay.
        report: takes a sentence about a damaged step.
    """

    def __init__(self, folder: Path, *, keep: int = 3, report: Callable[[str], None] = print):
        # Below this orbax prints the tracebacks of its threads; what goes wrong is raised as well.
        logging.getLogger("absl").setLevel(logging.CRITICAL)
        self._folder = folder.absolute()
        self._aside = self._folder.parent / PUT_ASIDE
        self._report = report
        self._finish_deleting(keep)
        options = ocp.CheckpointManagerOptions(
            max_to_keep=keep,
            create=True,
            cleanup_tmp_directories=True,
            # A save that fails must fail here, before the metrics go on.
            enable_async_checkpointing=False,
        )
        self._manager = ocp.CheckpointManager(self._folder, options=options)

    def steps(self) -> list[int]:
        """Returns the numbers of the steps on disk, in ascending order."""
        return sorted(self._manager.all_steps())

    def save(self, step: int, tree: Any) -> None:
        """Writes one step; does nothing when it is there already.

        Args:
            step: its number.
            tree: any pytree of arrays, PRNG keys and Python numbers.

        Raises:
            OSError: there is no room for it; the steps before it are as they were.
        """
        if step in self._manager.all_steps():
            return
        # The state is a copy on every device, so that it can be stored as one run of bytes. That is
        # many times faster than an array per leaf, and keeps types that orbax has no arrays for.
        records, content = [], []
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
            array, kind = _to_numpy(leaf)
            content.append(array.tobytes())
            records.append({"path": jax.tree_util.keystr(path), "kind": kind, **_describe(array)})
        arguments = ocp.args.Composite(
            state=ocp.args.StandardSave({"bytes": _to_vector(b"".join(content))}),
            leaves=ocp.args.JsonSave({"leaves": records}),
        )
        try:
            self._manager.save(step, args=arguments)
            self._manager.wait_until_finished()
        except Exception as error:
            if (number := _no_room(error)) is None:
                raise
            raise OSError(number, os.strerror(number), str(self._folder)) from error

    def restore(self, template: Any) -> tuple[int, Any] | None:
        """Reads the newest usable step, putting damaged ones aside.

        Args:
            template: a pytree of the structure, shapes and types that were saved.

        Returns:
            The step's number and the tree (numpy arrays, PRNG keys, Python numbers), or None when
            nothing was ever saved.

        Raises:
            NoCheckpoint: there were checkpoints, and none of them is usable.
        """
        for step in reversed(self.steps()):
            try:
                return step, self._read(step, template)
            except MemoryError:
                raise  # says nothing about the step
            except _OfAnotherState as error:
                raise NoCheckpoint(
                    f"checkpoint {step} in {self._folder} is not of this training ({error}): give "
                    "the command and the version of jaxnoise that began it, or choose another "
                    "--workdir."
                ) from error
            except OSError as error:
                if error.errno in NOT_THE_FILES_FAULT:
                    raise
                self._damaged(step, error)
            except Exception as error:  # orbax raises many kinds; all mean that this step is lost
                self._damaged(step, error)
        if self._aside.is_dir() and any(self._aside.iterdir()):
            raise NoCheckpoint(
                f"none of the checkpoints in {self._folder} is usable (damaged ones lie in "
                f"{self._aside}): choose a new --workdir to train from the start."
            )
        return None

    def close(self) -> None:
        """Waits for everything to be on disk."""
        self._manager.close()

    def _finish_deleting(self, keep: int) -> None:
        """Removes what a kill has left of a step too many, which orbax deletes file by file."""
        if jax.process_index() == 0 and self._folder.is_dir():
            steps = sorted(int(item.name) for item in self._folder.iterdir() if item.name.isdigit())
            for step in steps[:-keep]:
                shutil.rmtree(self._folder / str(step))

    def _read(self, step: int, template: Any) -> Any:
        leaves, treedef = jax.tree_util.tree_flatten_with_path(template)
        only_leaves = ocp.args.Composite(leaves=ocp.args.JsonRestore())
        records = self._manager.restore(step, args=only_leaves)["leaves"]["leaves"]
        if [record["path"] for record in records] != [jax.tree_util.keystr(p) for p, _ in leaves]:
            raise _OfAnotherState("its variables are not those of this model")
        likes = [_to_numpy(leaf) for _, leaf in leaves]
        expected = {"bytes": _to_vector(b"".join(array.tobytes() for array, _ in likes))}
        only_state = ocp.args.Composite(state=ocp.args.StandardRestore(expected))
        content = np.asarray(self._manager.restore(step, args=only_state)["state"]["bytes"])
        restored, start = [], 0
        for record, (like, kind) in zip(records, likes, strict=True):
            array = content[start : start + like.nbytes].view(like.dtype).reshape(like.shape).copy()
            start += like.nbytes
            found = {"path": record["path"], "kind": kind, **_describe(array)}
            if different := [key for key in found if found[key] != record.get(key)]:
                raise ValueError(f"the {different[0]} of {record['path']} does not match")
            restored.append(_from_numpy(array, kind))
        return jax.tree_util.tree_unflatten(treedef, restored)

    def _damaged(self, step: int, error: Exception) -> None:
        place = self._put_aside(step)
        reason = " ".join(str(error).split())[:200]
        self._report(f"Checkpoint {step} is damaged ({reason}); it was moved to {place}.")

    def _put_aside(self, step: int) -> Path:
        self._aside.mkdir(exist_ok=True)
        place = self._aside / str(step)
        while place.exists():
            place = place.with_name(place.name + "-again")
        shutil.move(self._folder / str(step), place)
        self._manager.reload()
        return place


def _no_room(error: BaseException | None) -> int | None:
    """The error number of a full disk if that is what an error of orbax comes from."""
    while error is not None:
        for number in NO_ROOM:
            # Its array files are written by a library that has only text for errors.
            if getattr(error, "errno", None) == number or os.strerror(number) in str(error):
                return number
        error = error.__cause__ or error.__context__
    return None


def _to_vector(content: bytes) -> np.ndarray:
    return np.frombuffer(content or b"\0", np.uint8)  # orbax refuses arrays of size zero


def _to_numpy(leaf: Any) -> tuple[np.ndarray, str]:
    if type(leaf) in (bool, int, float):  # numpy's float64 is a float by inheritance
        return np.asarray(leaf), type(leaf).__name__
    if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return np.asarray(jax.random.key_data(leaf)), f"key:{jax.random.key_impl(leaf)}"
    return np.asarray(leaf), "array"


def _from_numpy(array: np.ndarray, kind: str) -> Any:
    if kind in ("bool", "int", "float"):
        return array.item()
    if kind.startswith("key:"):
        return jax.random.wrap_key_data(jnp.asarray(array), impl=kind.removeprefix("key:"))
    return array


def _describe(array: np.ndarray) -> dict[str, Any]:
    return {
        "shape": list(array.shape),
        "dtype": array.dtype.name,
        "sha256": hashlib.sha256(array.tobytes()).hexdigest(),
    }
