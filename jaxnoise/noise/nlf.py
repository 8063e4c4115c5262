"""Noise level function: Gaussian noise, variance linear in intensity per camera and ISO."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

from jaxnoise.conditions import check_conditions, fill_absent, nearest_rows, table_rows
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
) -> dict[str, Array]:
    """The maximum-likelihood shot and read variance of every camera and ISO.

    Args:
        config: known cameras and ISO numbers.
        noise: `noisy - clean`, shape (N, H, W, C), fraction of full scale.
        clean: same shape and unit.
        camera: shape (N,), index into `config.cameras`.
        iso: shape (N,), ISO numbers.

    Returns:
        `log_shot` and `log_read`, each of shape (cameras, ISO numbers); conditions without data
        take values from their nearest relatives. Runs on the host, outside jit.

    Source: Noise Flow, Eq. 6: variance = beta1 I + beta2, beta1 = shot, beta2 = read.
    """
    check_conditions(camera, iso, cameras=config.cameras, isos=config.isos)
    cameras, isos = len(config.cameras), len(config.isos)
    key = nearest_rows(camera, iso, isos=config.isos)
    moments = intensity_moments(noise, clean, key, keys=cameras * isos)
    pooled = IntensityMoments(*(total.sum(1, keepdims=True) for total in moments))
    shot, read = (values.reshape(cameras, isos) for values in fit_linear_variance(pooled))
    tables = {"log_shot": (shot, 1.0), "log_read": (read, 2.0)}
    return {
        name: jnp.asarray(
            fill_absent(np.log(np.maximum(table, VARIANCE_FLOOR)), isos=config.isos, power=power),
            noise.dtype,
        )
        for name, (table, power) in tables.items()
    }


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
        UsageError: for unknown conditions outside jit; NaN under it.

    Source: Noise Flow, Eq. 6.
    """
    known = {"cameras": config.cameras, "isos": config.isos}
    check_conditions(camera, iso, **known)
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
) -> Float[Array, " n"]:
    """Log density of noise given clean images.

    Args:
        variables: from `fit`.
        config: known cameras and ISO numbers.
        noise: shape (N, H, W, C), fraction of full scale.
        clean: same shape and unit.
        camera: shape (N,), index into `config.cameras`.
        iso: shape (N,), ISO numbers.

    Returns:
        Nats per image, shape (N,).

    Raises:
        UsageError: for unknown conditions outside jit; NaN under it.

    Source: Noise Flow, Eq. 5.
    """
    spread = variance(variables, config, clean, camera, iso)
    return -0.5 * (noise**2 / spread + jnp.log(2.0 * jnp.pi * spread)).sum((1, 2, 3))


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
        UsageError: for unknown conditions outside jit; NaN under it.

    Source: Noise Flow, Eq. 5.
    """
    white = jax.random.normal(key, clean.shape, clean.dtype)
    return temperature * jnp.sqrt(variance(variables, config, clean, camera, iso)) * white
