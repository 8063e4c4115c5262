"""What every distance asks of its arguments: shapes always, values where they are known."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from jaxnoise.checks import as_floats, is_real, native, type_of
from jaxnoise.errors import UsageError
from jaxnoise.tracing import holds

Values = jax.Array | np.ndarray
Width = float | int | np.floating | Sequence | Values


def checked_pair(
    x: Values,
    y: Values,
    *,
    dimensions: tuple[int, ...] = (1,),
    batched: bool = False,
    at_least: int = 1,
) -> tuple[jax.Array, jax.Array]:
    """Both sets of samples as floating-point arrays of one type, float32 or wider.

    Args:
        x: samples.
        y: samples.
        dimensions: the numbers of dimensions that one set of samples may have, without a batch.
        batched: whether a first axis counts sets of samples.
        at_least: the fewest samples that a set may have.

    Returns:
        x and y.

    Raises:
        UsageError: a shape that does not fit, too few samples, or, outside jit, a value that is
            NaN or infinite.
    """
    left, right = as_floats("Samples", x, y)
    for samples in (left, right):
        if samples.ndim - batched not in dimensions:
            shapes = " or ".join(_shape(number, batched) for number in dimensions)
            raise UsageError(f"Samples have shape {samples.shape}; give them the shape {shapes}.")
        if 0 in samples.shape:
            raise UsageError(f"Samples of shape {samples.shape} are empty; give at least one.")
        if samples.shape[int(batched)] < at_least:
            raise UsageError(
                f"{samples.shape[int(batched)]} sample is too few here; give at least {at_least}."
            )
    if left.ndim != right.ndim or left.shape[1 + batched :] != right.shape[1 + batched :]:
        raise UsageError(
            f"Samples of shapes {left.shape} and {right.shape} differ in their dimension."
        )
    if not (holds(jnp.isfinite, left) and holds(jnp.isfinite, right)):
        raise UsageError("The samples hold NaN or infinity; remove those values first.")
    return left, right


def checked_bandwidth(bandwidth: Width, kind: jnp.dtype) -> jax.Array:
    """Kernel widths as an array of shape (k,).

    Args:
        bandwidth: one width or several, shape () or (k,).
        kind: floating-point type of the samples.

    Returns:
        The widths; under jit a width that is not positive becomes NaN.

    Raises:
        UsageError: no width, more than one axis, or, outside jit, a width that is not positive.
    """
    if not is_real(bandwidth):
        raise UsageError(f"bandwidth is {type_of(bandwidth)}; give a positive number.")
    widths = jnp.atleast_1d(jnp.asarray(native(bandwidth), kind))
    if widths.ndim != 1 or widths.size == 0:
        raise UsageError(f"bandwidth has shape {np.shape(bandwidth)}; give one number or a list.")

    def fine(widths: jax.Array) -> jax.Array:
        return (widths > 0) & jnp.isfinite(widths)

    if not holds(fine, widths):
        raise UsageError(f"bandwidth is {bandwidth}; give a positive number.")
    return jnp.where(fine(widths), widths, jnp.nan)


def checked_estimator(estimator: str) -> None:
    """Raises unless the estimator is "biased" or "unbiased".

    Args:
        estimator: the name to look at.

    Raises:
        UsageError: any other name.
    """
    if estimator not in ("biased", "unbiased"):
        raise UsageError(f'estimator is "{estimator}"; give "biased" or "unbiased".')


def _shape(dimensions: int, batched: bool) -> str:
    names = ["sets"] * batched + ["samples", "dimension"][:dimensions]
    return f"({', '.join(names)})"
