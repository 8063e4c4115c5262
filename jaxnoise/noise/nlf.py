"""Noise level function: Gaussian noise, variance linear in intensity per camera and ISO."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Num

from jaxnoise.batch import only_valid
from jaxnoise.checks import check_batch, check_key, check_numbers
from jaxnoise.conditions import check_given, fill_absent, nearest_rows, table_rows
from jaxnoise.curve import VARIANCE_FLOOR, IntensityMoments, fit_linear_variance, intensity_moments


@dataclass(frozen=True)
class Config:
    """Configuration of a noise level function.

    Attributes:
        channels: channels of the images; they share one function.
        cameras: names of the known cameras.
        isos: known ISO numbers, ascending; 0 is "not stated".
    """

    channels: int = 4
    cameras: tuple[str, ...] = ("camera",)
    isos: tuple[int, ...] = (0,)


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
    """The maximum-likelihood shot and read variance of every camera and ISO.

    Args:
        config: known cameras and ISO numbers.
        noise: `noisy - clean`, shape (N, H, W, C), fraction of full scale.
        clean: same shape and unit.
        camera: shape (N,), index into `config.cameras`.
        iso: shape (N,), ISO numbers.
        valid: shape (N, H, W, 1), True where a pixel counts; what the others hold does not matter.
            None: all do.
        variance_floor: smallest variance, squared unit of full scale; for data in steps, that of
            rounding to them, `step**2 / 12`.

    Returns:
        `log_shot` and `log_read`, each of shape (cameras, ISO numbers); conditions without data
        take values from their nearest relatives. Runs on the host, outside jit.

    Raises:
        UsageError: for shapes or types that do not fit, or no image.

    Source: Noise Flow, Eq. 6: variance = beta1 I + beta2, beta1 = shot, beta2 = read.
    """
    known = {"cameras": config.cameras, "isos": config.isos}
    given = {"noise": noise, "clean": clean, "valid": valid, "least": 1}
    check_given(camera, iso, **known, **given)
    check_numbers(variance_floor=variance_floor)
    cameras, isos = len(config.cameras), len(config.isos)
    key = nearest_rows(camera, iso, isos=config.isos)
    moments = intensity_moments(noise, clean, key, keys=cameras * isos, valid=valid)
    pooled = IntensityMoments(*(total.sum(1, keepdims=True) for total in moments))
    fitted = fit_linear_variance(pooled, variance_floor=variance_floor)
    shot, read = (values.reshape(cameras, isos) for values in fitted)
    tables = {"log_shot": (shot, 1.0, VARIANCE_FLOOR), "log_read": (read, 2.0, variance_floor)}
    return {
        name: jnp.asarray(_filled(table, config.isos, power, floor), noise.dtype)
        for name, (table, power, floor) in tables.items()
    }


def _filled(table: np.ndarray, isos: tuple[int, ...], power: float, floor: float) -> np.ndarray:
    """The logarithm of a table, complete and nowhere below that of the floor."""
    logs = fill_absent(np.log(np.maximum(table, floor)), isos=isos, power=power)
    return np.maximum(logs, np.log(floor))


def variance(
    variables: dict[str, Array],
    config: Config,
    clean: Float[Array, "n h w c"],
    camera: Num[Array, " n"],
    iso: Num[Array, " n"],
) -> Float[Array, "n h w c"]:
    """Variance of the noise at each pixel.

    Args:
        variables: from `fit`.
        config: known cameras and ISO numbers.
        clean: shape (N, H, W, C), fraction of full scale.
        camera: shape (N,), index into `config.cameras`.
        iso: shape (N,), ISO numbers; between known ones the coefficients' logarithms interpolate.

    Returns:
        Shape (N, H, W, C), squared units of full scale.

    Raises:
        UsageError: for shapes or types that do not fit; outside jit also for unknown conditions,
            which give NaN under it.

    Source: Noise Flow, Eq. 6.
    """
    known = {"cameras": config.cameras, "isos": config.isos}
    check_given(camera, iso, **known, clean=clean)
    shot, read = (
        jnp.exp(table_rows(camera, iso, variables[name], **known))[:, None, None, None]
        for name in ("log_shot", "log_read")
    )
    return jnp.maximum(shot * jnp.maximum(clean, 0.0) + read, VARIANCE_FLOOR)


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
        config: known cameras and ISO numbers.
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

    Source: Noise Flow, Eq. 5.
    """
    check_batch(noise=noise, clean=clean, valid=valid)
    noise, clean = only_valid(noise, valid), only_valid(clean, valid)
    spread = variance(variables, config, clean, camera, iso)
    energy = noise**2 / spread + jnp.log(2.0 * jnp.pi * spread)
    return -0.5 * only_valid(energy, valid).sum((1, 2, 3))


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
    """Independent Gaussian noise with the variance of the noise level function.

    Args:
        key: a `jax.random.key`.
        variables: from `fit`.
        config: known cameras and ISO numbers.
        clean: shape (N, H, W, C), fraction of full scale.
        camera: shape (N,), index into `config.cameras`.
        iso: shape (N,), ISO numbers.
        temperature: factor on the noise.

    Returns:
        Noise, shape (N, H, W, C), same unit.

    Raises:
        UsageError: for shapes or types that do not fit; outside jit also for unknown conditions,
            which give NaN under it.

    Source: Noise Flow, Eq. 5.
    """
    check_key(key)
    check_numbers(temperature=temperature)
    spread = variance(variables, config, clean, camera, iso)
    white = jax.random.normal(key, clean.shape, clean.dtype)
    return temperature * jnp.sqrt(spread) * white
