"""Black and white levels: stored numbers as fractions of full scale and back, and with noise."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Shaped

from jaxnoise.checks import check_fractions, check_numbers, check_same, is_real
from jaxnoise.errors import UsageError

BLOCK_VALUES = 2**21
"""Values worked on at a time, so that what is computed in float64 stays small."""

Level = int | float
Levels = Level | np.ndarray


def full_scale(dtype: np.dtype | type) -> float:
    """Largest value of an integer type; 1 for floats.

    Args:
        dtype: of the stored numbers.

    Returns:
        What stored numbers of this type have as white level when nothing else is stated.
    """
    dtype = np.dtype(dtype)
    return float(np.iinfo(dtype).max) if dtype.kind in "iu" else 1.0


def to_fraction(
    stored: Shaped[np.ndarray, "H W C"], *, black_level: Levels, white_level: Level
) -> Float[np.ndarray, "H W C"]:
    """Stored numbers as fractions of full scale: 0 at the black level, 1 at the white level.

    Args:
        stored: shape (H, W, C), integers or floats.
        black_level: in stored units, a number or one for each channel, shape (C,).
        white_level: in stored units, above every black level.

    Returns:
        float32, shape (H, W, C); below 0 under the black level, above 1 over the white level.

    Raises:
        UsageError: if the image has another shape, the levels do not fit the channels or a black
            level is not below white.
    """
    _check_image(stored=stored)
    black, scale = _black_and_scale(stored.dtype, stored.shape[-1], black_level, white_level)
    fraction = np.empty(stored.shape, np.float32)
    for rows in _blocks(stored):
        fraction[rows] = (stored[rows].astype(np.float64) - black) / scale
    return fraction


def from_fraction(
    fraction: Float[np.ndarray, "H W C"],
    dtype: np.dtype | type,
    *,
    black_level: Levels,
    white_level: Level,
) -> Shaped[np.ndarray, "H W C"]:
    """Fractions of full scale as stored numbers, as a converter would give them.

    Args:
        fraction: shape (H, W, C), finite.
        dtype: of the stored numbers, an integer or float type.
        black_level: in stored units, a number or one for each channel, shape (C,).
        white_level: in stored units, above every black level.

    Returns:
        The inverse of `to_fraction`, shape (H, W, C). Integers are rounded and clipped to
        [0, white level]; floats are neither rounded nor clipped.

    Raises:
        UsageError: if the image has another shape or holds integers, the levels do not fit the
            channels or a black level is not below white.
    """
    _check_image(fraction=fraction)
    check_fractions(fraction=fraction)
    dtype = np.dtype(dtype)
    black, scale = _black_and_scale(dtype, fraction.shape[-1], black_level, white_level)
    stored = np.empty(fraction.shape, dtype)
    for rows in _blocks(fraction):
        stored[rows] = _rounded(
            black + fraction[rows].astype(np.float64) * scale, dtype, white_level
        )
    return stored


def add_noise(
    stored: Shaped[np.ndarray, "H W C"],
    noise: Float[np.ndarray, "H W C"],
    *,
    black_level: Levels,
    white_level: Level,
    highest: Level | None = None,
) -> Shaped[np.ndarray, "H W C"]:
    """The noisy image in the stored units and type, as a converter would give it.

    Args:
        stored: the clean image as stored, shape (H, W, C), integers or floats.
        noise: same shape, fraction of full scale, finite.
        black_level: in stored units, a number or one for each channel, shape (C,).
        white_level: in stored units, above every black level.
        highest: in stored units, to which integers are clipped; None for the white level, or for
            the largest number of the clean image where that is above it.

    Returns:
        Same shape and dtype. Integers are rounded and clipped to [0, highest]; floats are neither.

    Raises:
        UsageError: if the noise has another shape than the image or holds integers, the levels do
            not fit the channels or a black level is not below white.
    """
    _check_image(stored=stored)
    check_fractions(noise=noise)
    check_same(noise=noise, stored=stored)
    _, scale = _black_and_scale(stored.dtype, stored.shape[-1], black_level, white_level)
    noisy = np.empty_like(stored)
    if highest is None:
        highest = max(float(white_level), float(stored.max()))
    for rows in _blocks(stored):
        block = stored[rows] + noise[rows].astype(np.float64) * scale
        noisy[rows] = _rounded(block, stored.dtype, highest)
    return noisy


def _rounded(values: np.ndarray, dtype: np.dtype, highest: Level) -> np.ndarray:
    """Numbers that an integer type can hold, from 0 to the highest; those of floats as they are."""
    return values if dtype.kind == "f" else np.clip(np.rint(values), 0.0, np.floor(highest))


def _black_and_scale(
    dtype: np.dtype, channels: int, black_level: Levels, white_level: Level
) -> tuple[np.ndarray, np.ndarray]:
    check_numbers(white_level=white_level)
    black = np.atleast_1d(np.asarray(black_level, np.float64))
    if black.shape not in ((1,), (channels,)):
        raise UsageError(
            f"{black.size} black levels do not fit {channels} channel(s): give one, or one for "
            "each channel."
        )
    scale = white_level - black
    if not (np.isfinite(scale).all() and scale.min() > 0):
        raise UsageError(
            f"the black level {black.max():g} is not below the white level {white_level:g}: give "
            "both in the units of the file."
        )
    if dtype.kind != "f" and not 0 <= black.min() <= white_level <= full_scale(dtype):
        raise UsageError(
            f"{dtype} numbers have levels from 0 to {full_scale(dtype):g}, not "
            f"{black.min():g} to {white_level:g}: give both in the units of the file."
        )
    return black, scale


def _check_image(**images: np.ndarray) -> None:
    for name, image in images.items():
        if image.ndim != 3 or 0 in image.shape or not is_real(image):
            raise UsageError(
                f"{name} has shape {image.shape} and type {image.dtype}: give one image (height, "
                "width, C) of numbers."
            )


def _blocks(image: np.ndarray) -> Iterator[slice]:
    step = max(1, BLOCK_VALUES // (image.shape[1] * image.shape[2]))
    return (slice(start, start + step) for start in range(0, len(image), step))
