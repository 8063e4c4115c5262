"""Poisson noise: the shot noise of counted photons, without a density over real numbers."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Num

from jaxnoise.checks import check_key, check_numbers
from jaxnoise.conditions import check_given, fill_absent, nearest_rows, table_rows
from jaxnoise.curve import VARIANCE_FLOOR, intensity_moments
from jaxnoise.noise import nlf

MANY = 1e6
"""Mean count from which a Poisson variable, its skewness below 0.001, is drawn as a normal one."""


@dataclass(frozen=True)
class Config(nlf.Config):
    """Configuration of Poisson noise: that of a noise level function."""


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
    """The shot variance of every camera and ISO; what read noise there is counts in.

    Args:
        config: known cameras and ISO numbers.
        noise: `noisy - clean`, shape (N, H, W, C), fraction of full scale.
        clean: same shape and unit.
        camera: shape (N,), index into `config.cameras`.
        iso: shape (N,), ISO numbers.
        valid: shape (N, H, W, 1), True where a pixel counts; what the others hold does not matter.
            None: all do.
        variance_floor: not used: without light there is no shot noise.

    Returns:
        `log_shot`, shape (cameras, ISO numbers): the value of one photon in units of full scale,
        chosen so that the mean variance is that of the noise.

    Raises:
        UsageError: for shapes or types that do not fit, or no image.

    Source: Noise Flow, Eq. 3.
    """
    known = {"cameras": config.cameras, "isos": config.isos}
    given = {"noise": noise, "clean": clean, "valid": valid, "least": 1}
    check_given(camera, iso, **known, **given)
    check_numbers(variance_floor=variance_floor)
    cameras, isos = len(config.cameras), len(config.isos)
    key = nearest_rows(camera, iso, isos=config.isos)
    moments = intensity_moments(noise, clean, key, keys=cameras * isos, bins=1, valid=valid)
    light, square = moments.intensity.sum((1, 2)), moments.second.sum((1, 2))
    with np.errstate(invalid="ignore"):
        photon = np.where(light > 0, square / light, np.nan).reshape(cameras, isos)
    del variance_floor
    logs = np.log(np.maximum(photon, VARIANCE_FLOOR))
    return {"log_shot": jnp.asarray(fill_absent(logs, isos=config.isos, power=1.0), noise.dtype)}


def sample(
    key: Array,
    variables: dict[str, Array],
    config: nlf.Config,
    clean: Float[Array, "n h w c"],
    camera: Num[Array, " n"],
    iso: Num[Array, " n"],
    *,
    temperature: float = 1.0,
) -> Float[Array, "n h w c"]:
    """Shot noise: `a Poisson(clean / a) - clean` with `a` the value of one photon.

    Args:
        key: a `jax.random.key`.
        variables: `log_shot`, from `fit` or `poisson_gaussian.fit`.
        config: known cameras and ISO numbers.
        clean: shape (N, H, W, C), fraction of full scale; negative values count as 0.
        camera: shape (N,), index into `config.cameras`.
        iso: shape (N,), ISO numbers.
        temperature: factor on the noise.

    Returns:
        Noise, shape (N, H, W, C), same unit; mean 0, variance `a clean`.

    Raises:
        UsageError: for shapes or types that do not fit; outside jit also for unknown conditions,
            which give NaN under it.

    Source: Noise Flow, Eq. 3, in the form whose mean is 0.
    """
    check_key(key)
    check_numbers(temperature=temperature)
    known = {"cameras": config.cameras, "isos": config.isos}
    check_given(camera, iso, **known, clean=clean)
    photon = jnp.exp(table_rows(camera, iso, variables["log_shot"], **known))
    return temperature * photon_noise(key, clean, jnp.maximum(photon, VARIANCE_FLOOR))


def photon_noise(
    key: Array, clean: Float[Array, "n h w c"], photon: Float[Array, " n"]
) -> Float[Array, "n h w c"]:
    """Shot noise of one photon's value an image: `a Poisson(clean / a) - clean`.

    Args:
        key: a `jax.random.key`.
        clean: shape (N, H, W, C), fraction of full scale; negative values count as 0.
        photon: shape (N,), the value `a` of one photon in the same unit, above 0.

    Returns:
        Noise, shape (N, H, W, C), same unit; mean 0, variance `a clean`.

    Source: Noise Flow, Eq. 3, in the form whose mean is 0.
    """
    photon = photon[:, None, None, None]
    light = jnp.maximum(clean, 0.0)
    count_key, normal_key = jax.random.split(key)
    mean = light / photon
    counts = jax.random.poisson(count_key, jnp.minimum(mean, MANY), dtype=jnp.int32)
    normal = jnp.sqrt(photon * light) * jax.random.normal(normal_key, clean.shape, clean.dtype)
    return jnp.where(mean < MANY, counts * photon - light, normal)
