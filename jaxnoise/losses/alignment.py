"""Moment alignment: noise of mean 0 and of the variance that was asked for."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Num

from jaxnoise.checks import check_batch, check_numbers
from jaxnoise.errors import UsageError
from jaxnoise.sigma import Level, checked_level, over_images

FORMS = ("absolute", "squared", "relative")
SCOPES = ("patch", "batch")
FLOOR = 1 / 255
"""Level below which the relative form divides by this, in units of full scale."""
FEW = 100
"""Values of a bin that make it count half: their variance is known to 14 %."""
MOST_BINS = 256


def alignment(
    noise: Float[Array, "n h w c"],
    sigma: Level,
    *,
    form: str = "relative",
    scope: str = "patch",
    intensity: Float[Array, "n h w c"] | None = None,
    bins: int = 10,
    floor: float | Num[Array, ""] = FLOOR,
) -> Float[Array, ""]:
    """How far the mean of noise is from 0 and its variance from the square of a level.

    With m the mean of noise, v its variance and s^2 the mean square of the level, each patch adds

    - "absolute": |m| + |v - s^2|, the paper's: a sum of the noise's unit and its square;
    - "squared": m^2 + (v - s^2)^2, a sum of the unit squared and its fourth power;
    - "relative": the same of noise divided by its level at each pixel, which has no unit.

    What the first two come to depends on the unit: 20 % too much noise at a level of 10 of 255 is
    6.8e-4 and 4.6e-7 as fractions of full scale, and 44 and 1936 for `255 * noise`, `255 * sigma`
    and `255 * floor`; the third is 0.19 in either.

    Args:
        noise: patches, shape (N, H, W, C), any unit.
        sigma: level asked for, a standard deviation: shape (N,), above 0, or (N, H, W, C), at least
            0; same unit.
        form: "absolute", "squared" or "relative".
        scope: "patch", as in the paper, takes the moments of each patch and the mean of what they
            add; "batch" the mean of the patches' means and that of their variances, so that one
            patch may have more variance and another less.
        intensity: clean patches, shape of the noise, fractions of full scale: with the scope
            "batch", the moments are those of the values of one channel whose intensity lies in one
            of equal bins of [0, 1], of all patches together, and the level is that of the bin. A
            bin of n values counts n / (n + 100), and one of fewer than two not at all.
        bins: of the intensity, 1 to 256.
        floor: level above 0 by which "relative" divides where the level is smaller, which then is
            missed by little; same unit as the noise.

    Returns:
        Scalar >= 0; 0 when all moments are as asked for. The mean over patches, or over bins by
        what they count. Under jit NaN for a level that is no such number.

    Raises:
        UsageError: for shapes or types that do not fit, unknown words, patches of one value, an
            intensity without the scope "batch"; outside jit also for such a level.

    Source: CoNo, Eqs. 13 and 14; the forms, scopes and bins are this project's choice.
    """
    if form not in FORMS or scope not in SCOPES:
        raise UsageError(
            f"form is {form!r} and scope {scope!r}: use {', '.join(FORMS)}, and "
            f"{' or '.join(SCOPES)}."
        )
    check_numbers(floor=floor)
    check_batch(least=1, noise=noise, intensity=noise if intensity is None else intensity)
    if noise[0].size < 2:
        raise UsageError(f"noise has shape {noise.shape}: a variance needs two values a patch.")
    if intensity is not None and (scope != "batch" or not 1 <= bins <= MOST_BINS):
        raise UsageError(
            f"scope is {scope!r} and bins is {bins}: bins of intensity are of the whole batch, so "
            f'use "batch", and 1 to {MOST_BINS} of them.'
        )
    noise = jnp.asarray(noise)
    level = over_images(checked_level(sigma, noise))
    if form == "relative":
        scale = jnp.maximum(level, floor)
        noise, level = noise / scale, level / scale
    square = jnp.broadcast_to(level**2, noise.shape)
    if intensity is not None:
        return _by_intensity(noise, square, jnp.asarray(intensity), form, bins)
    own = (1, 2, 3)
    mean = noise.mean(own)
    variance = noise.var(own, ddof=1)
    wanted = square.mean(own)
    if scope == "batch":
        mean, variance, wanted = mean.mean(), variance.mean(), wanted.mean()
    return _miss(mean, variance, wanted, form).mean()


def _miss(mean: Array, variance: Array, wanted: Array, form: str) -> Array:
    if form == "absolute":
        return jnp.abs(mean) + jnp.abs(variance - wanted)
    return mean**2 + (variance - wanted) ** 2


@partial(jax.jit, static_argnames=("form", "bins"))
def _by_intensity(
    noise: Array, square: Array, intensity: Array, form: str, bins: int
) -> Float[Array, ""]:
    place = jnp.clip(jnp.floor(intensity * bins), 0, bins - 1)
    member = place[..., None] == jnp.arange(bins)
    number = member.sum((0, 1, 2)).astype(noise.dtype)

    def total(values: Array) -> Array:
        return jnp.where(member, values[..., None], 0).sum((0, 1, 2))

    mean = total(noise) / jnp.maximum(number, 1)
    # About the mean of the bin; where a bin is empty, about that of none.
    about = jnp.where(member, noise[..., None] - mean, 0)
    variance = (about**2).sum((0, 1, 2)) / jnp.maximum(number - 1, 1)
    wanted = total(square) / jnp.maximum(number, 1)
    counts = jnp.where(number > 1, number / (number + FEW), 0)
    missed = jnp.where(number > 1, _miss(mean, variance, wanted, form), 0)
    return (counts * missed).sum() / jnp.maximum(counts.sum(), jnp.finfo(noise.dtype).tiny)
