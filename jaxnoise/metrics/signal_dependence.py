"""How the strength of noise depends on the intensity of the clean image."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Num

from jaxnoise.errors import UsageError
from jaxnoise.metrics._checks import as_real


class IntensityCurve(NamedTuple):
    """Mean square of noise by clean intensity.

    Attributes:
        pixels: (C, B), how many there are in each interval of intensity.
        clean: (C, B), their mean intensity; NaN where there are none.
        square: (C, B), their mean of noise^2, squared unit of the noise; NaN where there are none.
    """

    pixels: Float[np.ndarray, "c b"]
    clean: Float[np.ndarray, "c b"]
    square: Float[np.ndarray, "c b"]


def square_by_intensity(
    noise: Num[np.ndarray, "..."], clean: Num[np.ndarray, "..."], *, bins: int = 10
) -> IntensityCurve:
    """Mean square of noise in equal intervals of the clean intensity, channel by channel.

    Args:
        noise: shape (..., C), any unit.
        clean: same shape, fraction of full scale; what lies outside [0, 1] counts to the ends.
        bins: number B of intervals of [0, 1].

    Returns:
        The curve.

    Raises:
        UsageError: for unlike shapes or no interval.
    """
    squares, values = _pair(noise, clean)
    if bins < 1:
        raise UsageError(f"{bins} intervals of intensity are none: give at least one.")
    channels = values.shape[-1]
    place = np.clip((values * bins).astype(int), 0, bins - 1) + bins * np.arange(channels)
    shape = channels, bins
    count = np.bincount(place.ravel(), minlength=channels * bins).reshape(shape).astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = [
            np.bincount(place.ravel(), weights.ravel(), channels * bins).reshape(shape) / count
            for weights in (values, squares)
        ]
    return IntensityCurve(count, *means)


def intensity_slope(
    noise: Num[np.ndarray, "..."], clean: Num[np.ndarray, "..."]
) -> tuple[float, float]:
    """Least-squares slope of noise^2 on clean intensity, and its standard error.

    Args:
        noise: any shape, any unit.
        clean: same shape, fraction of full scale.

    Returns:
        The slope in squared units of the noise for each unit of `clean`, and its standard error
        that allows the spread of noise^2 to depend on intensity (White 1980); NaN where `clean` is
        constant. Pixels are taken as independent.

    Raises:
        UsageError: for unlike shapes.
    """
    squares, values = (array.ravel() for array in _pair(noise, clean))
    x = values - values.mean()
    energy = np.sum(x * x)
    if energy == 0:
        return float("nan"), float("nan")
    slope = np.sum(x * squares) / energy
    residual = squares - squares.mean() - slope * x
    return float(slope), float(np.sqrt(np.sum((x * residual) ** 2)) / energy)


def bright_over_dark(
    noise: Num[np.ndarray, "..."], clean: Num[np.ndarray, "..."], *, share: float = 0.2
) -> float:
    """Root mean square of the noise in the brightest pixels over that in the darkest.

    Args:
        noise: any shape, any unit.
        clean: same shape, fraction of full scale.
        share: of all pixels that are the brightest, and of those that are the darkest.

    Returns:
        1 where the noise does not depend on intensity.

    Raises:
        UsageError: for unlike shapes, or a share that is not in (0, 0.5].
    """
    squares, values = (array.ravel() for array in _pair(noise, clean))
    if not 0 < share <= 0.5:
        raise UsageError(f"a share of {share:g} is not in (0, 0.5]: give such a one.")
    low, high = np.quantile(values, [share, 1 - share])
    return float(np.sqrt(squares[values >= high].mean() / squares[values <= low].mean()))


def _pair(noise: np.ndarray, clean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Squares of the noise, and the clean values, in float64."""
    noise, clean = np.asarray(noise), np.asarray(clean)
    if noise.shape != clean.shape or not noise.size:
        raise UsageError(
            f"noise has shape {noise.shape} and clean {clean.shape}: pass two of the same shape, "
            "not empty."
        )
    values = np.asarray(as_real(noise), np.float64)
    return values**2, np.asarray(as_real(clean), np.float64)
