"""Whether values can be looked at now, or stand for those of a later call."""

from collections.abc import Callable

import jax
from jax.core import Tracer


def is_concrete(*values: object) -> bool:
    """Whether every value holds numbers now: none is an argument of jit, grad or vmap.

    Args:
        values: arrays or numbers.

    Returns:
        False when any of them is traced.
    """
    return not any(isinstance(value, Tracer) for value in values)


def holds(condition: Callable[..., jax.Array], *values: object) -> bool:
    """Whether a condition holds for all entries of what can be looked at now.

    Args:
        condition: from the values to an array of truth values.
        values: arrays or numbers.

    Returns:
        True also where a value is traced and nothing is known.
    """
    if not is_concrete(*values):
        return True
    with jax.ensure_compile_time_eval():  # a constant of a jitted function is known too
        return bool(condition(*values).all())
