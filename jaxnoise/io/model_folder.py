"""Model folders: config.json beside model.safetensors; a sha256 for itself and every tensor."""

import dataclasses
import glob
import hashlib
import json
import math
import os
import shutil
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxnoise.errors import DataError, UsageError
from jaxnoise.io.model_variables import (
    MAX_TENSOR_BYTES,
    RAISE,
    ModelLimits,
    build_config,
    check_variables,
    leaves_of,
)

FORMAT = 1
CONFIG_FILE = "config.json"
TENSOR_FILE = "model.safetensors"
MAX_CONFIG_BYTES = 16 * 2**20
MAX_TENSORS = 10_000
"""Tensors, and groups of none, that a model may have. Like all limits it is for `MAX_TENSOR_BYTES`
and grows with the number of bytes that a caller allows."""
MAX_NAME = 1000
"""Characters of the name of a tensor, slashes included."""


class LoadedModel(NamedTuple):
    """A model read from a folder.

    Attributes:
        name: the model's name, as in `jaxnoise.models.get(name)`.
        config: that model's `Config`.
        variables: nested dictionaries of JAX arrays, as they were saved; 64-bit numbers need
            JAX to have them enabled.
    """

    name: str
    config: Any
    variables: dict[str, Any]


def save_model(
    folder: str | os.PathLike,
    name: str,
    config: Any,
    variables: Mapping,
    *,
    learned_from: Mapping[str, Any] | None = None,
) -> Path:
    """Writes a model folder in one step: after a crash there is the old model, the new one or none.

    Args:
        folder: where the model goes; an older model there is replaced.
        name: the model's name, as in `jaxnoise.models.get(name)`.
        config: the model's `Config`, a dataclass whose fields JSON can hold.
        variables: nested dictionaries of arrays with string keys.
        learned_from: what `read_learned_from` gives back of the data it was trained on, as JSON:
            "stored", the type of their numbers, and "brightest", the largest of them as a fraction
            of full scale, are what the commands look at.

    Returns:
        The folder.

    Raises:
        UsageError: the folder holds something else than a model, or the variables are no nested
            dictionaries of arrays of at most 64 bits a number. What is there stays as it is.
    """
    folder = Path(folder)
    _refuse_other_contents(folder)
    tensors, empty = _flatten(variables)
    description = {
        "format": FORMAT,
        "name": name,
        "config": dataclasses.asdict(config),
        "tensors": {path: _describe(tensor) for path, tensor in sorted(tensors.items())},
        "empty": sorted(empty),
    }
    if learned_from:
        description["learned_from"] = dict(learned_from)
    description["sha256"] = _checksum(description)
    from safetensors.numpy import save

    folder.parent.mkdir(parents=True, exist_ok=True)
    # A longer name would be too long for a file system once there is more to it.
    short = folder.name if len(os.fsencode(folder.name)) <= 64 else _short(folder.name)
    prefix = f".{short}.writing-"
    for left_over in folder.parent.glob(f"{glob.escape(prefix)}*"):
        shutil.rmtree(left_over, ignore_errors=True)
    work = Path(tempfile.mkdtemp(prefix=prefix, dir=folder.parent))
    new, old = work / "new", work / "old"
    try:
        new.mkdir()
        _write(new / TENSOR_FILE, save(tensors))
        _write(new / CONFIG_FILE, (json.dumps(description, indent=1) + "\n").encode())
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
    except BaseException:
        if old.exists() and not folder.exists():
            old.rename(folder)
        raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return folder


def load_model(folder: str | os.PathLike, *, max_bytes: int = MAX_TENSOR_BYTES) -> LoadedModel:
    """Reads a model folder, checking config.json and every tensor against their sha256.

    Args:
        folder: a folder written by `save_model`.
        max_bytes: that the tensors may take; models of more are refused before they are read, and
            so are those of more than 10,000 tensors or 128 layers; these two limits grow with this
            one.

    Returns:
        The model's name, its `Config` and its variables.

    Raises:
        UsageError: `max_bytes` is below 1.
        DataError: something is missing, damaged, too large or contradicts config.json, or the
            variables are not those of a model of this configuration.
    """
    if max_bytes < 1:
        raise UsageError(f"max_bytes must be at least 1, not {max_bytes}.")
    folder, limits = Path(folder), ModelLimits(max_bytes)
    description = _read_description(folder, limits)
    name, declared = description["name"], description["tensors"]
    config = build_config(name, description["config"], folder / CONFIG_FILE, limits)
    check_variables(name, config, declared, description["empty"], folder / CONFIG_FILE)
    tensors = _read_tensors(folder, declared, limits)
    import jax.numpy as jnp

    arrays = {path: jnp.asarray(tensor) for path, tensor in tensors.items()}
    return LoadedModel(name, config, _unflatten(arrays, description["empty"], folder))


def read_learned_from(
    folder: str | os.PathLike, *, max_bytes: int = MAX_TENSOR_BYTES
) -> dict[str, Any]:
    """What a model folder says of the data that its model was trained on; reads no tensors.

    Args:
        folder: a folder written by `save_model`.
        max_bytes: as for `load_model`.

    Returns:
        What `save_model` was given; nothing where it was given nothing.

    Raises:
        DataError: config.json is missing or damaged.
    """
    found = _read_description(Path(folder), ModelLimits(max_bytes)).get("learned_from")
    return found if isinstance(found, dict) else {}


def _flatten(variables: Mapping) -> tuple[dict[str, np.ndarray], list[str]]:
    leaves, empty = leaves_of(variables)
    tensors: dict[str, np.ndarray] = {}
    for path, leaf in leaves.items():
        array = np.asarray(leaf)
        if not path or array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
            raise UsageError(
                f"variable {path or '(the whole)'} is {type(leaf).__name__} of {array.dtype}: a "
                "model folder holds nested dictionaries of numeric arrays of at most 64 bits."
            )
        # The file is little-endian, and its writer takes the bytes as they are.
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        tensors[path] = np.ascontiguousarray(array).reshape(array.shape)
    return tensors, empty


def _unflatten(tensors: dict[str, Any], empty: list[str], folder: Path) -> dict[str, Any]:
    variables: dict[str, Any] = {}
    leaves = [*tensors.items(), *((path, {}) for path in empty)]
    for path, leaf in leaves:
        *parents, last = path.split("/")
        node = variables
        for key in parents:
            node = node.setdefault(key, {})
            if not isinstance(node, dict):
                raise DataError(f"{folder / CONFIG_FILE} uses {path} as a tensor and as a group.")
        node[last] = leaf
    return variables


def _describe(tensor: np.ndarray) -> dict[str, Any]:
    return {
        "shape": list(tensor.shape),
        "dtype": tensor.dtype.name,
        "sha256": hashlib.sha256(tensor.tobytes()).hexdigest(),
    }


def _checksum(description: Mapping[str, Any]) -> str:
    """sha256 of what config.json says, however it is laid out, without its own "sha256"."""
    content = {key: value for key, value in description.items() if key != "sha256"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _read_description(folder: Path, limits: ModelLimits) -> dict[str, Any]:
    path = folder / CONFIG_FILE
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder: give the folder that holds {CONFIG_FILE}.")
    try:
        if not path.is_file() and path.exists():
            raise DataError(f"{path} is no file: export the model again.")
        if path.stat().st_size > (most := limits.grown(MAX_CONFIG_BYTES)):
            raise DataError(f"{path} has more than {most:,} bytes: {RAISE}.")
        description = json.loads(path.read_text(encoding="utf-8"))
    except DataError:
        raise
    except FileNotFoundError as error:
        hint = _hint(folder) or ": give the folder that holds it"
        raise DataError(f"{path} is missing{hint}.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read ({error}): export the model again.") from error
    expected = {"name": str, "config": dict, "tensors": dict, "empty": list, "sha256": str}
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise DataError(
            f"{path} is not in format {FORMAT} of jaxnoise's model folders{_hint(folder)}."
        )
    for key, kind in expected.items():
        if not isinstance(description.get(key), kind):
            raise DataError(f"{path} lacks a usable {key!r}: export the model again.")
    if not all(isinstance(name, str) and name for name in description["empty"]):
        raise DataError(f"{path} lacks a usable 'empty': export the model again.")
    names, most = [*description["tensors"], *description["empty"]], limits.grown(MAX_TENSORS)
    if len(names) > most:
        raise DataError(f"{path} names {len(names):,} variables, more than {most:,}: {RAISE}.")
    if any(len(name) > MAX_NAME for name in names):
        raise DataError(
            f"{path} names a variable by more than {MAX_NAME} characters: export the model again."
        )
    if description["sha256"] != _checksum(description):
        raise DataError(f"{path} is damaged or was edited by hand: export the model again.")
    return description


def _hint(folder: Path) -> str:
    """Where a run's folder was given, the model within it."""
    model = folder / "model"
    found = (model / CONFIG_FILE).is_file()
    return f" (did you mean {model}?): give the folder of a model" if found else ""


def _read_tensors(
    folder: Path, declared: dict[str, Any], limits: ModelLimits
) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    path = folder / TENSOR_FILE
    # What is declared says how long the file is, but for its header, which says much the same.
    size = sum(
        math.prod(found["shape"]) * np.dtype(found["dtype"]).itemsize for found in declared.values()
    )
    if size > limits.bytes:
        raise DataError(f"{path} would hold {size:,} bytes, more than {limits.bytes:,}: {RAISE}.")
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode) or found.st_size > size + limits.grown(MAX_CONFIG_BYTES):
            raise DataError(
                f"{path} is no regular file, or much longer than the tensors that {CONFIG_FILE} "
                "names: export the model again."
            )
        tensors = load(path.read_bytes())
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing: export the model again.") from error
    except (OSError, SafetensorError, KeyError, ValueError, TypeError) as error:
        raise DataError(f"{path} is damaged ({error}): export the model again.") from error
    if set(tensors) != set(declared):
        different = sorted(set(tensors) ^ set(declared))[0]
        raise DataError(f"{path} and {CONFIG_FILE} disagree about tensor {different}.")
    for name, tensor in tensors.items():
        for key, value in _describe(tensor).items():
            stated = declared[name].get(key) if isinstance(declared[name], dict) else None
            if stated != value:
                raise DataError(
                    f"tensor {name} of {path} has {key} {value}, not the {stated} stated in "
                    f"{CONFIG_FILE}: the model is damaged, export it again."
                )
    return {name: tensors[name] for name in sorted(tensors)}


def _refuse_other_contents(folder: Path) -> None:
    if not folder.exists():
        return
    if not folder.is_dir() or {item.name for item in folder.iterdir()} - {CONFIG_FILE, TENSOR_FILE}:
        raise UsageError(f"{folder} holds something else than a model: choose another folder.")


def _short(name: str) -> str:
    return hashlib.sha256(os.fsencode(name)).hexdigest()[:16]


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
