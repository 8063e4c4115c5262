"""What both losses share: telling a positive from negatives, and the temperature of doing so."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Num

from jaxnoise.checks import check_numbers
from jaxnoise.errors import UsageError
from jaxnoise.tracing import holds


def checked_temperature(
    temperature: float | Num[Array | np.ndarray, "..."], kind: jnp.dtype
) -> Float[Array, ""]:
    """The temperature as an array.

    Args:
        temperature: a number > 0, shape ().
        kind: floating-point type of the result.

    Returns:
        Shape (); under jit NaN where it is not positive.

    Raises:
        UsageError: any other shape, or, outside jit, a temperature that is not positive.
    """
    check_numbers(temperature=temperature)
    value = jnp.asarray(temperature, kind)

    def fine(value: jax.Array) -> jax.Array:
        return (value > 0) & jnp.isfinite(value)

    if not holds(fine, value):
        raise UsageError(f"temperature is {temperature}; give a positive number.")
    return jnp.where(fine(value), value, jnp.nan)


def negative_log_share(
    excess: Float[Array, "rows columns"], counts: Bool[Array, "rows columns"]
) -> Float[Array, " rows"]:
    """-log of the positive's share among itself and the negatives of its row, never below 0.

    Args:
        excess: logit of each negative less that of the row's positive.
        counts: True for the entries that are negatives of their row.

    Returns:
        log(1 + sum of exp(excess) over the negatives): 0 for a row without negatives.
    """
    # Entries that do not count are replaced before exp, so that not even their NaN has a gradient.
    excess = jnp.where(counts, excess, 0)
    largest = jax.lax.stop_gradient(jnp.maximum(excess.max(1), 0))
    total = jnp.where(counts, jnp.exp(excess - largest[:, None]), 0).sum(1)
    # The positive's own exp(-largest) enters less one, which keeps the digits of a small loss.
    return largest + jnp.log1p(jnp.expm1(-largest) + total)
