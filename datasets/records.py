"""Records on disk: built once per fingerprint, read into memory when they fit."""

import contextlib
import io
import json
import logging
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jaxnoise.errors import DataError, UsageError

FACTS_FILE = "facts.json"
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
    if not (folder / FACTS_FILE).is_file():
        _build(folder, make_builder, facts)
    try:
        return json.loads((folder / FACTS_FILE).read_text())
    except (OSError, ValueError) as error:
        raise _damaged(folder) from error


def _build(
    folder: Path, make_builder: Callable[[Path], Any], facts: Callable[[], dict[str, Any]]
) -> None:
    import tensorflow_datasets as tfds

    parent = folder.parent
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
        with quiet():
            make_builder(draft).download_and_prepare(
                file_format="array_record",
                download_config=tfds.download.DownloadConfig(
                    try_download_gcs=False, compute_stats=tfds.download.ComputeStatsMode.SKIP
                ),
            )
        shutil.rmtree(draft / "downloads", ignore_errors=True)
        (draft / FACTS_FILE).write_text(json.dumps(facts(), indent=1) + "\n")
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


def _damaged(folder: Path) -> DataError:
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
    """

    arrays: dict[str, np.ndarray] | None
    source: Any
    fields: tuple[str, ...]
    folder: Path

    def __len__(self) -> int:
        return len(self.source)

    def take(self, indices: np.ndarray) -> dict[str, np.ndarray]:
        """Stacked fields of the examples of some indices."""
        if self.arrays is not None:
            return {name: values[indices] for name, values in self.arrays.items()}
        examples = list(_read(self.source, indices.tolist(), self.folder))
        return {name: np.stack([example[name] for example in examples]) for name in self.fields}


def open_records(
    source: Any, fields: tuple[str, ...], folder: Path, *, memory_limit: int = MEMORY_LIMIT
) -> Records:
    """Records of a TFDS data source, read into memory if they take less than a limit in bytes."""
    if len(source) == 0:
        raise _damaged(folder)
    first = next(_read(source, [0], folder))
    arrays = None
    if len(source) * sum(np.asarray(first[name]).nbytes for name in fields) < memory_limit:
        arrays = {
            name: np.empty((len(source), *np.shape(first[name])), np.asarray(first[name]).dtype)
            for name in fields
        }
        for index, example in enumerate(_read(source, range(len(source)), folder)):
            for name in fields:
                arrays[name][index] = example[name]
    return Records(arrays, source, fields, folder)


def _read(source: Any, indices: Any, folder: Path) -> Iterator[dict[str, Any]]:
    try:
        for index in indices:
            yield source[index]
    except Exception as error:  # the reader raises many kinds for damaged files
        raise _damaged(folder) from error
