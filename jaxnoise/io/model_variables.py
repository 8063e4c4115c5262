"""What the variables of a model must be, by its configuration."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxnoise.errors import DataError, UsageError

MAX_TENSOR_BYTES = 2**31
"""Bytes that the tensors of a model may take where nothing else is said."""
MAX_LAYERS = 128
"""Layers that the configuration of a model may allow itself where nothing else is said."""
RAISE = "use a smaller model, or raise the limit with --max-model-bytes (max_bytes= in code)"


class ModelLimits(NamedTuple):
    """How large a model may be.

    Attributes:
        bytes: of its tensors; what a model may have of everything else grows with it.
    """

    bytes: int = MAX_TENSOR_BYTES

    def grown(self, limit: int) -> int:
        """A limit that is for `MAX_TENSOR_BYTES`, for more bytes where they are allowed.

        Args:
            limit: of anything.

        Returns:
            The limit for `bytes`.
        """
        return max(limit, limit * self.bytes // MAX_TENSOR_BYTES)

    def check_layers(self, fields: dict, path: Path) -> None:
        """Refuses a configuration that allows itself more layers than are compiled unasked.

        Args:
            fields: of the configuration and of those within it, as JSON has them.
            path: where they were read, for errors.

        Raises:
            DataError: says which number is too large.
        """
        most = self.grown(MAX_LAYERS)
        for key, value in fields.items():
            if isinstance(value, dict):
                self.check_layers(value, path)
            elif key == "max_layers" and isinstance(value, int) and value > most:
                raise DataError(
                    f"{path} describes a model of up to {value:,} layers, more than {most:,}: "
                    f"{RAISE}."
                )


def build_config(name: str, fields: dict, path: Path, limits: ModelLimits) -> Any:
    """The `Config` of a model.

    Args:
        name: of the model.
        fields: of its configuration, as JSON has them.
        path: where they were read, for errors.
        limits: that the model must keep.

    Raises:
        DataError: there is no such model, it has no such configuration, or too many layers.
    """
    limits.check_layers(fields, path)
    # The registry is looked up by name at the time of the call: reading files stays below the
    # models in the order of imports, and the name picks from a table instead of naming a module.
    models = importlib.import_module("jaxnoise.models")
    try:
        return models.get(name).Config(**{key: _tuples(value) for key, value in fields.items()})
    except MemoryError:
        raise  # says nothing about the folder
    except Exception as error:  # its fields may hold anything that JSON can
        raise DataError(
            f"{path} does not describe a model that this version of jaxnoise "
            f"knows ({_reason(error)}): use the version that wrote it."
        ) from error


def _tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def check_variables(
    name: str, config: Any, declared: Mapping[str, Any], empty: list[str], path: Path
) -> None:
    """Raises where what is declared is not what the model of a configuration has.

    Args:
        name: of the model.
        config: its configuration.
        declared: "shape" and "dtype" of tensors by path.
        empty: paths of groups of no tensors.
        path: where all that was read, for errors.

    Raises:
        DataError: names a variable that is missing, too many or of another shape or kind.
    """
    import jax

    model = importlib.import_module("jaxnoise.models").get(name)
    try:
        made = jax.eval_shape(lambda: model.init(jax.random.key(0), config))
    except MemoryError:
        raise
    except Exception as error:  # whatever a configuration that nobody has tried leads to
        raise DataError(
            f"{path} does not describe a model that can be made ({_reason(error)}): export the "
            "model again."
        ) from error
    arrays, groups = leaves_of(made)
    expected = {place: (list(leaf.shape), leaf.dtype.kind) for place, leaf in arrays.items()}
    stated = {
        place: (found.get("shape"), _kind(found.get("dtype")))
        for place, found in declared.items()
        if isinstance(found, dict)
    }
    if set(empty) != set(groups) or expected.keys() != stated.keys():
        different = sorted({*expected, *groups} ^ {*stated, *empty} or expected.keys())[0]
        word = "lacks" if different in {*expected, *groups} else "has besides"
        raise DataError(
            f"{path} does not agree with itself: a {name} of its configuration has other "
            f"variables, and it {word} {different[:80]}; use the version of jaxnoise that wrote "
            "it, or export the model again."
        )
    for place, (shape, kind) in expected.items():
        if stated[place] != (shape, kind):
            raise DataError(
                f"{path} does not agree with itself: {place[:80]} has shape {stated[place][0]} and "
                f"type {declared[place].get('dtype')}, and a {name} of its configuration has shape "
                f"{shape}; export the model again."
            )


def _kind(dtype: Any) -> str | None:
    """Whether a type is of floats, integers or truth values; None for what is no type."""
    try:
        return np.dtype(dtype).kind if isinstance(dtype, str) else None
    except TypeError:
        return None


def leaves_of(variables: Any) -> tuple[dict[str, Any], list[str]]:
    """Leaves of nested dictionaries by path, and the paths of empty ones.

    Args:
        variables: nested dictionaries, or a leaf, whose path is "".

    Raises:
        UsageError: a key is no text, or cannot be part of a path.
    """
    leaves: dict[str, Any] = {}
    empty: list[str] = []

    def visit(node: Any, path: tuple[str, ...]) -> None:
        if not isinstance(node, Mapping):
            leaves["/".join(path)] = node
            return
        if path and not node:
            empty.append("/".join(path))
        for key, child in node.items():
            if not isinstance(key, str) or not key or "/" in key:
                raise UsageError(f"{key!r} cannot name a variable: use text without a slash.")
            visit(child, (*path, key))

    visit(variables, ())
    return leaves, empty


def _reason(error: Exception) -> str:
    return (" ".join(str(error).split())[:200] or type(error).__name__).rstrip(".")
