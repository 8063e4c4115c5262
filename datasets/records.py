"""Records on disk: built once per fingerprint, read into memory when they fit."""

import contextlib
import io
import json
import logging
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from datasets.ahead import ahead
from datasets.buckets import ordinary_buckets
from datasets.record_files import DIGESTS_FILE, are_whole, write_digests
from jaxnoise.errors import DataError, UsageError

FACTS_FILE = "facts.json"
HAS_DIGESTS = "has_digests"
MEMORY_LIMIT = 2 * 2**30
STALE_SECONDS = 24 * 3600


def prepare(
    folder: Path, make_builder: Callable[[Path], Any], facts: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """Facts about the records of a folder, built first where they are absent.

    The records are written beside the folder and renamed when they are complete, so that an
    interrupted build is never read and the first of two builders wins.

    Args:
        folder: where the records belong; its name carries the fingerprint.
        make_builder: TFDS builder whose records lie under a folder.
        facts: what to remember of the data, JSON; called after the build.

    Raises:
        UsageError: if the folder cannot be written.
        DataError: if records that are there cannot be read.
    """
    if not _is_there(folder):
        _build(folder, make_builder, facts)
    if not are_whole(folder):
        raise damaged(folder)
    try:
        known = json.loads((folder / FACTS_FILE).read_text())
    except (OSError, ValueError) as error:
        raise damaged(folder) from error
    if not isinstance(known, dict):
        raise damaged(folder)
    if known.get(HAS_DIGESTS) and not (folder / DIGESTS_FILE).exists():
        raise damaged(folder)  # what earlier versions have written has none, and does not say so
    return known


def _is_there(folder: Path) -> bool:
    """Whether records have been built; what has their name was complete once."""
    facts = folder / FACTS_FILE
    if facts.is_file():
        return True
    if os.path.lexists(folder) and not (folder.is_dir() and not any(folder.iterdir())):
        if not facts.is_file():  # another process may have built them just now
            raise damaged(folder)
        return True
    return False


def _build(
    folder: Path, make_builder: Callable[[Path], Any], facts: Callable[[], dict[str, Any]]
) -> None:
    import tensorflow_datasets as tfds

    parent = folder.parent
    try:
        os.fspath(parent).encode()
    except UnicodeEncodeError as error:
        raise UsageError(
            f"cannot write records to {parent}, which has bytes in its name that are no text: "
            "choose another with --data-dir."
        ) from error
    created = [p for p in (parent, *parent.parents) if not p.exists()]
    draft = parent / f".draft-{uuid.uuid4().hex}"
    try:
        draft.mkdir(parents=True)
    except OSError as error:
        raise UsageError(
            f"cannot write records to {parent} ({error.strerror}): choose another with --data-dir."
        ) from error
    try:
        _remove_stale_drafts(parent)
        tfds.disable_progress_bar()
        with quiet(), ordinary_buckets():
            make_builder(draft).download_and_prepare(
                file_format="array_record",
                download_config=tfds.download.DownloadConfig(
                    try_download_gcs=False, compute_stats=tfds.download.ComputeStatsMode.SKIP
                ),
            )
        shutil.rmtree(draft / "downloads", ignore_errors=True)
        (draft / FACTS_FILE).write_text(json.dumps({**facts(), HAS_DIGESTS: True}, indent=1) + "\n")
        write_digests(draft)
        try:
            draft.rename(folder)
        except OSError:
            if not (folder / FACTS_FILE).is_file():
                raise
    except OSError as error:
        raise UsageError(
            f"cannot write records to {parent} ({error.strerror or error}): make room or choose "
            "another with --data-dir."
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        for path in created:
            with contextlib.suppress(OSError):
                path.rmdir()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Context in which TFDS writes nothing to standard output, which belongs to results, and logs
    errors only.
    """
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)


def _remove_stale_drafts(parent: Path) -> None:
    for draft in parent.glob(".draft-*"):
        with contextlib.suppress(OSError):
            if time.time() - draft.stat().st_mtime > STALE_SECONDS:
                shutil.rmtree(draft, ignore_errors=True)


def damaged(folder: Path) -> DataError:
    """The error for records that are not as they were written.

    Args:
        folder: of the records.
    """
    return DataError(
        f"the records in {folder} are damaged: delete that folder and run the command again."
    )


@dataclass(frozen=True)
class Records:
    """Examples of one split by index, held in memory when they fit.

    Attributes:
        arrays: stacked fields, or None where records are read as they are needed.
        source: TFDS data source, used where `arrays` is None.
        fields: names of the fields to read.
        folder: named in errors.
        block: number of examples in a record; they are stacked where it is more than 1.
    """

    arrays: dict[str, np.ndarray] | None
    source: Any
    fields: tuple[str, ...]
    folder: Path
    block: int = 1

    def __len__(self) -> int:
        return len(self.source) * self.block

    def column(self, name: str) -> np.ndarray:
        """One field of all examples."""
        if self.arrays is not None:
            return self.arrays[name]
        examples = read_examples(self.source, range(len(self.source)), self.folder)
        values = np.stack([example[name] for example in examples])
        return values.reshape(-1, *values.shape[2:]) if self.block > 1 else values

    def take(self, indices: np.ndarray) -> dict[str, np.ndarray]:
        """Stacked fields of the examples of some indices."""
        if self.arrays is not None:
            return {name: values[indices] for name, values in self.arrays.items()}
        if self.block == 1:
            examples = list(read_examples(self.source, indices.tolist(), self.folder))
            return {name: np.stack([example[name] for example in examples]) for name in self.fields}
        numbers, places = np.unique(indices // self.block, return_inverse=True)
        blocks = list(read_examples(self.source, numbers.tolist(), self.folder))
        rows = list(zip(places.tolist(), (indices % self.block).tolist(), strict=True))
        return {
            name: np.stack([blocks[place][name][row] for place, row in rows])
            for name in self.fields
        }


def open_records(
    source: Any,
    fields: tuple[str, ...],
    folder: Path,
    *,
    block: int = 1,
    memory_limit: int = MEMORY_LIMIT,
) -> Records:
    """Records of a TFDS data source, read into memory if they take less than a limit in bytes."""
    if len(source) == 0:
        raise damaged(folder)
    first = next(read_examples(source, [0], folder))
    arrays = None
    if len(source) * sum(np.asarray(first[name]).nbytes for name in fields) < memory_limit:
        arrays = {
            name: np.empty((len(source), *np.shape(first[name])), np.asarray(first[name]).dtype)
            for name in fields
        }
        _fill(arrays, source, folder)
        if block > 1:
            arrays = {
                name: values.reshape(-1, *values.shape[2:]) for name, values in arrays.items()
            }
    return Records(arrays, source, fields, folder, block)


def _fill(arrays: dict[str, np.ndarray], source: Any, folder: Path) -> None:
    def fill(places: range) -> None:
        for index, example in zip(places, read_examples(source, places, folder), strict=True):
            for name, values in arrays.items():
                values[index] = example[name]

    count = len(source)
    parts = [range(start, min(start + 16, count)) for start in range(0, count, 16)]
    for _ in ahead(fill, parts):
        pass


def read_examples(source: Any, indices: Iterable[int], folder: Path) -> Iterator[dict[str, Any]]:
    """Examples of a TFDS data source by index.

    Raises:
        DataError: if they are damaged.
    """
    for index in indices:
        try:
            example = source[index]
        except MemoryError:
            raise
        except Exception as error:  # the reader raises many kinds for damaged files
            raise damaged(folder) from error
        yield example
