"""Leaves of a pytree as numpy arrays, and what is kept of each."""

import hashlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def to_numpy(leaf: Any) -> tuple[np.ndarray, str]:
    """A leaf as an array, and what it was: an array, a PRNG key or a number of Python.

    Args:
        leaf: an array, a PRNG key or a Python number.
    """
    if type(leaf) in (bool, int, float):  # numpy's float64 is a float by inheritance
        return np.asarray(leaf), type(leaf).__name__
    if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return np.asarray(jax.random.key_data(leaf)), f"key:{jax.random.key_impl(leaf)}"
    return np.asarray(leaf), "array"


def from_numpy(array: np.ndarray, kind: str) -> Any:
    """The leaf that `to_numpy` was given.

    Args:
        array: from `to_numpy`.
        kind: from `to_numpy`.
    """
    if kind in ("bool", "int", "float"):
        return array.item()
    if kind.startswith("key:"):
        return jax.random.wrap_key_data(jnp.asarray(array), impl=kind.removeprefix("key:"))
    return array


def describe(array: np.ndarray) -> dict[str, Any]:
    """Shape, type and sha256 of an array, as JSON.

    Args:
        array: any.
    """
    return {
        "shape": list(array.shape),
        "dtype": array.dtype.name,
        "sha256": hashlib.sha256(array.tobytes()).hexdigest(),
    }
