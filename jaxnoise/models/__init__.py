"""One module per paper; each has Config, init and the functions of its kind of model."""

import importlib
import pkgutil
from types import ModuleType
from typing import TypeVar

from jaxnoise.errors import UsageError

Asked = TypeVar("Asked")


def names() -> list[str]:
    """The known models, in alphabetical order.

    Returns:
        Their names, as `get` takes them.
    """
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def get(name: str) -> ModuleType:
    """The module of a model.

    Args:
        name: for example "noiseflow".

    Returns:
        The module `jaxnoise.models.<name>`.

    Raises:
        UsageError: for an unknown name; lists the known ones.
    """
    known = names()
    if name not in known:
        raise UsageError(f"Model {name!r} is unknown: known are {', '.join(known)}.")
    return importlib.import_module(f"{__name__}.{name}")


def require(name: str, *protocols: type[Asked], holder: str = "this model is") -> Asked:
    """The module of a model that can do what is asked.

    Args:
        name: of the model, for example "denoiser".
        protocols: of `jaxnoise.abilities.ABILITIES`, for example `Sampler`; one of them is enough.
        holder: what has the model and a verb, to begin the sentence.

    Returns:
        The module, which fulfils one of the protocols.

    Raises:
        UsageError: it does not; says what it lacks, and which models do.
    """
    module = get(name)
    if isinstance(module, protocols):
        return module
    from jaxnoise.abilities import what_it_lacks

    able = " or ".join(other for other in names() if isinstance(get(other), protocols))
    lacks = " and ".join(map(what_it_lacks, protocols))
    raise UsageError(f"{holder} a {name}, which {lacks}: give a {able} model.")
