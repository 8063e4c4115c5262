"""Random levels of shot and read noise, one pair of variances an image."""

import math

import numpy as np

from jaxnoise import checks
from jaxnoise.errors import UsageError

PRESETS = ("uniform", "normalised", "paper", "brooks")
HIGHEST = 20 / 255
"""Standard deviation up to which levels are drawn, a fraction of full scale."""
SHOT_RANGES = {"paper": (0.001, 0.12), "brooks": (0.0001, 0.012)}
SLOPE, INTERCEPT, SPREAD = 2.18, 1.2, 0.26
"""Of the normal logarithm of the read variance, given that of the shot variance."""


def draw(
    random: np.random.Generator,
    preset: str,
    *,
    highest: float | int = HIGHEST,
    mean: float | int | None = None,
) -> tuple[float, float]:
    """Shot and read variance of one image, of which a clean pixel y has noise `shot y + read`.

    - "uniform": the roots of both are uniform up to `highest` and independent. Noise of a white
      pixel has a standard deviation of up to 1.41 times that.
    - "normalised": the same, then both multiplied so that `shot mean + read` is the square of a
      number that is uniform up to `highest`.
    - "paper": log(shot) uniform between those of 0.001 and 0.12, and log(read) normal about 2.18
      log(shot) + 1.2 with a standard deviation of 0.26.
    - "brooks": the same between 0.0001 and 0.012, which is what "paper" very probably means to
      cite: shot noise of 0.12 is a standard deviation of 0.35 in white.

    Args:
        random: a generator; each call draws from it.
        preset: one of these words.
        highest: standard deviation, a fraction of full scale, above 0; "paper" and "brooks" have
            their own range.
        mean: of the clean image, a fraction of full scale, at least 0; "normalised" needs it.

    Returns:
        shot: variance per unit of intensity, above 0.
        read: variance, in squared fractions of full scale, above 0.

    Raises:
        UsageError: an unknown preset, numbers out of range, or a mean that is missing.

    Source: Dong et al., "Residual Contrastive Learning", 2022, Eqs. 14 to 17; Brooks et al.,
        "Unprocessing Images for Learned Raw Denoising", 2019, Section 3.1.
    """
    if preset not in PRESETS:
        raise UsageError(f"levels are {preset!r}: use {', '.join(PRESETS)}.")
    checks.check_numbers(highest=highest)
    if not (math.isfinite(highest) and highest > 0):
        raise UsageError(f"highest is {highest}: give a standard deviation above 0, as 20 / 255.")
    if preset in SHOT_RANGES:
        low, high = map(math.log, SHOT_RANGES[preset])
        log_shot = random.uniform(low, high)
        log_read = random.normal(SLOPE * log_shot + INTERCEPT, SPREAD)
        return math.exp(log_shot), math.exp(log_read)
    shot, read = (_up_to(highest, random) ** 2 for _ in range(2))
    if preset == "uniform":
        return shot, read
    if mean is None:
        raise UsageError("normalised levels depend on the image: give the mean of it as mean.")
    checks.check_numbers(mean=mean)
    if not (math.isfinite(mean) and mean >= 0):
        raise UsageError(f"mean is {mean}: give that of a clean image, at least 0.")
    factor = _up_to(highest, random) ** 2 / (shot * mean + read)
    return factor * shot, factor * read


def _up_to(highest: float | int, random: np.random.Generator) -> float:
    """Uniform, and never 0."""
    return float(highest) * (1 - random.random())
