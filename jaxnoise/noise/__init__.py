"""Statistical noise models: each has Config, fit, sample, and log_prob where a density exists.

Modules are imported when they are first used, so that the simulated camera, which needs only
numpy, does not wait for JAX.
"""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jaxnoise.noise import autoregressive, awgn, nlf, poisson, poisson_gaussian

__all__ = ["autoregressive", "awgn", "nlf", "poisson", "poisson_gaussian"]


def __getattr__(name: str) -> ModuleType:
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
