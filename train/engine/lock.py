"""One run at a time in a folder: a lock that the system drops when its process ends or dies."""

import errno
import json
import os
import platform
import sys
import time
from pathlib import Path

from jaxnoise.errors import UsageError

FILE = "lock"
"""In the folder of a run while it runs, and after a kill until the next run takes it over."""

PATIENCE = 0.5
"""Seconds to wait for a process that only looks at a lock (`refuse_if_held`)."""

_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
_held: dict[Path, int] = {}


def acquire(folder: Path) -> None:
    """Locks a folder for this process; does nothing when it holds the lock already.

    Args:
        folder: of the run; it exists.

    Raises:
        UsageError: another process holds the lock.
        OSError: the lock cannot be written.
    """
    path = folder.resolve() / FILE
    if path in _held and _is_still(path, _held[path]):
        return
    release(folder)
    deadline = time.monotonic() + PATIENCE
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            locked = _try(descriptor, folder)
            # Between opening and locking, the run before may have ended and removed its file.
            if locked and _is_still(path, descriptor):
                holder = {"pid": os.getpid(), "host": platform.node()}
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, json.dumps(holder).encode(), 0)
                _held[path] = descriptor
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
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return  # what cannot be opened is for `acquire` to report
    try:
        if not _try(descriptor, folder):
            raise _in_use(folder, descriptor)
    finally:
        os.close(descriptor)


def release(folder: Path | None = None) -> None:
    """Gives back a lock of this process and removes its file.

    Args:
        folder: of the run; None gives back all.
    """
    for path in list(_held) if folder is None else [folder.resolve() / FILE]:
        descriptor = _held.pop(path, None)
        if descriptor is None:
            continue
        try:
            # Removed while it is locked, so that it is never the file of the run that comes next.
            if _is_still(path, descriptor):
                path.unlink(missing_ok=True)
        except OSError:
            pass  # an unlocked file that stays is no obstacle
        finally:
            os.close(descriptor)


def _try(descriptor: int, folder: Path) -> bool:
    import fcntl  # not on Windows, where `train.engine.program` has a sentence to say first

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _NO_LOCKS:
            print(
                f"jaxnoise: the file system of {folder} has no locks: see to it yourself that no "
                "other run uses this folder.",
                file=sys.stderr,
                flush=True,
            )
            return True
        if isinstance(error, BlockingIOError):
            return False
        raise
    return True


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
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
