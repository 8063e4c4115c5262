"""One run at a time in a folder: a lock that the system drops when its process ends or dies."""

import errno
import json
import os
import platform
import stat
import time
from dataclasses import dataclass
from pathlib import Path

from jaxnoise.errors import UsageError
from train.engine.output import say

FILE = "lock"
"""In the folder of a run while it runs, and after a kill until the next run takes it over."""

PATIENCE = 0.5
"""Seconds to wait for a process that only looks at a lock (`refuse_if_held`)."""

_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


@dataclass(frozen=True)
class _Held:
    """A lock of this process: the file's descriptor, and which folder it lies in."""

    descriptor: int
    folder: tuple[int, int]


_held: dict[Path, _Held] = {}


def acquire(folder: Path) -> None:
    """Locks a folder for this process; does nothing when it holds the lock already.

    Args:
        folder: of the run; it exists.

    Raises:
        UsageError: another process holds the lock, or a link or something else lies in its place.
        OSError: the lock cannot be written.
    """
    path = folder.resolve() / FILE
    if path in _held and _is_still(path, _held[path].descriptor):
        return
    release(folder)
    deadline = time.monotonic() + PATIENCE
    while True:
        descriptor = _open(path, os.O_RDWR | os.O_CREAT)
        try:
            locked = _try(descriptor, folder)
            # Between opening and locking, the run before may have ended and removed its file.
            if locked and _is_still(path, descriptor):
                holder = {"pid": os.getpid(), "host": platform.node()}
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, json.dumps(holder).encode(), 0)
                _held[path] = _Held(descriptor, _identity(path.parent))
                return
            if not locked and time.monotonic() > deadline:
                raise _in_use(folder, descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        time.sleep(0.02)


def refuse_if_held(folder: Path) -> None:
    """Raises when another process holds the lock of a folder. Writes nothing.

    Args:
        folder: of a run; it need not exist.

    Raises:
        UsageError: names the process.
    """
    path = folder.resolve() / FILE
    if path in _held:
        return
    try:
        descriptor = _open(path, os.O_RDWR)
    except OSError:
        return  # what cannot be opened is for `acquire` to report
    try:
        if not _try(descriptor, folder):
            raise _in_use(folder, descriptor)
    finally:
        os.close(descriptor)


def look_again() -> None:
    """Looks whether the folders that this process has locked are still its own.

    A folder that is renamed or deleted while a run is at work would get the other half of its
    files, and one without its lock a second run. A lock that was only removed is made again.

    Raises:
        UsageError: a folder is no longer where it was, or another process has locked it.
        OSError: a lock cannot be made again.
    """
    for path, held in list(_held.items()):
        folder = path.parent
        if _is_still(path, held.descriptor):
            continue
        try:
            same = _identity(folder) == held.folder
        except OSError:
            same = False
        if not same:
            raise UsageError(
                f"--workdir {folder} was renamed, deleted or replaced while this run was at work, "
                "which has ended and written nothing more: give the same command again with the "
                "folder's new name, or a new --workdir."
            )
        say(f"jaxnoise: the lock of {folder} was removed while a run is at work; it is made again.")
        acquire(folder)


def release(folder: Path | None = None) -> None:
    """Gives back a lock of this process and removes its file.

    Args:
        folder: of the run; None gives back all.
    """
    for path in list(_held) if folder is None else [folder.resolve() / FILE]:
        held = _held.pop(path, None)
        if held is None:
            continue
        descriptor = held.descriptor
        try:
            # Removed while it is locked, so that it is never the file of the run that comes next.
            if _is_still(path, descriptor):
                path.unlink(missing_ok=True)
        except OSError:
            pass  # an unlocked file that stays is no obstacle
        finally:
            os.close(descriptor)


def _open(path: Path, flags: int) -> int:
    """The descriptor of a lock: a file of its own, since it will be written and removed."""
    try:
        descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO, errno.EMLINK):
            raise _no_lock(path) from error
        raise
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
        os.close(descriptor)
        raise _no_lock(path)
    return descriptor


def _no_lock(path: Path) -> UsageError:
    return UsageError(
        f"{path} is a link or no file, and a run keeps its lock there: remove it, or choose "
        "another --workdir."
    )


def _identity(folder: Path) -> tuple[int, int]:
    found = os.stat(folder)
    return found.st_dev, found.st_ino


def _try(descriptor: int, folder: Path) -> bool:
    import fcntl  # not on Windows, where `train.engine.program` has a sentence to say first

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _NO_LOCKS:
            say(
                f"jaxnoise: the file system of {folder} has no locks: see to it yourself that no "
                "other run uses this folder."
            )
            return True
        if isinstance(error, BlockingIOError):
            return False
        raise
    return True


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.lstat(path), os.fstat(descriptor))
    except (FileNotFoundError, NotADirectoryError):
        return False


def _in_use(folder: Path, descriptor: int) -> UsageError:
    try:
        holder = json.loads(os.pread(descriptor, 4096, 0))
        who = f"process {holder['pid']} on {holder['host']}"
    except (ValueError, TypeError, KeyError):  # it has just begun
        who = "another process"
    return UsageError(
        f"--workdir {folder} is in use by {who}: wait until that run ends, or choose another "
        "--workdir."
    )
