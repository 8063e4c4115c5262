"""Model folders: config.json beside model.safetensors; a sha256 for itself and every tensor."""

import dataclasses
import hashlib
import importlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxnoise.errors import DataError, UsageError

FORMAT = 1
CONFIG_FILE = "config.json"
TENSOR_FILE = "model.safetensors"
MAX_CONFIG_BYTES = 16 * 2**20


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


def save_model(folder: str | os.PathLike, name: str, config: Any, variables: Mapping) -> Path:
    """Writes a model folder in one step: after a crash there is the old model, the new one or none.

    Args:
        folder: where the model goes; an older model there is replaced.
        name: the model's name, as in `jaxnoise.models.get(name)`.
        config: the model's `Config`, a dataclass whose fields JSON can hold.
        variables: nested dictionaries of arrays with string keys.

    Returns:
        The folder.

    Raises:
        UsageError: the folder holds something else than a model, or the variables are no nested
            dictionaries of arrays.
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
    description["sha256"] = _checksum(description)
    from safetensors.numpy import save

    folder.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{folder.name}.writing-"
    for left_over in folder.parent.glob(f"{prefix}*"):
        shutil.rmtree(left_over, ignore_errors=True)
    work = Path(tempfile.mkdtemp(prefix=prefix, dir=folder.parent))
    new, old = work / "new", work / "old"
    new.mkdir()
    _write(new / TENSOR_FILE, save(tensors))
    _write(new / CONFIG_FILE, (json.dumps(description, indent=1) + "\n").encode())
    if folder.exists():
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(work)
    return folder


def load_model(folder: str | os.PathLike) -> LoadedModel:
    """Reads a model folder, checking config.json and every tensor against their sha256.

    Args:
        folder: a folder written by `save_model`.

    Returns:
        The model's name, its `Config` and its variables.

    Raises:
        DataError: something is missing, damaged or contradicts config.json.
    """
    folder = Path(folder)
    description = _read_description(folder)
    tensors = _read_tensors(folder, description["tensors"])
    import jax.numpy as jnp

    arrays = {path: jnp.asarray(tensor) for path, tensor in tensors.items()}
    variables = _unflatten(arrays, description["empty"], folder)
    name = description["name"]
    return LoadedModel(name, _build_config(name, description["config"], folder), variables)


def _build_config(name: str, fields: dict, folder: Path) -> Any:
    # The registry is looked up by name at the time of the call: reading files stays below the
    # models in the order of imports, and the name picks from a table instead of naming a module.
    models = importlib.import_module("jaxnoise.models")
    try:
        return models.get(name).Config(**{key: _tuples(value) for key, value in fields.items()})
    except (UsageError, ModuleNotFoundError, KeyError, TypeError, ValueError) as error:
        reason = str(error).rstrip(".")
        raise DataError(
            f"{folder / CONFIG_FILE} does not describe a model that this version of jaxnoise "
            f"knows ({reason}): use the version that wrote it."
        ) from error


def _tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _flatten(variables: Mapping) -> tuple[dict[str, np.ndarray], list[str]]:
    tensors: dict[str, np.ndarray] = {}
    empty: list[str] = []

    def visit(node: Any, path: tuple[str, ...]) -> None:
        if isinstance(node, Mapping):
            if path and not node:
                empty.append("/".join(path))
            for key, child in node.items():
                if not isinstance(key, str) or not key or "/" in key:
                    raise UsageError(f"{key!r} cannot name a variable: use text without a slash.")
                visit(child, (*path, key))
            return
        array = np.asarray(node)
        if not path or array.dtype.kind not in "biuf":
            raise UsageError(
                f"variable {'/'.join(path) or '(the whole)'} is {type(node).__name__}: a model "
                "folder holds nested dictionaries of numeric arrays."
            )
        tensors["/".join(path)] = np.ascontiguousarray(array).reshape(array.shape)

    visit(variables, ())
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


def _read_description(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG_FILE
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder: give the folder that holds {CONFIG_FILE}.")
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES or not path.is_file():
            raise DataError(f"{path} is too large or no file: export the model again.")
        description = json.loads(path.read_text(encoding="utf-8"))
    except DataError:
        raise
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing: give the folder that holds it.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read ({error}): export the model again.") from error
    expected = {"name": str, "config": dict, "tensors": dict, "empty": list, "sha256": str}
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise DataError(f"{path} is not in format {FORMAT} of jaxnoise's model folders.")
    for key, kind in expected.items():
        if not isinstance(description.get(key), kind):
            raise DataError(f"{path} lacks a usable {key!r}: export the model again.")
    if not all(isinstance(name, str) and name for name in description["empty"]):
        raise DataError(f"{path} lacks a usable 'empty': export the model again.")
    if description["sha256"] != _checksum(description):
        raise DataError(f"{path} is damaged or was edited by hand: export the model again.")
    return description


def _read_tensors(folder: Path, declared: dict[str, Any]) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    path = folder / TENSOR_FILE
    try:
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


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
