"""What it takes to make a run again and to use its model, as its folder says."""

import json
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxnoise import models
from jaxnoise.conditions import NOT_STATED
from jaxnoise.errors import DataError
from jaxnoise.io import load_model
from jaxnoise.protocols import Denoiser, Restorer, Sampler

SIDE = 64
"""Of the image in the example, in pixels; architectures that squeeze can halve it."""


@dataclass(frozen=True)
class Reproduction:
    """What it takes to make a run again and to use its model.

    Attributes:
        command: as typed, the home folder as "~"; "" where it is not known.
        facts: names and values of what else decides the result.
        options: names and values of all options that do.
        use: lines of Python that use the model; "" where there is none.
    """

    command: str
    facts: tuple[tuple[str, str], ...]
    options: tuple[tuple[str, str], ...]
    use: str


def reproduction(folder: Path) -> Reproduction | None:
    """What a run folder says of itself; None where it says nothing.

    Args:
        folder: of a run, as typed.
    """
    options, manifest = (_read(folder / name) for name in ("config.json", "manifest.json"))
    found = Reproduction(
        command=_command(manifest.get("command", [])),
        facts=tuple(_facts(options, manifest)),
        options=tuple((name, _text(value)) for name, value in options.items()),
        use=_use(folder / "model"),
    )
    return found if found != Reproduction("", (), (), "") else None


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _from_home(text: str) -> str:
    """A path with the home folder as "~", and any text that holds one."""
    home = str(Path.home())
    return text if len(home) < 2 else text.replace(home + os.sep, "~" + os.sep)


def _command(words: list[str]) -> str:
    quoted = []
    for word in words:
        short = _from_home(str(word))
        # The shell knows "~" only where no quotes are around it.
        own = short.startswith("~" + os.sep)
        quoted.append("~/" + shlex.quote(short[2:]) if own else shlex.quote(short))
    return " ".join(quoted)


def _facts(options: Mapping[str, Any], manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    versions = manifest.get("versions", {})
    packages = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    data = manifest.get("dataset") or ", ".join(
        f"{role}: {name}" for role, name in manifest.get("datasets", {}).items()
    )
    values = {
        "seed": options.get("seed"),
        "data": data,
        "fingerprint of the data": manifest.get("data_fingerprint"),
        "other input": manifest.get("other_input"),
        "commit": _commit(manifest),
        "machine": manifest.get("platform"),
        "device": _device(manifest),
        "Python": manifest.get("python"),
        "packages": packages,
        "frozen weights": ", ".join(
            f"{phase} {digest[:16]}" for phase, digest in manifest.get("fixed", {}).items()
        ),
        "started again": _again(manifest.get("resumptions", [])),
    }
    return [(name, str(value)) for name, value in values.items() if value not in (None, "")]


def _again(later: list[Mapping[str, Any]]) -> str | None:
    if not later:
        return None
    times = "once" if len(later) == 1 else f"{len(later)} times"
    last = [f"at commit {commit}" for commit in (_commit(later[-1]),) if commit]
    last += [f"on {device}" for device in (_device(later[-1]),) if device]
    return f"{times} with another command, machine or commit; last {' '.join(last)}"


def _commit(start: Mapping[str, Any]) -> str | None:
    if not (commit := start.get("git_commit")):
        return None
    return f"{commit}, with changes that are not committed" if start.get("git_dirty") else commit


def _device(start: Mapping[str, Any]) -> str | None:
    devices = start.get("devices", {})
    return (
        f"{devices['number']} × {devices['kind']}" if {"number", "kind"} <= set(devices) else None
    )


def _use(folder: Path) -> str:
    """Lines of Python that run as they are."""
    try:
        name, config, _ = load_model(folder)
    except DataError:
        return ""
    module = models.get(name)
    shown, imports = _from_home(str(folder)), ["import numpy as np"]
    place = json.dumps(shown, ensure_ascii=False)
    if shown.startswith("~"):
        place, imports = f"os.path.expanduser({place})", ["import os", "", *imports]
    imports += ["import jax", "import jaxnoise"]
    image = f"np.full(({SIDE}, {SIDE}, {config.channels}), 0.2, np.float32)"
    lines = [*sorted(set(imports) - {""}), "", f"model = jaxnoise.load({place})"]
    lines.append(f"image = {image}  # yours, in fractions of full scale")
    if isinstance(module, Sampler):
        lines.append(f"noise = model.sample(image, key=jax.random.key(0){_conditions(config)})")
    if isinstance(module, Denoiser):
        lines.append("estimate = model.denoise(image)")
    if isinstance(module, Restorer):
        lines.append("restored = model.restore(image)")
    return "\n".join(lines) if len(lines) > len(set(imports)) + 2 else ""


def _conditions(config: Any) -> str:
    """Arguments that a model of several cameras or ISO numbers needs."""
    text = ""
    if len(config.cameras) > 1:
        text += f", camera={json.dumps(config.cameras[0], ensure_ascii=False)}"
    if len(config.isos) > 1:
        text += f", iso={max(iso for iso in config.isos if iso != NOT_STATED)}"
    return text
