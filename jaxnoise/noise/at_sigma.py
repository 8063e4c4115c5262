"""Statistical noise of one stated level: each kind has the mean variance sigma^2 on every image.

What differs between the kinds is how the variance spreads over bright and dark pixels. Nothing is
fitted, so that noise of these kinds and of a model that takes sigma can be compared at one level.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxnoise.checks import check_batch, check_key, is_real, shape_of, type_of
from jaxnoise.errors import UsageError
from jaxnoise.noise.poisson import photon_noise
from jaxnoise.tracing import holds

Split = tuple[Float[Array, " n"], Float[Array, " n"]]
"""Shot and read noise of each image."""


def sample(
    key: Array, clean: Float[Array, "n h w c"], sigma: Float[Array, " n"], *, kind: str
) -> Float[Array, "n h w c"]:
    """Noise whose variance, averaged over each image, is sigma^2.

    Args:
        key: a `jax.random.key`.
        clean: shape (N, H, W, C), fraction of full scale: packed raw, RGB or any other; negative
            values count as 0.
        sigma: shape (N,), standard deviation for each image, same unit, 0 or more.
        kind: "awgn", white normal noise of variance sigma^2 everywhere; "nlf", normal noise of
            variance shot * clean + read, of which each image draws the part of read noise in
            sigma^2 uniformly from 0 to 1; "poisson", photons alone, `a Poisson(clean / a) - clean`;
            "poisson_gaussian", photons and read noise, divided as for "nlf".

    Returns:
        Noise, shape (N, H, W, C), same unit, mean 0. An image without light has no shot noise: of
        "poisson" it gets none, of the others all of sigma^2 as read noise.

    Raises:
        UsageError: the kind is unknown, shapes or types do not fit, or a sigma is negative or not
            finite, which gives NaN or a mirrored sign under jit.

    Source: CoNo, Eqs. 2, 3, 16 and 17; the paper does not say how sigma^2 divides into shot and
        read noise.
    """
    if kind not in KINDS:
        raise UsageError(f"noise of kind '{kind}' is unknown: use one of {', '.join(KINDS)}.")
    check_key(key)
    check_batch(clean=clean)
    _check_sigma(sigma, clean)
    return KINDS[kind](key, clean, jnp.asarray(sigma, clean.dtype))


def _awgn(key: Array, clean: Array, sigma: Array) -> Array:
    return sigma[:, None, None, None] * jax.random.normal(key, clean.shape, clean.dtype)


def _nlf(key: Array, clean: Array, sigma: Array) -> Array:
    split_key, noise_key = jax.random.split(key)
    shot, read = (each[:, None, None, None] for each in _split(split_key, clean, sigma))
    spread = jnp.sqrt(shot * jnp.maximum(clean, 0.0) + read)
    return spread * jax.random.normal(noise_key, clean.shape, clean.dtype)


def _poisson(key: Array, clean: Array, sigma: Array) -> Array:
    return _photons(key, clean, _per_light(sigma**2, clean))


def _poisson_gaussian(key: Array, clean: Array, sigma: Array) -> Array:
    split_key, shot_key, read_key = jax.random.split(key, 3)
    shot, read = _split(split_key, clean, sigma)
    white = jax.random.normal(read_key, clean.shape, clean.dtype)
    return _photons(shot_key, clean, shot) + jnp.sqrt(read)[:, None, None, None] * white


KINDS: dict[str, Callable[[Array, Array, Array], Array]] = {
    "awgn": _awgn,
    "nlf": _nlf,
    "poisson": _poisson,
    "poisson_gaussian": _poisson_gaussian,
}


def _split(key: Array, clean: Array, sigma: Array) -> Split:
    """Shot and read noise of each image, of which together the mean variance is sigma^2."""
    part = jax.random.uniform(key, sigma.shape, sigma.dtype)
    part = jnp.where(_light(clean) > 0, part, 1.0)
    return _per_light((1.0 - part) * sigma**2, clean), part * sigma**2


def _per_light(variance: Array, clean: Array) -> Array:
    """The slope at which a variance linear in intensity has this mean; 0 without light."""
    light = _light(clean)
    return jnp.where(light > 0, variance / jnp.where(light > 0, light, 1.0), 0.0)


def _light(clean: Array) -> Array:
    return jnp.maximum(clean, 0.0).mean((1, 2, 3))


def _photons(key: Array, clean: Array, shot: Array) -> Array:
    """Shot noise, none where its variance is 0."""
    some = shot > 0
    noise = photon_noise(key, clean, jnp.where(some, shot, 1.0))
    return jnp.where(some[:, None, None, None], noise, 0.0)


def _check_sigma(sigma: Any, clean: Any) -> None:
    images = shape_of(clean)[0]
    if shape_of(sigma) != (images,) or not is_real(sigma):
        raise UsageError(
            f"sigma has shape {shape_of(sigma)} and type {type_of(sigma)}: give one number for "
            f"each of {images} image(s), shape ({images},)."
        )
    if not holds(lambda given: jnp.isfinite(given) & (given >= 0), sigma):
        raise UsageError("a sigma is negative or not finite: give standard deviations from 0 on.")
