"""Poisson-Gaussian noise: photon shot noise plus Gaussian read noise."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Num

from jaxnoise.checks import check_key, check_numbers
from jaxnoise.conditions import check_given, table_rows
from jaxnoise.curve import VARIANCE_FLOOR
from jaxnoise.noise import nlf, poisson


@dataclass(frozen=True)
class Config(nlf.Config):
    """Configuration of Poisson-Gaussian noise: that of a noise level function."""


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
    """Shot and read variance of every camera and ISO, as of a noise level function.

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
        `log_shot` and `log_read`, each of shape (cameras, ISO numbers).

    Raises:
        UsageError: for shapes or types that do not fit, or no image.

    Source: Noise Flow, Eqs. 4 and 6.
    """
    options = {"valid": valid, "variance_floor": variance_floor}
    return nlf.fit(config, noise, clean, camera, iso, **options)


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
    """Shot noise of photons plus Gaussian read noise.

    Args:
        key: a `jax.random.key`.
        variables: from `fit`.
        config: known cameras and ISO numbers.
        clean: shape (N, H, W, C), fraction of full scale.
        camera: shape (N,), index into `config.cameras`.
        iso: shape (N,), ISO numbers.
        temperature: factor on the noise.

    Returns:
        Noise, shape (N, H, W, C), same unit; mean 0, variance `shot * clean + read`.

    Raises:
        UsageError: for shapes or types that do not fit; outside jit also for unknown conditions,
            which give NaN under it.

    Source: Noise Flow, Eq. 4.
    """
    check_key(key)
    check_numbers(temperature=temperature)
    known = {"cameras": config.cameras, "isos": config.isos}
    check_given(camera, iso, **known, clean=clean)
    shot_key, read_key = jax.random.split(key)
    shot = poisson.sample(shot_key, variables, config, clean, camera, iso)
    read = jnp.exp(0.5 * table_rows(camera, iso, variables["log_read"], **known))
    white = jax.random.normal(read_key, clean.shape, clean.dtype)
    return temperature * (shot + read[:, None, None, None] * white)
