"""Camera noise in JAX: likelihoods, samplers and distances for denoising research.

Parts are imported when they are first used, so `import jaxnoise` waits neither for JAX nor for any
of them.
"""

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxnoise import (
        batch,
        bijectors,
        conditions,
        distances,
        errors,
        interop,
        io,
        losses,
        metrics,
        models,
        nets,
        noise,
        protocols,
        raw,
    )
    from jaxnoise.loaded import Loaded

__version__ = "0.1.0"

__all__ = [
    "batch",
    "bijectors",
    "conditions",
    "distances",
    "errors",
    "interop",
    "io",
    "load",
    "losses",
    "metrics",
    "models",
    "nets",
    "noise",
    "protocols",
    "raw",
]


def load(folder: str | os.PathLike, *, max_bytes: int | None = None) -> "Loaded":
    """A trained model, ready to use: its functions take names of cameras and are compiled.

    Args:
        folder: written by `jaxnoise.io.save_model`, a trainer or `jaxnoise convert`.
        max_bytes: that the tensors may take, as for `jaxnoise.io.load_model`; None for 2 GiB.

    Returns:
        An object with `sample`, `log_prob`, `denoise` and `restore`, as the model has them, and
        `name`, `config` and `variables`.

    Raises:
        UsageError: `max_bytes` is below 1.
        DataError: something in the folder is missing, damaged, too large or contradicts its
            description.
    """
    from jaxnoise.io import load_model
    from jaxnoise.loaded import Loaded

    limit = {} if max_bytes is None else {"max_bytes": max_bytes}
    return Loaded(*load_model(folder, **limit))


def __getattr__(name: str) -> Any:
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
