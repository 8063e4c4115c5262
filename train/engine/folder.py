"""The folder of a run: whose it is, and its config.json."""

import errno
import hashlib
import json
import os
import platform
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxnoise.errors import DataError, UsageError
from train.engine import lock
from train.engine.files import read_json, write_json
from train.engine.manifest import MANIFEST, lengths_of, read_manifest, system_of, write_manifest
from train.engine.options import Options, identity
from train.engine.output import say

if TYPE_CHECKING:
    from jax.sharding import Mesh

PACKAGES = ("jax", "jaxlib", "flax", "optax", "distrax", "orbax-checkpoint", "grain", "numpy")


def check_workdir(workdir: Path, options: Options, *, system: str = "") -> None:
    """Raises when a folder cannot become, or go on being, the folder of this run. Writes nothing.

    Args:
        workdir: the folder, which need not exist.
        options: of this run.
        system: name of what is run; "" for any.

    Raises:
        UsageError: the folder holds a run of another system or with other options, which are
            listed, or other files, or it cannot be written, or another process is at work in it.
        DataError: what describes the run that it holds is damaged.
    """
    with _writing(workdir):
        try:
            os.fspath(workdir.absolute()).encode()
        except UnicodeEncodeError as error:
            raise UsageError(
                f"--workdir {workdir} has bytes in its name that are no text: choose a name in "
                "UTF-8."
            ) from error
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
    _check_contents(workdir, options, system)


def _check_contents(workdir: Path, options: Options, system: str) -> None:
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
    before, now = read_json(path), json.loads(json.dumps(identity(options)))
    manifest = read_manifest(workdir)
    whose = system_of(manifest)
    if system and whose and whose.split("/")[0] != system.split("/")[0]:
        raise UsageError(
            f"--workdir {workdir} holds a run of train.{whose.replace('/', ' ')}, and this is "
            f"train.{system.replace('/', ' ')}: choose another --workdir."
        )
    if manifest and before.get("steps") not in lengths_of(manifest, before.get("steps")):
        raise DataError(
            f"{path} and manifest.json beside it disagree about --steps: one of them was changed, "
            "so choose another --workdir."
        )
    different = {
        name: f"{name} {before.get(name)} there, {now.get(name)} here"
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name)
    }
    if different and not (different.keys() == {"steps"} and _can_go_on(workdir, before, now)):
        more = "; more steps may follow once it has ended" if different.keys() == {"steps"} else ""
        raise UsageError(
            f"--workdir {workdir} holds a run of another configuration "
            f"({'; '.join(different.values())}{more}): "
            "give its options to go on with it, or choose another --workdir."
        )


def _can_go_on(workdir: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether a run that has come to its end is asked to take more steps."""
    steps = before.get("steps")
    return type(steps) is int and steps < now["steps"] and (workdir / "evaluation.json").is_file()


def open_workdir(
    workdir: Path,
    options: Options,
    *,
    mesh: "Mesh",
    fingerprint: str,
    facts: Mapping[str, Any],
    system: str = "",
) -> None:
    """Locks the folder for this process and writes config.json and manifest.json of a run.

    A run that goes on keeps the manifest of its first start; what is different this time is added
    under "resumptions", and under "lengths" how many steps it was to have where that has changed.

    Args:
        workdir: checked by `check_workdir`.
        options: of this run.
        mesh: its devices.
        fingerprint: of its data.
        facts: more for the manifest.
        system: name of what is run.

    Raises:
        UsageError: another process is at work in the folder, the run was begun with other options
            or data, or the folder cannot be written.
        DataError: what describes the run that it holds is damaged.
    """
    path, start = workdir / MANIFEST, _start(mesh)
    with _writing(workdir):
        workdir.mkdir(parents=True, exist_ok=True)
        lock.acquire(workdir)
        _check_contents(workdir, options, system)  # another may have begun since `check_workdir`
        if not path.exists():
            if any((workdir / name).exists() for name in ("metrics.jsonl", "checkpoints")):
                say(
                    f"jaxnoise: {path} is missing and written anew: what it said of earlier starts "
                    "is lost, and whether options and data are the same, the checkpoints tell."
                )
            described = {name: _text(value) for name, value in asdict(options).items()}
            write_json(workdir / "config.json", identity(options))
            first = {"system": system, "options": described, "data_fingerprint": fingerprint}
            write_manifest(workdir, {**first, **facts, **start})
            return
        manifest = read_manifest(workdir)
        _check_data(workdir, manifest, fingerprint, facts)
        later = manifest.get("resumptions", [])
        latest = later[-1] if later else manifest
        if any(latest.get(name) != value for name, value in start.items()):
            manifest = {**manifest, "resumptions": [*later, start]}
            write_manifest(workdir, manifest)
        _lengthen(workdir, options, manifest)


def _check_data(
    workdir: Path, manifest: Mapping[str, Any], fingerprint: str, facts: Mapping[str, Any]
) -> None:
    if (before := manifest.get("data_fingerprint")) != fingerprint:
        raise UsageError(
            f"--workdir {workdir} holds a run on other data (fingerprint {before} there, "
            f"{fingerprint} here): choose another --workdir."
        )
    if (read := manifest.get("other_input")) != facts.get("other_input"):
        raise UsageError(
            f"--workdir {workdir} holds a run that read other files beside its data ({read} "
            f"there, {facts.get('other_input')} here): give those again, or choose another "
            "--workdir."
        )


def _lengthen(workdir: Path, options: Options, manifest: Mapping[str, Any]) -> None:
    """Writes down that a run goes on to more steps than it was begun with."""
    before = read_json(workdir / "config.json")["steps"]
    if before == options.steps:
        return
    say(
        f"{workdir}: a run of {before} steps goes on to {options.steps}; from here on its learning "
        f"rates are those of the longer run, so it ends differently from one of {options.steps} "
        "steps begun anew."
    )
    # In this order, so that a kill in between leaves a folder that either command goes on with.
    lengths = [*dict.fromkeys((*lengths_of(manifest, before), options.steps))]
    write_manifest(workdir, {**manifest, "lengths": lengths})
    write_json(workdir / "config.json", identity(options))


def devices_of(workdir: Path) -> dict[str, Any] | None:
    """The `kind` and `number` of the devices that a run was begun with.

    Args:
        workdir: checked by `check_workdir`.

    Returns:
        What its manifest says; None where it has none yet.
    """
    return read_manifest(workdir).get("devices")


def described_devices(mesh: "Mesh") -> dict[str, Any]:
    """Devices as a manifest has them.

    Args:
        mesh: the devices of a run.
    """
    devices = list(mesh.devices.flat)
    return {"kind": devices[0].device_kind, "number": len(devices)}


def check_fixed(workdir: Path, phase: str, fixed: Any) -> None:
    """Adds the hash of what a phase reads and never changes to the manifest, or compares it.

    Args:
        workdir: opened by `open_workdir`.
        phase: its name.
        fixed: pytree of arrays; nothing is written where it has no leaves.

    Raises:
        UsageError: the run was begun with other values.
    """
    import jax

    leaves = jax.tree_util.tree_leaves_with_path(fixed)
    if not leaves:
        return
    digest = hashlib.sha256()
    for path, leaf in leaves:
        array = np.asarray(leaf)
        digest.update(f"{jax.tree_util.keystr(path)} {array.dtype} {array.shape}\n".encode())
        digest.update(array.tobytes())
    manifest = read_manifest(workdir)
    known = manifest.get("fixed", {})
    if known.setdefault(phase, digest.hexdigest()) != digest.hexdigest():
        raise UsageError(
            f"--workdir {workdir} holds a run with other frozen weights ({phase}): give those "
            "again, or choose another --workdir."
        )
    with _writing(workdir):
        write_manifest(workdir, {**manifest, "fixed": known})


def _start(mesh: "Mesh") -> dict[str, Any]:
    """What one start of a run is, as JSON: no dates, so that equal starts are equal."""
    commit, changes = _git("rev-parse", "HEAD"), _git("status", "--porcelain", "-uno")
    return {
        "command": [Path(sys.executable).name, *sys.orig_argv[1:]],
        "devices": described_devices(mesh),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in ("jaxnoise", *PACKAGES)},
        "git_commit": commit,
        "git_dirty": None if changes is None else changes != "",
    }


def _git(*arguments: str) -> str | None:
    """What git says of the source of this package, or None where it is no checkout."""
    import subprocess

    root = Path(__file__).parents[2]
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
