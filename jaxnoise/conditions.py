"""From a camera index and an ISO number to rows of a parameter table, one per image."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

from jaxnoise.checks import check_batch
from jaxnoise.errors import UsageError
from jaxnoise.tracing import is_concrete

NOT_STATED = 0
"""The ISO number of images that state none: a class of its own, to which nothing interpolates."""


def check_conditions(camera, iso, *, cameras: tuple[str, ...], isos: tuple[int, ...]) -> None:
    """Raises when a camera or an ISO is not one that a model knows. Does nothing under jit.

    Args:
        camera: shape (N,) or scalar, index into `cameras`.
        iso: shape (N,) or scalar, ISO numbers.
        cameras: the known cameras' names.
        isos: the known ISO numbers in ascending order; those between two known ones are known too.

    Raises:
        UsageError: names what is unknown and lists what is known.
    """
    if not is_concrete(camera, iso):
        return
    camera, iso = np.asarray(camera), np.asarray(iso)
    unknown = camera[(camera < 0) | (camera >= len(cameras)) | (camera != np.floor(camera))]
    if unknown.size:
        raise UsageError(
            f"camera index {unknown.flat[0]} is unknown: use 0 to {len(cameras) - 1} for "
            f"{', '.join(cameras)}."
        )
    stated = [value for value in isos if value != NOT_STATED]
    low, high = (min(stated), max(stated)) if stated else (np.inf, -np.inf)
    known = (iso >= low) & (iso <= high)
    if NOT_STATED in isos:
        known |= iso == NOT_STATED
    if not known.all():
        listed = ", ".join(
            "not stated (0)" if value == NOT_STATED else str(value) for value in isos
        )
        raise UsageError(
            f"ISO {iso[~known].flat[0]:g} is unknown: this model knows {listed} and what lies "
            "between two of them."
        )


def check_given(
    camera: Any,
    iso: Any,
    *,
    cameras: tuple[str, ...],
    isos: tuple[int, ...],
    channels: int | None = None,
    **batch: Any,
) -> None:
    """Raises when images, their cameras and ISO numbers do not fit one another or a model.

    Args:
        camera: shape (N,), index into `cameras`.
        iso: shape (N,), ISO numbers.
        cameras: the known cameras' names.
        isos: the known ISO numbers in ascending order.
        channels: of the images that the model takes; None: any number.
        batch: images by their names, a mask and the fewest images: see
            `jaxnoise.checks.check_batch`.

    Raises:
        UsageError: a shape or a type does not fit; outside jit also an unknown camera or ISO.
    """
    check_batch(channels, camera=camera, iso=iso, **batch)
    check_conditions(camera, iso, cameras=cameras, isos=isos)


def camera_weights(camera: Num[Array, "*n"], cameras: tuple[str, ...]) -> Float[Array, "*n k"]:
    """Rows that pick each image's camera from a table: one-hot, NaN for an unknown camera.

    Args:
        camera: shape (N,) or scalar, index into `cameras`.
        cameras: the known cameras' names, K of them.

    Returns:
        Shape (N, K).
    """
    camera = jnp.asarray(camera)
    one_hot = (camera[..., None] == jnp.arange(len(cameras))).astype(jnp.result_type(float))
    return jnp.where(one_hot.sum(-1, keepdims=True) == 1, one_hot, jnp.nan)


def iso_weights(iso: Num[Array, "*n"], isos: tuple[int, ...]) -> Float[Array, "*n k"]:
    """Rows that interpolate a table over known ISO numbers, linearly in log ISO.

    Args:
        iso: shape (N,) or scalar, ISO numbers; 0 is "not stated".
        isos: the known ISO numbers in ascending order, K of them; 0, if there, is a class apart.

    Returns:
        Shape (N, K), non-negative, summing to 1; NaN where the ISO is unknown.
    """
    iso = jnp.asarray(iso, jnp.result_type(float))
    columns = [jnp.zeros_like(iso) for _ in isos]
    position = jnp.log(jnp.where(iso > 0, iso, 1.0))
    stated = [index for index, value in enumerate(isos) if value != NOT_STATED]
    knots = jnp.log(jnp.asarray([isos[index] for index in stated], iso.dtype))
    for place, index in enumerate(stated):
        rising = falling = jnp.where(position == knots[place], 1.0, 0.0)
        if place > 0:
            step = knots[place] - knots[place - 1]
            inside = (position >= knots[place - 1]) & (position <= knots[place])
            rising = jnp.where(inside, (position - knots[place - 1]) / step, 0.0)
        if place + 1 < len(stated):
            step = knots[place + 1] - knots[place]
            inside = (position >= knots[place]) & (position <= knots[place + 1])
            falling = jnp.where(inside, (knots[place + 1] - position) / step, 0.0)
        columns[index] = jnp.where(iso > 0, jnp.maximum(rising, falling), 0.0)
    if NOT_STATED in isos:
        columns[isos.index(NOT_STATED)] = jnp.where(iso == NOT_STATED, 1.0, 0.0)
    weights = jnp.stack(columns, -1)
    known = weights.sum(-1, keepdims=True) > 0.5
    return jnp.where(known, weights, jnp.nan)


def log_iso(iso: Num[Array, "*n"]) -> Float[Array, "*n"]:
    """Natural logarithm of the ISO number; 0 where it is not stated.

    Args:
        iso: ISO numbers, any shape.

    Returns:
        Same shape.
    """
    iso = jnp.asarray(iso, jnp.result_type(float))
    return jnp.log(jnp.where(iso > 0, iso, 1.0))


def table_rows(
    camera: Num[Array, "*n"],
    iso: Num[Array, "*n"],
    table: Float[Array, "cameras isos ..."],
    *,
    cameras: tuple[str, ...],
    isos: tuple[int, ...],
) -> Float[Array, "..."]:
    """Each image's row of a table over cameras and ISO numbers.

    Args:
        camera: shape (N,) or scalar, index into `cameras`.
        iso: shape (N,) or scalar, ISO numbers.
        table: shape (len(cameras), len(isos), ...).
        cameras: the known cameras' names.
        isos: the known ISO numbers in ascending order.

    Returns:
        Shape (N, ...), interpolated linearly in log ISO; NaN for unknown conditions.
    """
    weights = camera_weights(camera, cameras)[..., :, None] * iso_weights(iso, isos)[..., None, :]
    return jnp.tensordot(weights.astype(table.dtype), table, axes=2, precision="highest")


def nearest_rows(
    camera: Num[Array | np.ndarray, " n"],
    iso: Num[Array | np.ndarray, " n"],
    *,
    isos: tuple[int, ...],
) -> Array:
    """Which row of a table over cameras and ISO numbers, flattened, is nearest to each image.

    Args:
        camera: shape (N,), camera indices, on the host or the device but not under jit.
        iso: shape (N,), ISO numbers.
        isos: the known ISO numbers.

    Returns:
        Shape (N,), int32, `camera * len(isos) + column` with the column nearest in log ISO.
    """
    known, stated = np.asarray(isos, float), np.asarray(iso, float)
    distance = np.abs(np.log(np.maximum(stated, 1.0))[:, None] - np.log(np.maximum(known, 1.0)))
    column = distance.argmin(1)
    return jnp.asarray(np.asarray(camera, int) * len(isos) + column, jnp.int32)


def fill_absent(table: np.ndarray, *, isos: tuple[int, ...], power: float = 0.0) -> np.ndarray:
    """A table over cameras and ISO numbers with its NaN rows filled from their nearest relatives.

    A missing ISO takes the row of the same camera's nearest ISO, a camera without any row that of
    the mean camera. What is not stated (ISO 0) is near to nothing: it gives and takes a row,
    unscaled, only where there is no other.

    Args:
        table: shape (cameras, isos, ...); rows without data are NaN.
        isos: the ISO numbers.
        power: the entries are logarithms of what grows as this power of the ISO number.

    Returns:
        The same shape without NaN.

    Raises:
        UsageError: every row is NaN.
    """
    stated = np.asarray(isos) != NOT_STATED
    log_isos = np.log(np.maximum(np.asarray(isos, float), 1.0))
    known = np.asarray(~np.isnan(table).reshape(*table.shape[:2], -1).any(-1))
    if not known.any():
        raise UsageError("No pixel is valid: give images whose mask leaves some.")
    present = known.any(0)
    mean_camera = np.zeros_like(table[0])
    for column in np.flatnonzero(present):
        mean_camera[column] = table[known[:, column], column].mean(0)
    filled = table.copy()
    for m, k in zip(*np.nonzero(~known), strict=True):
        source, columns = (table[m], known[m]) if known[m].any() else (mean_camera, present)
        candidates = np.flatnonzero(columns)
        both_stated = stated[candidates] & stated[k]
        steps = np.where(both_stated, log_isos[k] - log_isos[candidates], 0.0)
        nearest = np.argmin(np.where(both_stated, np.abs(steps), np.inf))
        filled[m, k] = source[candidates[nearest]] + power * steps[nearest]
    return filled
