"""Causal convolution in raster order: each pixel minus a linear function of the pixels above and
to the left.

With radius R the taps cover the half-plane of offsets (dy, dx) with dy in 1..R and dx in -R..R, or
dy = 0 and dx in 1..R: 2 R (R + 1) of them. Outside the image everything is zero.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jaxnoise.errors import UsageError

SHRINKAGE = 20_000.0
"""Pixels' worth of weight by which one camera and ISO's taps are drawn to those of all."""


def half_plane(radius: int) -> tuple[tuple[int, int], ...]:
    """The offsets (dy, dx) of the pixels (y - dy, x - dx) that a causal filter sees, in storage
    order.

    Args:
        radius: R >= 1.

    Returns:
        2 R (R + 1) offsets: the rows from the nearest up, and in each the columns from right to
        left.
    """
    row = [(0, dx) for dx in range(1, radius + 1)]
    above = [(dy, dx) for dy in range(1, radius + 1) for dx in range(-radius, radius + 1)]
    return tuple(row + above)


def radius_of(taps: int) -> int:
    """The radius of a half-plane filter with so many offsets: inverts `len(half_plane(radius))`."""
    radius = int((np.sqrt(1 + 2 * taps) - 1) / 2)
    if taps < 4 or 2 * radius * (radius + 1) != taps:
        raise ValueError(f"A causal filter has 2 R (R + 1) taps (4, 12, 24, ...), not {taps}.")
    return radius


def neighbours(images: Float[Array, "*n h w c"], radius: int) -> Float[Array, "*n h w k"]:
    """The causal neighbours of each pixel, side by side.

    Args:
        images: shape (..., H, W, C).
        radius: R >= 1.

    Returns:
        Shape (..., H, W, 2 R (R + 1) C), offset by offset in the order of `half_plane`; 0 outside.
    """
    height, width = images.shape[-3:-1]
    batch = [(0, 0)] * (images.ndim - 3)
    padded = jnp.pad(images, [*batch, (radius, 0), (radius, radius), (0, 0)])
    shifted = [
        padded[..., radius - dy : radius - dy + height, radius - dx : radius - dx + width, :]
        for dy, dx in half_plane(radius)
    ]
    return jnp.concatenate(shifted, -1)


def predict(images: Float[Array, "*n h w c"], taps: Float[Array, "*m k c c"]) -> Array:
    """The causal linear prediction `sum_k taps_k image_{p - k}` of each pixel.

    Args:
        images: shape (..., H, W, C).
        taps: shape (K, C, C) or (N, K, C, C), last axes (output channel, input channel).

    Returns:
        Shape (..., H, W, C).
    """
    offsets, channels = taps.shape[-3], taps.shape[-1]
    matrix = jnp.swapaxes(taps, -1, -2).reshape(*taps.shape[:-3], offsets * channels, channels)
    features = neighbours(images, radius_of(offsets))
    if matrix.ndim == 2:
        return jnp.matmul(features, matrix, precision="highest")
    return jnp.einsum("...hwk,...kc->...hwc", features, matrix, precision="highest")


def solve(residual: Float[Array, "n h w c"], taps: Float[Array, "*m k c c"]) -> Array:
    """The images whose difference from their causal prediction is `residual`: inverts `x -
    predict(x, taps)`.

    Exact, by wavefront: at step t = x + (R + 1) y one pixel of every row is known, so the
    recurrence runs in W + (R + 1)(H - 1) steps instead of H W.

    Args:
        residual: shape (N, H, W, C).
        taps: shape (K, C, C) or (N, K, C, C), last axes (output channel, input channel).

    Returns:
        Shape (N, H, W, C).
    """
    _, height, width, channels = residual.shape
    offsets = taps.shape[-3]
    radius = radius_of(offsets)
    steps = width + (radius + 1) * (height - 1)
    start = (radius + 1) * jnp.arange(height)
    column = jnp.arange(steps)[:, None] - start
    inside = (column >= 0) & (column < width)
    diagonals = jnp.take_along_axis(
        residual, jnp.clip(column, 0, width - 1).T[None, :, :, None], axis=2
    )
    diagonals = jnp.moveaxis(jnp.where(inside.T[None, :, :, None], diagonals, 0), 2, 0)
    lags = [dx + (radius + 1) * dy for dy, dx in half_plane(radius)]
    rows = [dy for dy, _ in half_plane(radius)]
    matrix = jnp.swapaxes(taps, -1, -2).reshape(*taps.shape[:-3], offsets * channels, channels)

    def step(past, inputs):
        current, valid = inputs
        seen = [
            past[lag - 1, :, radius - dy : radius - dy + height]
            for lag, dy in zip(lags, rows, strict=True)
        ]
        features = jnp.concatenate(seen, -1)
        if matrix.ndim == 2:
            prediction = jnp.matmul(features, matrix, precision="highest")
        else:
            prediction = jnp.einsum("nhk,nkc->nhc", features, matrix, precision="highest")
        pixel = jnp.where(valid[None, :, None], current + prediction, 0)
        newest = jnp.pad(pixel, [(0, 0), (radius, 0), (0, 0)])[None]
        return jnp.concatenate([newest, past[:-1]]), pixel

    past = jnp.zeros((max(lags), residual.shape[0], height + radius, channels), residual.dtype)
    _, pixels = jax.lax.scan(step, past, (diagonals, inside))
    gather = (start[:, None] + jnp.arange(width))[None, :, :, None]
    return jnp.take_along_axis(jnp.moveaxis(pixels, 0, 2), gather, axis=2)


def gram(
    images: Float[Array, "n h w c"],
    key: Int[Array, " n"],
    *,
    radius: int,
    keys: int,
    valid: Bool[Array, "n h w 1"] | None = None,
) -> tuple[Float[Array, "keys f f"], Float[Array, " keys"]]:
    """Sums over pixels of products of causal neighbours and the pixel itself, per key.

    Args:
        images: shape (N, H, W, C), of unit variance or near it.
        key: shape (N,), which of the keys each image belongs to.
        radius: R >= 1.
        keys: their number.
        valid: shape (N, H, W, 1), True where a pixel counts; None: all do. A sum has the pixels
            that count with all their neighbours inside the image: what is not known of a
            neighbour would draw the taps to 0.

    Returns:
        The normal matrices, shape (keys, F, F) with F = (2 R (R + 1) + 1) C, the pixel itself
        last, and the number of pixels, shape (keys,).
    """
    channels = images.shape[-1]
    size = (len(half_plane(radius)) + 1) * channels

    if valid is not None:
        return _gram_of_valid(images, key, radius, keys, valid)

    def add(total, item):
        image, place = item
        features = jnp.concatenate([neighbours(image, radius), image], -1).reshape(-1, size)
        return total.at[place].add(jnp.matmul(features.T, features, precision="highest")), None

    total, _ = jax.lax.scan(add, jnp.zeros((keys, size, size), images.dtype), (images, key))
    pixels = images.shape[1] * images.shape[2]
    return total, pixels * jax.ops.segment_sum(jnp.ones_like(key, images.dtype), key, keys)


def _gram_of_valid(images: Array, key: Array, radius: int, keys: int, valid: Array):
    channels = images.shape[-1]
    size = (len(half_plane(radius)) + 1) * channels
    absent = (~valid).astype(images.dtype)
    complete = valid & (neighbours(absent, radius).sum(-1, keepdims=True) == 0)
    images = jnp.where(valid, images, 0)

    def add(total, item):
        image, known, place = item
        features = jnp.concatenate([neighbours(image, radius), image], -1)
        features = jnp.where(known, features, 0).reshape(-1, size)
        return total.at[place].add(jnp.matmul(features.T, features, precision="highest")), None

    total = jnp.zeros((keys, size, size), images.dtype)
    total, _ = jax.lax.scan(add, total, (images, complete, key))
    pixels = complete.sum((1, 2, 3)).astype(images.dtype)
    return total, jax.ops.segment_sum(pixels, key, keys)


def fit_taps(
    grams: Float[np.ndarray, "keys f f"],
    pixels: Float[np.ndarray, " keys"],
    *,
    channels: int,
    shrinkage: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Least-squares taps per key, and the covariance of what they leave.

    Args:
        grams: normal matrices from `gram`, shape (keys, F, F).
        pixels: number of pixels per key, shape (keys,).
        channels: C.
        shrinkage: pixels' worth of weight that every key's taps are drawn to those of all keys
            together; keys without data need it above 0.

    Returns:
        Taps (keys, K, C, C), last axes (output, input), and residual covariances (keys, C, C),
        float64.

    Raises:
        UsageError: when there is no pixel.
    """
    grams, pixels = (np.asarray(value).astype(np.float64) for value in (grams, pixels))
    if pixels.sum() == 0:
        raise UsageError(
            "No pixel is valid with all its causal neighbours: give larger valid regions, or a "
            "smaller radius."
        )
    pooled = grams.sum(0) / pixels.sum()
    posterior = (grams + shrinkage * pooled) / (pixels + shrinkage)[:, None, None]
    past = posterior[:, :-channels, :-channels]
    past = past + 1e-9 * np.trace(pooled) / len(pooled) * np.eye(past.shape[-1])
    cross = posterior[:, :-channels, -channels:]
    weights = np.linalg.solve(past, cross)
    covariance = posterior[:, -channels:, -channels:] - cross.swapaxes(1, 2) @ weights
    taps = weights.reshape(len(grams), -1, channels, channels).swapaxes(2, 3)
    return taps, covariance
