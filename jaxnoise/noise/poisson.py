"""Poisson noise: the shot noise of counted photons, without a density over real numbers."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Num

from jaxnoise.conditions import table_rows
from jaxnoise.noise import nlf

VARIANCE_FLOOR = 1e-14


@dataclass(frozen=True)
class Config(nlf.Config):
    """Configuration of Poisson noise: that of a noise level function."""


def fit(
    config: Config,
    noise: Float[Array, "n h w c"],
    clean: Float[Array, "n h w c"],
    camera: Num[Array, " n"],
    iso: Num[Array, " n"],
) -> dict[str, Array]:
    """The shot variance of every camera and ISO; what read noise there is counts in.

    Args:
        config: known cameras and ISO numbers.
        noise: `noisy - clean`, shape (N, H, W, C), fraction of full scale.
        clean: same shape and unit.
        camera: shape (N,), index into `config.cameras`.
        iso: shape (N,), ISO numbers.

    Returns:
        `log_shot`, shape (cameras, ISO numbers): the value of one photon in units of full scale,
        chosen so that the mean variance is that of the noise.

    Source: Noise Flow, Eq. 3.
    """
    variables = nlf.fit(config, noise, clean, camera, iso)
    level = jnp.maximum(clean.mean(), 1e-6)
    shot = jnp.exp(variables["log_shot"]) + jnp.exp(variables["log_read"]) / level
    return {"log_shot": jnp.log(shot)}


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

    Source: Noise Flow, Eq. 3, in the form whose mean is 0.
    """
    known = {"cameras": config.cameras, "isos": config.isos}
    photon = jnp.exp(table_rows(camera, iso, variables["log_shot"], **known))
    photon = jnp.maximum(photon, VARIANCE_FLOOR)[:, None, None, None]
    light = jnp.maximum(clean, 0.0)
    counts = jax.random.poisson(key, light / photon, dtype=jnp.int32)
    return temperature * (counts * photon - light)
