"""How parameters of shape () or (N,), one per image, meet events (H, W, C)."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

EVENT_NDIMS = 3


def over_pixels(parameter: Float[Array, "*n"]) -> Float[Array, "*n 1 1 1"]:
    """A parameter per image, shaped to multiply images (..., H, W, C)."""
    return jnp.asarray(parameter)[..., None, None, None]


def over_rows(parameter: Float[Array, "*n c"]) -> Float[Array, "*n 1 1 c"]:
    """A parameter per image and channel, shaped to multiply images (..., H, W, C)."""
    return jnp.asarray(parameter)[..., None, None, :]


def sum_event(
    values: Float[Array, "*n h w c"], valid: Bool[Array, "*m h w 1"] | None = None
) -> Float[Array, "*k"]:
    """Sums over the valid pixels, or all of them, and over C, and keeps the batch axes."""
    if valid is not None:
        values = jnp.where(valid, values, 0)
    return values.sum((-3, -2, -1))


def pixels(
    images: Float[Array, "*n h w c"], valid: Bool[Array, "*m h w 1"] | None = None
) -> int | Float[Array, "*m"]:
    """How many pixels of each image are valid: H W where all of them are."""
    if valid is None:
        return images.shape[-3] * images.shape[-2]
    return valid.sum((-3, -2, -1)).astype(images.dtype)


def per_image(log_det: Float[Array, "*n"], images: Float[Array, "*m h w c"]) -> Float[Array, "*k"]:
    """A log-determinant broadcast to the batch shape it shares with the images."""
    batch = jnp.broadcast_shapes(jnp.shape(log_det), images.shape[:-EVENT_NDIMS])
    return jnp.broadcast_to(log_det, batch)
