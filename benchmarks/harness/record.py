"""Writes a benchmark's numbers together with what they depend on."""

import datetime
import importlib.metadata
import json
import os
import platform
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"
PACKAGES = ("jax", "jaxlib", "flax", "optax", "distrax", "numpy", "scipy", "torch")
CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
VECTORS = ("sse4", "avx", "fma", "f16c", "amx", "asimd", "sve", "bf16", "i8mm")
PEERS = ("geomloss", "pykeops", "POT", "ott-jax", "scikit-learn")


def write_record(name: str, results: dict, *, folder: Path = RESULTS) -> Path:
    """Path of the JSON file that now holds the results and their circumstances.

    Args:
        name: file name without its ending; an older record of this name is replaced.
        results: the numbers, as plain numbers, strings, lists and dicts.
        folder: where the file goes.

    Returns:
        The path of `<folder>/<name>.json`.
    """
    record = {
        "command": command(),
        "commit": commit(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": machine(),
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
        "versions": versions(),
        "results": results,
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(record, indent=2) + "\n")
    return path


def command() -> str:
    """The command that started this program, as one types it in the project's folder."""
    script = Path(sys.argv[0]).resolve()
    module = ".".join(script.relative_to(ROOT).with_suffix("").parts)
    return shlex.join(["python3", "in_venv.py", "-m", module, *sys.argv[1:]])


def commit() -> str:
    """The git commit measured, "+changes" where files differ from it; "unknown" without git."""
    try:
        head = _git("rev-parse", "HEAD")
        return head + ("+changes" if _git("status", "--porcelain", "--", "*.py") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def machine() -> dict[str, Any]:
    """Processor, its features and caches, its number of cores, and system of this machine."""
    found = {"processor": platform.processor() or platform.machine()}
    described = Path("/proc/cpuinfo")
    if described.exists():
        found |= processor(described.read_text())
    return {
        **found,
        "caches": caches(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def processor(described: str) -> dict[str, Any]:
    """Name, model and vector instructions of a processor: libraries choose their code by them.

    Args:
        described: content of `/proc/cpuinfo`.

    Returns:
        What it says of these about the first processor.
    """
    lines = [line.split(":", 1) for line in described.split("\n\n")[0].splitlines() if ":" in line]
    said = {name.strip(): value.strip() for name, value in lines}
    names = {"processor": "model name", "family": "cpu family", "model": "model"}
    names |= {"stepping": "stepping", "part": "CPU part"}
    found: dict[str, Any] = {ours: said[name] for ours, name in names.items() if name in said}
    features = said.get("flags", said.get("Features", "")).split()
    found["features"] = sorted(name for name in features if name.startswith(VECTORS))
    return found


def caches(folder: Path = CACHES) -> dict[str, str]:
    """Sizes of the caches of the first core, by level: what Linux says."""
    found = {}
    for index in sorted(folder.glob("index*")):
        level, kind, size = (
            (index / name).read_text().strip() if (index / name).exists() else ""
            for name in ("level", "type", "size")
        )
        if kind != "Instruction":
            found[f"L{level}"] = size
    return found


def versions() -> dict[str, str]:
    """Versions of Python and of the installed packages that the numbers depend on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES + PEERS:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _git(*arguments: str) -> str:
    run = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return run.stdout.strip()
