"""Linear autoregressive Gaussian noise: a noise curve, then a causal linear prediction of what it
leaves.

The noise minus its mean, over its standard deviation, is predicted from the pixels above and to
the left and from the earlier channels of the pixel itself; what the prediction leaves is white.
Fitted by moments and least squares, without a gradient step: the yardstick for any model that sees
neighbours.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Num

from jaxnoise.batch import only_valid
from jaxnoise.causal import SHRINKAGE, fit_taps, gram, predict, solve
from jaxnoise.checks import check_key, check_numbers
from jaxnoise.conditions import check_given, nearest_rows, table_rows
from jaxnoise.curve import (
    VARIANCE_FLOOR,
    Curve,
    curve_table,
    evaluate,
    intensity_moments,
    smallest_correction,
)

MIX = "nhwc,ndc->nhwd"


@dataclass(frozen=True)
class Config:
    """Configuration of an autoregressive model.

    Attributes:
        channels: channels of the images.
        cameras: names of the known cameras.
        isos: known ISO numbers, ascending; 0 is "not stated".
        radius: how far the prediction looks, in pixels.
        knots: knots of the noise curve's corrections.
    """

    channels: int = 4
    cameras: tuple[str, ...] = ("camera",)
    isos: tuple[int, ...] = (0,)
    radius: int = 3
    knots: int = 17


def fit(
    config: Config,
    noise: Float[Array, "n h w c"],
    clean: Float[Array, "n h w c"],
    camera: Num[Array, " n"],
    iso: Num[Array, " n"],
    *,
    valid: Bool[Array, "n h w 1"] | None = None,
    variance_floor: float = VARIANCE_FLOOR,
) -> dict[str, Array]:
    """Curve, taps and covariance of the prediction error for every camera and ISO.

    Args:
        config: known cameras and ISO numbers, radius and knots.
        noise: `noisy - clean`, shape (N, H, W, C), fraction of full scale.
        clean: same shape and unit.
        camera: shape (N,), index into `config.cameras`.
        iso: shape (N,), ISO numbers.
        valid: shape (N, H, W, 1), True where a pixel counts; what the others hold does not matter.
            None: all do.
        variance_floor: smallest variance, squared unit of full scale; for data in steps, that of
            rounding to them, `step**2 / 12`.

    Returns:
        `log_shot`, `log_read`, `log_std`, `mean` (see `jaxnoise.curve.Curve`), `taps` and
        `factor`, the Cholesky factor of the error's covariance, each with leading axes (cameras,
        ISO numbers). Runs on the host, outside jit.

    Raises:
        UsageError: for shapes or types that do not fit, or no image.

    Source: textbook two-dimensional linear prediction (Jain 1989, Chapter 6).
    """
    known = {"cameras": config.cameras, "isos": config.isos, "channels": config.channels}
    given = {"noise": noise, "clean": clean, "valid": valid, "least": 1}
    check_given(camera, iso, **known, **given)
    check_numbers(variance_floor=variance_floor)
    cameras, isos = len(config.cameras), len(config.isos)
    key = nearest_rows(camera, iso, isos=config.isos)
    noise, clean = only_valid(noise, valid), only_valid(clean, valid)
    moments = intensity_moments(noise, clean, key, keys=cameras * isos, valid=valid)
    options = {"knots": config.knots, "variance_floor": variance_floor}
    table = curve_table(moments, cameras=cameras, isos=config.isos, **options)
    variables = {name: jnp.asarray(value, noise.dtype) for name, value in table.items()}
    residual, _ = jax.jit(_normalise, static_argnums=1)(
        variables, config, noise, clean, camera, iso
    )
    given = {"radius": config.radius, "keys": cameras * isos, "valid": valid}
    sums, pixels = gram(residual, key, **given)
    taps, covariance = fit_taps(
        np.asarray(sums), np.asarray(pixels), channels=config.channels, shrinkage=SHRINKAGE
    )
    for name, value in {"taps": taps, "factor": np.linalg.cholesky(covariance)}.items():
        shaped = value.reshape(cameras, isos, *value.shape[1:])
        variables[name] = jnp.asarray(shaped, noise.dtype)
    return {**variables, "log_std": _held_up(table, variables, variance_floor)}


def _held_up(table: dict[str, np.ndarray], variables: dict[str, Array], variance_floor: float):
    """The curve's corrections with the floor under the variance that a prediction leaves, too."""
    scale = np.diagonal(np.asarray(variables["factor"]).astype(np.float64), axis1=-2, axis2=-1)
    line = np.exp(table["log_shot"]), np.exp(table["log_read"])
    knots = table["log_std"].shape[-1]
    smallest = smallest_correction(*line, knots, variance_floor / scale**2)
    return jnp.asarray(np.maximum(table["log_std"], smallest), variables["log_std"].dtype)


def _rows(variables, config, camera, iso, *names):
    known = {"cameras": config.cameras, "isos": config.isos}
    return [table_rows(camera, iso, variables[name], **known) for name in names]


def _normalise(variables, config, noise, clean, camera, iso):
    """Noise with the curve's mean removed, over its standard deviation, and the log of that."""
    curve = Curve(*_rows(variables, config, camera, iso, *Curve._fields))
    log_std, mean = evaluate(curve, clean)
    return (noise - mean) * jnp.exp(-log_std), log_std


def log_prob(
    variables: dict[str, Array],
    config: Config,
    noise: Float[Array, "n h w c"],
    clean: Float[Array, "n h w c"],
    camera: Num[Array, " n"],
    iso: Num[Array, " n"],
    *,
    valid: Bool[Array, "n h w 1"] | None = None,
) -> Float[Array, " n"]:
    """Log density of noise given clean images.

    Args:
        variables: from `fit`.
        config: known cameras and ISO numbers, radius and knots.
        noise: shape (N, H, W, C), fraction of full scale.
        clean: same shape and unit.
        camera: shape (N,), index into `config.cameras`.
        iso: shape (N,), ISO numbers.
        valid: shape (N, H, W, 1), True where a pixel counts; what the others hold does not matter.
            None: all do.

    Returns:
        Nats per image, shape (N,).

    Raises:
        UsageError: for shapes or types that do not fit; outside jit also for unknown conditions,
            which give NaN under it.

    Source: Jain 1989, Chapter 6.
    """
    known = {"cameras": config.cameras, "isos": config.isos, "channels": config.channels}
    check_given(camera, iso, **known, valid=valid, noise=noise, clean=clean)
    taps, factor = _rows(variables, config, camera, iso, "taps", "factor")
    noise, clean = only_valid(noise, valid), only_valid(clean, valid)
    residual, log_std = _normalise(variables, config, noise, clean, camera, iso)
    # Neighbours see what is expected where nothing is known.
    residual, log_std = only_valid(residual, valid), only_valid(log_std, valid)
    error = residual - predict(residual, taps)
    white = jnp.einsum(MIX, error, jnp.linalg.inv(factor), precision="highest")
    pixels = noise.shape[1] * noise.shape[2]
    if valid is not None:
        pixels = valid.sum((1, 2, 3)).astype(noise.dtype)
    log_volume = jnp.log(jnp.diagonal(factor, axis1=-2, axis2=-1)).sum(-1) * pixels
    energy = 0.5 * only_valid(white**2 + jnp.log(2.0 * jnp.pi), valid).sum((1, 2, 3))
    return -energy - log_std.sum((1, 2, 3)) - log_volume


def sample(
    key: Array,
    variables: dict[str, Array],
    config: Config,
    clean: Float[Array, "n h w c"],
    camera: Num[Array, " n"],
    iso: Num[Array, " n"],
    *,
    temperature: float = 1.0,
) -> Float[Array, "n h w c"]:
    """Correlated Gaussian noise.

    Args:
        key: a `jax.random.key`.
        variables: from `fit`.
        config: known cameras and ISO numbers, radius and knots.
        clean: shape (N, H, W, C), fraction of full scale.
        camera: shape (N,), index into `config.cameras`.
        iso: shape (N,), ISO numbers.
        temperature: factor on the innovations.

    Returns:
        Noise, shape (N, H, W, C), same unit.

    Raises:
        UsageError: for shapes or types that do not fit; outside jit also for unknown conditions,
            which give NaN under it.

    Source: Jain 1989, Chapter 6.
    """
    check_key(key)
    check_numbers(temperature=temperature)
    known = {"cameras": config.cameras, "isos": config.isos, "channels": config.channels}
    check_given(camera, iso, **known, clean=clean)
    taps, factor = _rows(variables, config, camera, iso, "taps", "factor")
    curve = Curve(*_rows(variables, config, camera, iso, *Curve._fields))
    log_std, mean = evaluate(curve, clean)
    white = temperature * jax.random.normal(key, clean.shape, clean.dtype)
    residual = solve(jnp.einsum(MIX, white, factor, precision="highest"), taps)
    return mean + residual * jnp.exp(log_std)
