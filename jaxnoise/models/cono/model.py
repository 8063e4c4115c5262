"""Fresh variables; noise from a latent, in evaluation and in training mode, and back."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num, PyTree

from jaxnoise.checks import check_batch, check_key, check_numbers
from jaxnoise.models.cono.blocked import through_blocks
from jaxnoise.models.cono.config import Config
from jaxnoise.models.cono.layers import (
    FUSION,
    Variables,
    back_through_blocks,
    block_names,
    fusion_network,
    init_block,
)
from jaxnoise.sigma import Level, checked_level, over_images


def init(key: Array, config: Config) -> Variables:
    """Fresh variables, by which noise is nearly white and of the level asked for.

    Its variance is `(exp(-2) x + 1) sigma^2`: the fusion is constant, blocks rotate the channels.

    Args:
        key: a `jax.random.key`.
        config: the model's configuration.

    Returns:
        `params` (trained), `batch_stats` (state of batch normalisation) and `constants`
        (permutations and signs of the 1x1 convolutions), each a nested dictionary.

    Source: CoNo, Section 3.3; the initial values are this project's choice.
    """
    check_key(key)
    fusion_key, *keys = jax.random.split(key, 1 + config.blocks)
    fusion = fusion_network(config).init(fusion_key, jnp.zeros((1, 4, 4, config.channels)))
    variables: Variables = {
        "params": {FUSION: fusion["params"]},
        "batch_stats": {FUSION: fusion["batch_stats"]},
        "constants": {},
    }
    for name, own_key in zip(block_names(config), keys, strict=True):
        for kind, own in init_block(own_key, config).items():
            variables[kind][name] = own
    return variables


def parameter_count(variables: dict[str, PyTree[Array | np.ndarray]]) -> int:
    """Number of trained scalars.

    Args:
        variables: from `init` or a trained model.

    Returns:
        The count, batch statistics and constants not included; 4312 for the default configuration.
    """
    return sum(int(np.size(leaf)) for leaf in jax.tree.leaves(variables["params"]))


def sample(
    key: Array,
    variables: Variables,
    config: Config,
    clean: Float[Array, "n h w c"],
    sigma: Level,
    *,
    temperature: float | Num[Array, ""] = 1.0,
) -> Float[Array, "n h w c"]:
    """Noise for clean images, in evaluation mode: add it to them, and clip if the sensor does.

    Args:
        key: a `jax.random.key`.
        variables: from `init` or a trained model.
        config: the model's configuration.
        clean: shape (N, H, W, C), fraction of full scale; any H and W.
        sigma: level of the noise, the standard deviation of its latent: shape (N,), above 0, or (N,
            H, W, C), where 0 means none; unit of `clean`, so 20 of 255 is 20 / 255. With a camera's
            noise profile it is sqrt(shot * clean + read).
        temperature: factor on the latent.

    Returns:
        Noise, shape (N, H, W, C), unit of `clean`; NaN under jit where a level is below 0.

    Raises:
        UsageError: for shapes or types that do not fit; outside jit also for such a level.

    Source: CoNo, Eqs. 5 and 11.
    """
    check_key(key)
    check_batch(config.channels, clean=clean)
    check_numbers(temperature=temperature)
    clean = jnp.asarray(clean)
    latent = jax.random.normal(key, clean.shape, clean.dtype) * temperature
    return to_noise(variables, config, latent, clean, sigma)


def sample_and_update(
    key: Array,
    variables: Variables,
    config: Config,
    clean: Float[Array, "n h w c"],
    sigma: Level,
) -> tuple[Float[Array, "n h w c"], Variables]:
    """Noise in training mode, and the variables with updated batch statistics.

    Batch normalisation takes the statistics of all the images together, wherever they lie.

    Args:
        key: a `jax.random.key`.
        variables: from `init` or a trained model.
        config: the model's configuration.
        clean: shape (N, H, W, C), fraction of full scale; any H and W.
        sigma: as for `sample`.

    Returns:
        Noise, shape (N, H, W, C), unit of `clean`; and the variables, `batch_stats` updated.

    Raises:
        UsageError: as for `sample`, and for a batch of none.

    Source: CoNo, Eqs. 5 and 11, and Algorithm 1.
    """
    check_key(key)
    check_batch(config.channels, least=1, clean=clean)
    clean = jnp.asarray(clean)
    level = over_images(checked_level(sigma, clean))
    latent = jax.random.normal(key, clean.shape, clean.dtype)
    factor, changed = fusion_network(config).apply(
        _of_fusion(variables), clean, train=True, mutable=["batch_stats"]
    )
    noise = _generate(variables, config, latent, level, jnp.asarray(factor))
    return noise, {**variables, "batch_stats": {FUSION: changed["batch_stats"]}}


def to_noise(
    variables: Variables,
    config: Config,
    latent: Float[Array, "n h w c"],
    clean: Float[Array, "n h w c"],
    sigma: Level,
) -> Float[Array, "n h w c"]:
    """The noise that a latent becomes, in evaluation mode.

    Args:
        variables: from `init` or a trained model.
        config: the model's configuration.
        latent: of standard deviation 1, whatever sigma is; shape (N, H, W, C).
        clean: shape (N, H, W, C), fraction of full scale.
        sigma: as for `sample`.

    Returns:
        Noise, shape (N, H, W, C), unit of `clean`; NaN under jit where a level is below 0.

    Raises:
        UsageError: as for `sample`.

    Source: CoNo, Eqs. 5 and 11.
    """
    check_batch(config.channels, clean=clean, latent=latent)
    clean = jnp.asarray(clean)
    level = over_images(checked_level(sigma, clean))
    return _generate(variables, config, latent, level, _factor(variables, config, clean))


def to_latent(
    variables: Variables,
    config: Config,
    noise: Float[Array, "n h w c"],
    clean: Float[Array, "n h w c"],
    sigma: Level,
) -> Float[Array, "n h w c"]:
    """The latent that becomes a given noise for given clean images, in evaluation mode.

    Args:
        variables: from `init` or a trained model.
        config: the model's configuration.
        noise: shape (N, H, W, C), unit of `clean`.
        clean: shape (N, H, W, C), fraction of full scale.
        sigma: as for `sample`; where it is 0, no latent is the answer, and what comes is NaN or
            infinite.

    Returns:
        Shape (N, H, W, C), of standard deviation 1 for noise of this model.

    Raises:
        UsageError: as for `sample`.

    Source: CoNo, Eqs. 5 and 11.
    """
    check_batch(config.channels, clean=clean, noise=noise)
    clean = jnp.asarray(clean)
    level = over_images(checked_level(sigma, clean))
    inside, outside = _placed(config, level)
    fused = back_through_blocks(variables, config, noise / outside)
    return fused / (_factor(variables, config, clean) * inside)


def _generate(variables: Variables, config: Config, latent, level, factor) -> Array:
    inside, outside = _placed(config, level)
    return through_blocks(variables, config, latent * inside * factor) * outside


def _placed(config: Config, level: Array) -> tuple[Any, Any]:
    """Factors that give the noise its level: before the layers, and behind them."""
    return (level, 1) if config.units == "image" else (1, level)


def _factor(variables: Variables, config: Config, clean: Array) -> Array:
    return jnp.asarray(fusion_network(config).apply(_of_fusion(variables), clean))


def _of_fusion(variables: Variables) -> Variables:
    return {kind: variables[kind][FUSION] for kind in ("params", "batch_stats")}
