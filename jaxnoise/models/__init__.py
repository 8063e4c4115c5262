"""One module per paper; each has Config, init and the functions of its kind of model."""

import importlib
import pkgutil
from types import ModuleType

from jaxnoise.errors import UsageError


def get(name: str) -> ModuleType:
    """The module of a model.

    Args:
        name: for example "noiseflow".

    Returns:
        The module `jaxnoise.models.<name>`.

    Raises:
        UsageError: for an unknown name; lists the known ones.
    """
    known = sorted(module.name for module in pkgutil.iter_modules(__path__))
    if name not in known:
        raise UsageError(f"Model {name!r} is unknown: known are {', '.join(known)}.")
    return importlib.import_module(f"{__name__}.{name}")
