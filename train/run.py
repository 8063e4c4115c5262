"""What every trainer's program does around the training: exit codes, run folder, signals."""

import errno
import json
import os
import platform
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxnoise.errors import DataError, UsageError
from train import lock
from train.errors import Diverged, NoCheckpoint, Stopped
from train.options import AnyOptions, Options, identity, parse, to_toml
from train.signals import StopSignals
from train.writer import NO_ROOM, replace_file

if TYPE_CHECKING:
    from jax.sharding import Mesh

EXIT_CODES: dict[type[BaseException], int] = {
    UsageError: 2,
    DataError: 3,
    Diverged: 4,
    NoCheckpoint: 5,
    Stopped: 75,
    KeyboardInterrupt: 130,
}
PLATFORMS = {("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64")}
PACKAGES = ("jax", "jaxlib", "flax", "optax", "distrax", "orbax-checkpoint", "grain", "numpy")


def main(
    kind: type[AnyOptions],
    program: Callable[[AnyOptions, StopSignals], None],
    *,
    system: str,
    presets: Mapping[str, Mapping[str, Any]],
    arguments: Sequence[str] | None = None,
) -> int:
    """Runs a trainer and returns its exit code.

    Args:
        kind: the trainer's options.
        program: trains and evaluates; may raise any of `EXIT_CODES`.
        system: the trainer's name, as in `python -m train.<system>`.
        presets: values by option, by preset.
        arguments: the command line; by default that of the process.

    Returns:
        0 when all is done, else the code of what was raised, after one sentence on standard error;
        1 for what nobody foresaw.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    options = None
    try:
        check_platform()
        options, show = parse(kind, arguments, program=f"python -m train.{system}", presets=presets)
        if show:
            print(to_toml(options), end="")
            return 0
        with StopSignals() as stop:
            program(options, stop)
            print(end="", flush=True)  # a full disk is to be noticed here
        return 0
    except BaseException as error:
        if isinstance(error, SystemExit):  # argparse after --help
            return int(error.code or 0)
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            where = f" where {error.filename} is written" if error.filename else ""
            full = f"the disk is full{where}: make room and give the same command again."
            error = UsageError(full).with_traceback(error.__traceback__)
        code = next((code for kind, code in EXIT_CODES.items() if isinstance(error, kind)), 1)
        # The file of --config may ask for it as well, unless it is the options that are wrong.
        if options.debug if options is not None else "--debug" in arguments:
            traceback.print_exception(error)
        elif code == 1:
            reason = " ".join(str(error).split())[:300]
            _say(f"unexpected {type(error).__name__}: {reason}; --debug shows where.")
        else:
            _say(
                str(error)
                or "stopped by Ctrl-C; the same command goes on from the last checkpoint."
            )
        return code
    finally:
        lock.release()
        _settle_output()


def check_platform() -> None:
    """Raises where the packages that jaxnoise trains with do not exist.

    Raises:
        UsageError: says what is supported.
    """
    here = (sys.platform, platform.machine())
    if here not in PLATFORMS or not (3, 11) <= sys.version_info[:2] <= (3, 13):
        raise UsageError(
            f"training runs on Linux (x86_64, aarch64) and macOS (arm64) with Python 3.11 to 3.13, "
            f"and this is {here[0]} {here[1]} with Python {platform.python_version()}."
        )


def check_workdir(workdir: Path, options: Options) -> None:
    """Raises when a folder cannot become, or go on being, the folder of this run. Writes nothing.

    Args:
        workdir: the folder, which need not exist.
        options: of this run.

    Raises:
        UsageError: the folder holds a run with other options, which are listed, or other files, or
            it cannot be written, or another process is at work in it.
    """
    with _writing(workdir):
        if workdir.exists() and not workdir.is_dir():
            raise UsageError(f"--workdir {workdir} is a file: choose a folder.")
        nearest = next(place for place in (workdir, *workdir.absolute().parents) if place.exists())
        if not nearest.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, f"{nearest} is a file")
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, f"{nearest} is not yours to write")
        if not workdir.exists():
            return
        # All processes of one run come here before the first of them takes the lock.
        lock.refuse_if_held(workdir)
    _check_contents(workdir, options)


def _check_contents(workdir: Path, options: Options) -> None:
    """Raises when a folder holds the run of other options, or something else than a run."""
    path = workdir / "config.json"
    with _writing(workdir):
        if not path.exists():
            passing = [lock.FILE, *(item.name for item in workdir.glob("*.tmp"))]
            if any(item.name not in passing for item in workdir.iterdir()):
                raise UsageError(
                    f"--workdir {workdir} holds other files: choose an empty or new folder."
                )
            return
    before, now = _read_json(path), json.loads(json.dumps(identity(options)))
    different = [
        f"{name} {before.get(name)} there, {now.get(name)} here"
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name)
    ]
    if different:
        raise UsageError(
            f"--workdir {workdir} holds a run of another configuration ({'; '.join(different)}): "
            "give its options to go on with it, or choose another --workdir."
        )


def open_workdir(
    workdir: Path, options: Options, *, mesh: "Mesh", fingerprint: str, facts: Mapping[str, Any]
) -> None:
    """Locks the folder for this process and writes config.json and manifest.json of a run.

    A run that goes on keeps the manifest of its first start; what is different this time is added
    under "resumptions".

    Args:
        workdir: checked by `check_workdir`.
        options: of this run.
        mesh: its devices.
        fingerprint: of its data.
        facts: more for the manifest.

    Raises:
        UsageError: another process is at work in the folder, the run was begun with other options
            or data, or the folder cannot be written.
    """
    path, start = workdir / "manifest.json", _start(mesh)
    with _writing(workdir):
        workdir.mkdir(parents=True, exist_ok=True)
        lock.acquire(workdir)
        _check_contents(workdir, options)  # another run may have begun since `check_workdir`
        if not path.exists():
            described = {name: _text(value) for name, value in asdict(options).items()}
            _write_json(workdir / "config.json", identity(options))
            _write_json(
                path,
                {"options": described, "data_fingerprint": fingerprint, **facts, **start},
            )
            return
        manifest = _read_json(path)
        if (before := manifest.get("data_fingerprint")) != fingerprint:
            raise UsageError(
                f"--workdir {workdir} holds a run on other data (fingerprint {before} there, "
                f"{fingerprint} here): choose another --workdir."
            )
        later = manifest.get("resumptions", [])
        latest = later[-1] if later else manifest
        if any(latest.get(name) != value for name, value in start.items()):
            _write_json(path, {**manifest, "resumptions": [*later, start]})


def _start(mesh: "Mesh") -> dict[str, Any]:
    """What one start of a run is, as JSON: no dates, so that equal starts are equal."""
    devices = list(mesh.devices.flat)
    commit, changes = _git("rev-parse", "HEAD"), _git("status", "--porcelain", "-uno")
    return {
        "command": [Path(sys.executable).name, *sys.orig_argv[1:]],
        "devices": {"kind": devices[0].device_kind, "number": len(devices)},
        "platform": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in ("jaxnoise", *PACKAGES)},
        "git_commit": commit,
        "git_dirty": None if changes is None else changes != "",
    }


def _git(*arguments: str) -> str | None:
    """What git says of the source of this package, or None where it is no checkout."""
    import subprocess

    root = Path(__file__).parents[1]
    if not (root / ".git").exists():
        return None
    # A run only looks at the repository, and must not lock it for whoever works there.
    command = ["git", "--no-optional-locks", *arguments]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


@contextmanager
def _writing(workdir: Path) -> Iterator[None]:
    """Makes a request for another folder of the errors of the file system."""
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"--workdir {workdir} cannot be written ({error.strerror or error}): make room or "
            "choose another."
        ) from error


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}): choose another --workdir.") from error
    if not isinstance(content, dict):
        raise DataError(f"{path} is not the description of a run: choose another --workdir.")
    return content


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    replace_file(path, json.dumps(content, indent=1) + "\n")


def _settle_output() -> None:
    """Gives up output that a full disk does not take: Python would try again at its end and, when
    that fails as well, exit with a code of its own.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            print(end="", flush=True, file=stream)
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


def _say(sentence: str) -> None:
    with suppress(OSError):  # its file may be on the disk that is full; the exit code says enough
        print(f"jaxnoise: {sentence}", file=sys.stderr, flush=True)
