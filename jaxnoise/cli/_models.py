"""Model folders for commands: one whose model can do what is asked, or a sentence."""

import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from jaxnoise.errors import UsageError


class Opened(NamedTuple):
    """A model of a folder.

    Attributes:
        function: of the model's module, the one that was asked for.
        config: the model's `Config`.
        variables: of the model.
    """

    function: Callable
    config: Any
    variables: dict[str, Any]


def open_model(folder: Path, function: str, lacks: str) -> Opened:
    """The model of a folder; from here on the process keeps memory and compiled programs.

    Args:
        folder: written by `jaxnoise.io.save_model`.
        function: what the model's module must have.
        lacks: what a model without it does not do, to be read in a sentence.

    Returns:
        The function, and what it needs.

    Raises:
        UsageError: the model has no such function; names those that have it.
        DataError: the folder is damaged or holds no model.
    """
    from jaxnoise.process import keep_compiled_programs, keep_freed_memory

    keep_freed_memory()
    keep_compiled_programs()
    from jaxnoise import models
    from jaxnoise.io import load_model

    name, config, variables = load_model(folder)
    found = getattr(models.get(name), function, None)
    if found is None:
        names = sorted(module.name for module in pkgutil.iter_modules(models.__path__))
        able = " or ".join(name for name in names if hasattr(models.get(name), function))
        raise UsageError(f"{folder} holds a {name}, which {lacks}: give a {able} model.")
    return Opened(found, config, variables)
