"""manifest.json: what a run was begun with, and what tells it from others."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxnoise.errors import DataError
from train.engine.files import read_json, write_json
from train.engine.options import Options, identity

MANIFEST = "manifest.json"


def runs_of(
    workdir: Path, options: Options, *, fingerprint: str, facts: Mapping[str, Any]
) -> list[str]:
    """What tells a run from all others, for its checkpoints.

    Args:
        workdir: its folder; the answer is the same before and after `open_workdir`.
        options: of this run.
        fingerprint: of its data.
        facts: as for `open_workdir`.

    Returns:
        A sha256 for each number of steps that it was to have, that of now last.
    """
    lengths = lengths_of(read_manifest(workdir), options.steps)
    other = [fingerprint, facts.get("other_input")]
    return [
        hashlib.sha256(
            json.dumps([{**identity(options), "steps": steps}, *other], sort_keys=True).encode()
        ).hexdigest()
        for steps in (*(steps for steps in lengths if steps != options.steps), options.steps)
    ]


def read_manifest(workdir: Path) -> dict[str, Any]:
    """What manifest.json of a run says, without its checksum.

    Args:
        workdir: of the run.

    Returns:
        Its content; nothing where there is none yet.

    Raises:
        DataError: it cannot be read, or is not as it was written.
    """
    path = workdir / MANIFEST
    if not path.exists():
        return {}
    manifest = read_json(path)
    stated = manifest.pop("sha256", None)  # earlier versions have written none
    if stated is not None and stated != _checksum(manifest):
        raise DataError(
            f"{path} is damaged or was edited by hand: bring back a copy, or choose another "
            "--workdir."
        )
    return manifest


def write_manifest(workdir: Path, manifest: Mapping[str, Any]) -> None:
    """Writes manifest.json with a checksum of itself.

    Args:
        workdir: of the run.
        manifest: its content.
    """
    content = json.loads(json.dumps(manifest))
    write_json(workdir / MANIFEST, {**content, "sha256": _checksum(content)})


def _checksum(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def lengths_of(manifest: Mapping[str, Any], otherwise: Any) -> list[Any]:
    """How many steps a run was to have, at first and each time that it went on to more.

    Args:
        manifest: from `read_manifest`.
        otherwise: where the manifest does not say.
    """
    first = manifest.get("options", {}).get("steps", otherwise)
    return manifest.get("lengths", [first])


def system_of(manifest: Mapping[str, Any]) -> str:
    """Name of what was run; "" where a manifest does not say.

    Args:
        manifest: from `read_manifest`.
    """
    if manifest.get("system"):
        return manifest["system"]
    command = manifest.get("command", [])  # all that earlier versions have written
    modules = [word for word in command if str(word).startswith("train.")]
    return modules[0].removeprefix("train.") if modules else ""
