"""Whether values can be looked at now, or stand for those of a later call."""

from jax.core import Tracer


def is_concrete(*values: object) -> bool:
    """Whether every value holds numbers now, as it does outside jit, grad and vmap.

    Args:
        values: arrays or numbers.

    Returns:
        False when any of them is traced.
    """
    return not any(isinstance(value, Tracer) for value in values)
