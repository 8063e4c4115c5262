"""Additive white Gaussian noise: one standard deviation for everything."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Num

from jaxnoise.batch import mean_valid, only_valid
from jaxnoise.checks import check_batch, check_key, check_numbers
from jaxnoise.curve import VARIANCE_FLOOR


@dataclass(frozen=True)
class Config:
    """Configuration: nothing but what the interface shares with other models.

    Attributes:
        channels: channels of the images.
        cameras: names of cameras, not used.
        isos: ISO numbers, not used.
    """

    channels: int = 4
    cameras: tuple[str, ...] = ()
    isos: tuple[int, ...] = ()


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
    """The maximum-likelihood variance.

    Args:
        config: not used.
        noise: `noisy - clean`, shape (N, H, W, C), fraction of full scale.
        clean: not used.
        camera: not used.
        iso: not used.
        valid: shape (N, H, W, 1), True where a pixel counts; what the others hold does not matter.
            None: all do.
        variance_floor: smallest variance, squared unit of full scale; for data in steps, that of
            rounding to them, `step**2 / 12`.

    Returns:
        `variance`, shape ().

    Raises:
        UsageError: for shapes or types that do not fit, or no image.

    Source: Noise Flow, Eq. 2.
    """
    given = {"camera": camera, "iso": iso, "valid": valid, "least": 1}
    check_batch(noise=noise, clean=clean, **given)
    check_numbers(variance_floor=variance_floor)
    square = mean_valid(only_valid(noise, valid) ** 2, valid)
    return {"variance": jnp.maximum(square, variance_floor)}


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
    """Log density of noise.

    Args:
        variables: from `fit`.
        config: not used.
        noise: shape (N, H, W, C), fraction of full scale.
        clean: not used.
        camera: not used.
        iso: not used.
        valid: shape (N, H, W, 1), True where a pixel counts; what the others hold does not matter.
            None: all do.

    Returns:
        Nats per image, shape (N,).

    Raises:
        UsageError: for shapes or types that do not fit.

    Source: Noise Flow, Eq. 2.
    """
    check_batch(noise=noise, clean=clean, camera=camera, iso=iso, valid=valid)
    variance = variables["variance"]
    energy = only_valid(noise, valid) ** 2 / variance + jnp.log(2.0 * jnp.pi * variance)
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
    """White Gaussian noise.

    Args:
        key: a `jax.random.key`.
        variables: from `fit`.
        config: not used.
        clean: shape (N, H, W, C): gives the shape.
        camera: not used.
        iso: not used.
        temperature: factor on the noise.

    Returns:
        Noise, shape (N, H, W, C), fraction of full scale.

    Raises:
        UsageError: for shapes or types that do not fit.

    Source: Noise Flow, Eq. 2.
    """
    check_key(key)
    check_numbers(temperature=temperature)
    check_batch(clean=clean, camera=camera, iso=iso)
    white = jax.random.normal(key, clean.shape, clean.dtype)
    return temperature * jnp.sqrt(variables["variance"]) * white
