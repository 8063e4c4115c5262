"""Noise curves: standard deviation and mean of the noise as smooth functions of the clean
intensity.

The variance is `(shot * I + read) * exp(2 c(I))` and the mean is `m(I)`, with c and m piecewise
linear between equally spaced knots on [0, 1]. Raw sensors need c = 0; rendered images, whose tone
curve makes mid-tones the noisiest, need the knots.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jaxnoise.batch import only_valid
from jaxnoise.conditions import fill_absent

VARIANCE_FLOOR = 1e-14
"""Smallest read-noise variance that a fit returns where the caller states none, in squared units of
full scale. It keeps logarithms finite and says nothing of data: in data with steps no noise is
smaller than that of rounding to them, `step**2 / 12`."""
PIXELS_AT_ONCE = 2**22


class Curve(NamedTuple):
    """A noise curve, or a table of them: the leading axes are free.

    Attributes:
        log_shot: log of the variance per unit of intensity, shape (..., C).
        log_read: log of the variance at zero intensity, shape (..., C).
        log_std: correction of the log standard deviation at each knot, shape (..., C, K).
        mean: mean of the noise at each knot, unit of full scale, shape (..., C, K).
    """

    log_shot: Float[Array | np.ndarray, "*n c"]
    log_read: Float[Array | np.ndarray, "*n c"]
    log_std: Float[Array | np.ndarray, "*n c k"]
    mean: Float[Array | np.ndarray, "*n c k"]


def hat_weights(intensity: Float[Array, "*n"], knots: int) -> Float[Array, "*n k"]:
    """Weights of linear interpolation between equally spaced knots on [0, 1].

    Args:
        intensity: any shape, fraction of full scale; values outside [0, 1] take the end knots.
        knots: their number K >= 2.

    Returns:
        Shape (..., K), non-negative, summing to 1.
    """
    position = jnp.clip(intensity, 0.0, 1.0)[..., None] * (knots - 1)
    return jnp.maximum(0.0, 1.0 - jnp.abs(position - jnp.arange(knots, dtype=position.dtype)))


def evaluate(
    curve: Curve, clean: Float[Array, "*n h w c"]
) -> tuple[Float[Array, "*n h w c"], Float[Array, "*n h w c"]]:
    """Log standard deviation and mean of the noise at each pixel.

    Args:
        curve: one curve per image and channel, leading axes (N,) or none.
        clean: shape (..., H, W, C), fraction of full scale.

    Returns:
        The log standard deviation and the mean, both of the broadcast shape (..., H, W, C).
    """
    spread = lambda values: values[..., None, None, :]  # noqa: E731
    variance = spread(jnp.exp(curve.log_shot)) * jnp.maximum(clean, 0.0)
    variance = variance + spread(jnp.exp(curve.log_read))
    weights = hat_weights(clean, curve.mean.shape[-1])
    at_pixels = lambda knots: (weights * knots[..., None, None, :, :]).sum(-1)  # noqa: E731
    log_std = 0.5 * jnp.log(jnp.maximum(variance, VARIANCE_FLOOR)) + at_pixels(curve.log_std)
    return log_std, at_pixels(curve.mean)


class IntensityMoments(NamedTuple):
    """Moments of the noise in bins of the clean intensity, per key and channel: shape (keys, C,
    bins).

    Attributes:
        number: of values.
        intensity: sum of the clean intensities.
        first: sum of the noise.
        second: sum of the squared noise.
    """

    number: Float[np.ndarray, "keys c bins"]
    intensity: Float[np.ndarray, "keys c bins"]
    first: Float[np.ndarray, "keys c bins"]
    second: Float[np.ndarray, "keys c bins"]


def intensity_moments(
    noise: Float[Array, "n h w c"],
    clean: Float[Array, "n h w c"],
    key: Int[Array, " n"],
    *,
    keys: int,
    bins: int = 256,
    valid: Bool[Array, "n h w 1"] | None = None,
) -> IntensityMoments:
    """Sums over pixels, in bins that are equally wide in the square root of the intensity.

    Args:
        noise: shape (N, H, W, C), fraction of full scale.
        clean: same shape and unit.
        key: shape (N,), which of the keys each image belongs to.
        keys: their number.
        bins: bins over [0, 1]; the square root keeps the dark end fine, where variance changes
            fastest.
        valid: shape (N, H, W, 1), True where a pixel counts; None: all do.

    Returns:
        The moments, shape (keys, C, bins), float64. Runs on the host, outside jit.
    """
    totals = [np.zeros((keys, noise.shape[-1], bins)) for _ in IntensityMoments._fields]
    # Single precision counts no further than 2^24, so longer sums are taken in pieces.
    images = max(1, PIXELS_AT_ONCE // (noise.shape[1] * noise.shape[2]))
    for start in range(0, len(noise), images):
        piece = slice(start, start + images)
        counted = None if valid is None else valid[piece]
        sums = _sum_in_bins(noise[piece], clean[piece], key[piece], keys, bins, counted)
        for total, part in zip(totals, sums, strict=True):
            total += np.asarray(part)
    return IntensityMoments(*totals)


@partial(jax.jit, static_argnums=(3, 4))
def _sum_in_bins(
    noise: Array, clean: Array, key: Array, keys: int, bins: int, valid: Array | None
) -> list[Array]:
    noise, clean = only_valid(noise, valid), only_valid(clean, valid)
    channels = noise.shape[-1]
    place = jnp.sqrt(jnp.clip(clean, 0.0, 1.0)) * bins
    place = jnp.clip(place.astype(jnp.int32), 0, bins - 1)
    place = (key[:, None, None, None] * channels + jnp.arange(channels)) * bins + place
    counts = only_valid(jnp.ones_like(noise), valid)
    sums = (counts, jnp.clip(clean, 0.0, 1.0), noise, noise**2)
    shape = (keys, channels, bins)
    return [
        jax.ops.segment_sum(values.ravel(), place.ravel(), keys * channels * bins).reshape(shape)
        for values in sums
    ]


def fit_linear_variance(
    moments: IntensityMoments, *, iterations: int = 40, variance_floor: float = VARIANCE_FLOOR
) -> tuple[np.ndarray, np.ndarray]:
    """Maximum-likelihood shot and read variances of zero-mean Gaussian noise, per key and channel.

    Fisher scoring on binned moments: weighted least squares of the mean square on the mean
    intensity with weights count / variance^2, both coefficients kept non-negative.

    Args:
        moments: shape (keys, C, bins); keys without data give NaN.
        iterations: scoring steps.
        variance_floor: smallest read variance, squared unit of full scale.

    Returns:
        Shot and read variance, float64, each of shape (keys, C), read at least the floor.

    Source: Foi et al. 2008, "Practical Poissonian-Gaussian noise modeling", Section IV.
    """
    count, intensity, _, second = moments
    filled = np.maximum(count, 1.0)
    x, y = intensity / filled, second / filled
    total = count.sum(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        pooled = second.sum(-1) / total
    variance = np.broadcast_to(np.maximum(pooled, variance_floor)[..., None], y.shape)
    shot, read = np.zeros_like(pooled), pooled
    for _ in range(iterations):
        weight = count / variance**2
        moment = lambda *factors: np.prod(np.broadcast_arrays(weight, *factors), 0).sum(-1)  # noqa: B023, E731
        s0, sx, sxx, sy, sxy = moment(), moment(x), moment(x, x), moment(y), moment(x, y)
        with np.errstate(invalid="ignore", divide="ignore"):
            determinant = s0 * sxx - sx**2
            spread = determinant > 1e-9 * s0 * sxx
            shot = np.where(spread, (s0 * sxy - sx * sy) / determinant, 0.0)
            read = np.where(spread, (sxx * sy - sx * sxy) / determinant, sy / s0)
            read = np.where(shot < 0, sy / s0, read)
            shot = np.where(read < 0, sxy / sxx, np.maximum(shot, 0.0))
        read = np.where(np.isnan(pooled), np.nan, np.maximum(read, variance_floor))
        shot = np.where(np.isnan(pooled), np.nan, shot)
        variance = np.nan_to_num(shot[..., None] * x + read[..., None], nan=1.0)
        variance = np.maximum(variance, variance_floor)
    return shot, read


def fit_curve(
    moments: IntensityMoments,
    *,
    knots: int = 17,
    correlated: float = 10.0,
    variance_floor: float = VARIANCE_FLOOR,
) -> Curve:
    """A curve per key and channel by moments: linear variance first, then smooth corrections.

    Args:
        moments: shape (keys, C, bins); keys without data give NaN.
        knots: knots K of the corrections.
        correlated: how many neighbouring pixels carry the information of one independent pixel; the
            corrections are shrunk towards 0 accordingly.
        variance_floor: smallest variance of the curve, squared unit of full scale, where no data
            hold it up included.

    Returns:
        Arrays of shape (keys, C) and (keys, C, K), float64.
    """
    shot, read = fit_linear_variance(moments, variance_floor=variance_floor)
    count, intensity, first, second = moments
    filled = np.maximum(count, 1.0)
    x, mean = intensity / filled, first / filled
    variance = np.maximum(
        np.nan_to_num(shot[..., None] * x + read[..., None], nan=1.0), variance_floor
    )
    weights = np.asarray(hat_weights(jnp.asarray(x, float), knots)).astype(np.float64)
    information = count / correlated
    scatter = np.maximum(second / filled - mean**2, 1e-3 * variance)
    log_ratio = 0.5 * np.log(np.where(count > 1, scatter / variance, 1.0))
    log_std = _ridge(weights, log_ratio, 2.0 * information, prior=1.0)
    line = np.nan_to_num(shot, nan=1.0), np.nan_to_num(read, nan=1.0)
    log_std = np.maximum(log_std, smallest_correction(*line, knots, variance_floor))
    mean_prior = (variance * count).sum(-1) / np.maximum(count.sum(-1), 1.0)
    mean_prior = np.maximum(mean_prior, variance_floor)
    means = _ridge(weights, mean, information / variance, prior=1.0 / mean_prior)
    absent = np.isnan(shot)[..., None]
    log_shot = np.log(np.maximum(shot, VARIANCE_FLOOR))
    return Curve(
        np.where(absent[..., 0], np.nan, log_shot),
        np.log(read),
        np.where(absent, np.nan, log_std),
        np.where(absent, np.nan, means),
    )


def smallest_correction(
    shot: Float[np.ndarray, "*n c"],
    read: Float[np.ndarray, "*n c"],
    knots: int,
    variance_floor: float | Float[np.ndarray, "*n c"],
) -> Float[np.ndarray, "*n c k"]:
    """Of the log standard deviation at each knot: below it the variance is under the floor.

    Between knots the log variance of the line is concave and the correction straight, and outside
    [0, 1] the end knots hold, so that the floor holds at every intensity.

    Args:
        shot: variance per unit of intensity, shape (..., C).
        read: variance at zero intensity, shape (..., C).
        knots: their number K.
        variance_floor: the same for all, or shape (..., C).

    Returns:
        Shape (..., C, K).
    """
    line = shot[..., None] * np.linspace(0.0, 1.0, knots) + read[..., None]
    return 0.5 * np.log(np.asarray(variance_floor)[..., None] / line)


def _ridge(weights, target, information, *, prior):
    """Posterior mean of knot values: Gaussian observations, a smooth Gaussian prior around 0."""
    knots = weights.shape[-1]
    bend = np.diff(np.eye(knots), 2, axis=0)
    roughness = np.eye(knots) + 100.0 * bend.T @ bend
    normal = np.einsum("...bk,...b,...bl->...kl", weights, information, weights)
    normal = normal + np.asarray(prior)[..., None, None] * roughness
    right = np.einsum("...bk,...b->...k", weights, information * target)
    return np.linalg.solve(normal, right[..., None])[..., 0]


def curve_table(
    moments: IntensityMoments,
    *,
    cameras: int,
    isos: tuple[int, ...],
    knots: int = 17,
    variance_floor: float = VARIANCE_FLOOR,
) -> dict[str, np.ndarray]:
    """A fitted curve for every camera and ISO number, those without data filled from their
    relatives.

    Args:
        moments: shape (cameras * len(isos), C, bins).
        cameras: number of cameras.
        isos: known ISO numbers.
        knots: knots K of the corrections.
        variance_floor: as for `fit_curve`.

    Returns:
        The fields of `Curve`, each with leading axes (cameras, len(isos)), float64. Where data are
        absent shot variance is taken to grow with the ISO number and read variance with its square.
    """
    growth = {"log_shot": 1.0, "log_read": 2.0}
    fitted = fit_curve(moments, knots=knots, variance_floor=variance_floor)
    tables = {
        name: fill_absent(
            table.reshape(cameras, len(isos), *table.shape[1:]),
            isos=isos,
            power=growth.get(name, 0.0),
        )
        for name, table in fitted._asdict().items()
    }
    # A relative's values, scaled to another ISO number, know nothing of the floor.
    tables["log_read"] = np.maximum(tables["log_read"], np.log(variance_floor))
    line = np.exp(tables["log_shot"]), np.exp(tables["log_read"])
    smallest = smallest_correction(*line, knots, variance_floor)
    return {**tables, "log_std": np.maximum(tables["log_std"], smallest)}
