"""Lets one definition serve numpy arrays (in float64, outside jit) and jax arrays (under jit)."""

from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def namespace(*arrays: Any) -> ModuleType:
    """Returns `jax.numpy` when any of the arrays is a jax array, and `numpy` otherwise.

    Args:
        arrays: arrays or numbers.

    Returns:
        The module whose functions take all of them.
    """
    return jnp if any(isinstance(array, jax.Array) for array in arrays) else np
