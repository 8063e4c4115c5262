"""Checkpoints of one pytree: atomic, numbered by step, with a sha256 of all that they hold."""

import errno
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from train.engine.errors import NoCheckpoint
from train.engine.files import MAX_JSON_BYTES, NO_ROOM, read_regular
from train.engine.leaves import describe, from_numpy, to_numpy

PUT_ASIDE = "damaged"
ARRAYS = "arrays"
"""Folder of a step's arrays within it."""
FILE = "bytes"
"""Their file there."""
NOT_THE_FILES_FAULT = (errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE, errno.ESTALE)
"""Error numbers of reading that say nothing about what a file holds."""


class _BytesHandler(ocp.CheckpointHandler):
    """Writes pieces of bytes, one after the other, to one file.

    Orbax's own arrays are written by a library that takes some names of folders for patterns and
    cannot write to others. `_read_content` reads the file, whose size it knows.
    """

    def save(self, directory: Any, args: "_BytesSave") -> None:
        """Writes the file of `args` to a folder that orbax renames when all is written."""
        if jax.process_index() != 0:
            return
        with open(os.path.join(os.fspath(directory), FILE), "xb") as file:
            file.writelines(args.pieces)
            file.flush()
            os.fsync(file.fileno())

    def restore(self, directory: Any, args: Any = None) -> None:
        """Nothing."""


@ocp.args.register_with_handler(_BytesHandler, for_save=True, for_restore=True)
@dataclass
class _BytesSave(ocp.args.CheckpointArgs):
    """What to write.

    Attributes:
        pieces: in their order.
    """

    pieces: Sequence[bytes]


class _OfAnotherState(ValueError):
    """A checkpoint that is as it was written, of a state of another structure."""


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: where the numbered steps lie; damaged ones are moved to `damaged/` beside it.
        keep: how many of the newest steps stay.
        report: takes a sentence about a damaged step.
        runs: what tells this run from others; a step is restored that was saved under any of them,
            and saved under the last. None restores those of any run.

    Attributes:
        rows: what `save` was given as `rows` for the step that was restored; "" where it was
            nothing, or a version of jaxnoise saved the step that kept nothing of the kind.
    """

    def __init__(
        self,
        folder: Path,
        *,
        keep: int = 3,
        report: Callable[[str], None] = print,
        runs: Sequence[str] | None = None,
    ):
        # Below this orbax prints the tracebacks of its threads; what goes wrong is raised as well.
        logging.getLogger("absl").setLevel(logging.CRITICAL)
        self._folder = folder.absolute()
        self._aside = self._folder.parent / PUT_ASIDE
        self._report, self._runs, self.rows = report, runs, ""
        if jax.process_index() == 0 and self._folder.is_dir():
            self._finish_deleting(keep)
            self._put_strange_ones_aside()
        options = ocp.CheckpointManagerOptions(
            max_to_keep=keep,
            create=True,
            # A save that fails must fail here, before the metrics go on.
            enable_async_checkpointing=False,
        )
        self._manager = ocp.CheckpointManager(self._folder, options=options)

    def steps(self) -> list[int]:
        """Returns the numbers of the steps on disk, in ascending order."""
        return sorted(self._manager.all_steps())

    def save(self, step: int, tree: Any, *, rows: str = "") -> None:
        """Writes one step; does nothing when it is there already.

        Args:
            step: its number.
            tree: any pytree of arrays, PRNG keys and Python numbers.
            rows: a digest of what else was written up to this step.

        Raises:
            OSError: there is no room for it; the steps before it are as they were.
        """
        if step in self._manager.all_steps():
            return
        # The state is a copy on every device, so that it can be stored as one run of bytes. That is
        # many times faster than an array per leaf, keeps types that orbax has no arrays for, and
        # works in folders of any name, where what writes its arrays does not.
        records, content = [], []
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
            array, kind = to_numpy(leaf)
            content.append(array.tobytes())
            records.append({"path": jax.tree_util.keystr(path), "kind": kind, **describe(array)})
        said = {"leaves": records, "step": step, "rows": rows}
        said["run"] = self._runs[-1] if self._runs else ""
        arguments = ocp.args.Composite(
            **{ARRAYS: _BytesSave(content)},
            leaves=ocp.args.JsonSave({**said, "sha256": _digest(said)}),
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
        """Removes what a kill has left of a step: half of it, or of one too many, which orbax
        deletes file by file.
        """
        for unfinished in self._folder.glob("*.orbax-checkpoint-tmp*"):
            shutil.rmtree(unfinished)
        for step in self._numbered()[:-keep]:
            shutil.rmtree(self._folder / str(step))

    def _put_strange_ones_aside(self) -> None:
        """Moves steps away that hold a pipe, a device or a link: orbax would wait for those."""
        for step in self._numbered():
            if (strange := _not_plain(self._folder / str(step))) is not None:
                self._damaged(step, ValueError(f"{strange} is no regular file"))

    def _numbered(self) -> list[int]:
        return sorted(int(item.name) for item in self._folder.iterdir() if item.name.isdecimal())

    def _read(self, step: int, template: Any) -> Any:
        leaves, treedef = jax.tree_util.tree_flatten_with_path(template)
        records = self._read_records(step)
        if [record["path"] for record in records] != [jax.tree_util.keystr(p) for p, _ in leaves]:
            raise _OfAnotherState("its variables are not those of this model")
        likes = [to_numpy(leaf) for _, leaf in leaves]
        content = self._read_content(step, sum(array.nbytes for array, _ in likes))
        restored, start = [], 0
        for record, (like, kind) in zip(records, likes, strict=True):
            array = content[start : start + like.nbytes].view(like.dtype).reshape(like.shape).copy()
            start += like.nbytes
            found = {"path": record["path"], "kind": kind, **describe(array)}
            if different := [key for key in found if found[key] != record.get(key)]:
                raise ValueError(f"the {different[0]} of {record['path']} does not match")
            restored.append(from_numpy(array, kind))
        return jax.tree_util.tree_unflatten(treedef, restored)

    def _read_records(self, step: int) -> list[dict[str, Any]]:
        """What was saved of each leaf, once it is sure that this is that step of this run."""
        path = self._folder / str(step) / "leaves" / "metadata"
        said = json.loads(read_regular(path, limit=MAX_JSON_BYTES))
        if said.keys() != {"leaves"}:  # which is all that earlier versions have kept
            stated = said.pop("sha256", None)
            if stated != _digest(said):
                raise ValueError("its description does not match its checksum")
            if said["step"] != step:
                raise ValueError(f"it was saved as step {said['step']}")
            if self._runs is not None and said["run"] not in self._runs:
                raise ValueError("it was saved by a run with other options or data")
        self.rows = said.get("rows", "")
        return said["leaves"]

    def _read_content(self, step: int, size: int) -> np.ndarray:
        """All arrays of a step as one vector of bytes."""
        path = self._folder / str(step) / ARRAYS / FILE
        if path.exists():
            content = read_regular(path, limit=size)
            if len(content) != size:
                raise ValueError(f"it holds {len(content)} bytes and not {size}")
            return np.frombuffer(content, np.uint8)
        # Earlier versions of jaxnoise have stored the vector as an array of orbax.
        like = {"bytes": np.zeros(max(size, 1), np.uint8)}
        only_state = ocp.args.Composite(state=ocp.args.StandardRestore(like))
        return np.asarray(self._manager.restore(step, args=only_state)["state"]["bytes"])

    def _damaged(self, step: int, error: Exception) -> None:
        place = self._put_aside(step)
        if hasattr(self, "_manager"):
            self._manager.reload()
        reason = " ".join(str(error).split())[:200]
        self._report(f"Checkpoint {step} is damaged ({reason}); it was moved to {place}.")

    def _put_aside(self, step: int) -> Path:
        self._aside.mkdir(exist_ok=True)
        place = self._aside / str(step)
        while place.exists():
            place = place.with_name(place.name + "-again")
        shutil.move(self._folder / str(step), place)
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


def _not_plain(folder: Path) -> Path | None:
    """What below a folder is neither a folder nor a regular file, if there is something."""
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            if path.is_symlink() or not path.is_file():
                return path
    return None


def _digest(said: Mapping[str, Any]) -> str:
    text = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
