"""Noise of stated strength, without real noise beside it: how strong, where, of which shape."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxnoise.metrics import (
    bright_over_dark,
    channel_correlation,
    intensity_slope,
    lag_one,
    square_by_intensity,
)
from train.report.section import plain

TENTHS = 10
FEWEST = 2000
"""Pixels by which the variance of an interval of intensity is known to some 3 %."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LevelResult:
    """Noise of several models at one stated level, over the same clean images.

    Attributes:
        name: of the level.
        clean: shape (N, P, P, C), fraction of full scale.
        level: the standard deviation that is asked for at each pixel, same shape and unit.
        noise: of each model, by name, same shape and unit.
        gap: of each model, squared MMD between crops of different images less that within one.
        draws: several noises of one clean image, shape (K, P, P, C), of the trained model.
        seconds: of each model, for a megapixel of the mosaic; may be empty.
    """

    name: str
    clean: np.ndarray
    level: np.ndarray
    noise: Mapping[str, np.ndarray]
    gap: Mapping[str, float]
    draws: np.ndarray
    seconds: Mapping[str, float]


def evaluate(results: Sequence[LevelResult], *, trained: str) -> dict[str, Any]:
    """The numbers of the tables.

    Args:
        results: one for each level.
        trained: name of the model that was trained.

    Returns:
        What `evaluation.json` gains: "levels", a row for each level and model.
    """
    rows = [
        _row(result, name, is_trained=name == trained)
        for result in results
        for name in result.noise
    ]
    return plain({"levels": rows})


def _row(result: LevelResult, name: str, *, is_trained: bool) -> dict[str, Any]:
    noise, clean, level = result.noise[name], result.clean, result.level
    rms = float(np.sqrt(np.mean(np.square(level, dtype=np.float64))))
    slope, error = intensity_slope(noise / rms, clean)
    right, down = lag_one(noise / level)
    channels = channel_correlation(noise)
    return {
        "level": result.name,
        "name": name,
        "trained": is_trained,
        "std_ratio": float(noise.std(dtype=np.float64)) / rms,
        "mean": float(noise.mean(dtype=np.float64)) / rms,
        "slope": slope,
        "slope_error": error,
        "bright_over_dark": bright_over_dark(noise, clean),
        "lag_right": float(right),
        "lag_down": float(down),
        "channels": float(
            (channels.sum() - np.trace(channels)) / max(channels.size - len(channels), 1)
        ),
        "largest_miss": largest_miss(noise, clean, level),
        "gap": result.gap[name],
        "seconds": result.seconds.get(name),
    }


def largest_miss(noise: np.ndarray, clean: np.ndarray, level: np.ndarray) -> float:
    """By how much the variance misses that asked for, in the tenth of intensity where it is worst.

    Args:
        noise: shape (N, P, P, C).
        clean: same shape, fraction of full scale.
        level: the standard deviation that is asked for, same shape and unit as the noise.

    Returns:
        A signed part of the variance asked for, of the tenths of any channel that hold at least
        `FEWEST` pixels; NaN where none does.
    """
    found = square_by_intensity(noise, clean, bins=TENTHS)
    asked = square_by_intensity(level, clean, bins=TENTHS)
    off = (found.square / asked.square - 1)[found.pixels >= FEWEST]
    return float(off[np.argmax(np.abs(off))]) if off.size else float("nan")
