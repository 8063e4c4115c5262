"""Density, sampling and training-mode likelihood of a noise flow."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Num

from jaxnoise.bijectors import _distrax
from jaxnoise.bijectors.chain import build_chain, latent_shape, layers_of
from jaxnoise.bijectors.chain_start import describe_chain
from jaxnoise.checks import check_key, check_numbers
from jaxnoise.models.noiseflow.blocked import is_blocked, stretches, to_noise
from jaxnoise.models.noiseflow.config import Config, check_request
from jaxnoise.models.noiseflow.layers import BASE, Variables, base_distribution, layer_builder
from jaxnoise.models.noiseflow.likelihood import nll_and_statistics


def distribution(
    variables: Variables,
    config: Config,
    clean: Float[Array, "n h w c"],
    camera: Num[Array, " n"],
    iso: Num[Array, " n"],
    *,
    batch_statistics: bool = False,
) -> _distrax.Transformed:
    """The distribution of noise given clean images.

    Args:
        variables: from `init` or a trained model.
        config: the model's configuration.
        clean: shape (N, H, W, C), fraction of full scale.
        camera: shape (N,), index into `config.cameras`.
        iso: shape (N,), ISO numbers.
        batch_statistics: batch normalisation takes the statistics of this batch, all images
            together, as the published sampler does, and not those learned in training. Then images
            are no longer independent of each other.

    Returns:
        A `distrax.Transformed` over noise with batch shape (N,) and events (H, W, C);
        `bijector.forward` takes the latent to noise.

    Raises:
        UsageError: for shapes or types that do not fit; for a camera or ISO that the model does not
            know, where under jit the density is NaN.

    Source: Noise Flow, Eqs. 7 and 8.
    """
    check_request(config, camera, iso, clean=clean)
    build = layer_builder(variables, config, clean, camera, iso, batch_statistics=batch_statistics)
    base = base_distribution(variables, config, latent_shape(config, clean.shape), camera, iso)
    return _distrax.Transformed(base, build_chain(config, build))


def log_prob(
    variables: Variables,
    config: Config,
    noise: Float[Array, "n h w c"],
    clean: Float[Array, "n h w c"],
    camera: Num[Array, " n"],
    iso: Num[Array, " n"],
    *,
    valid: Bool[Array, "n h w 1"] | None = None,
) -> Float[Array, " n"]:
    """Log density of noise given clean images, in evaluation mode.

    Args:
        variables: from `init` or a trained model.
        config: the model's configuration.
        noise: `noisy - clean`, shape (N, H, W, C), fraction of full scale.
        clean: same shape and unit.
        camera: shape (N,), index into `config.cameras`.
        iso: shape (N,), ISO numbers.
        valid: shape (N, H, W, 1), True where a pixel counts; what the others hold does not matter.
            None: all do.

    Returns:
        Nats per image, shape (N,); NaN under jit for unknown conditions. With `valid` the density
        of the noise at the pixels that count, as if the others were outside the image: the sum
        over them of the latent's log density and of the log-determinants, and 0 where an image has
        none. Behind a squeeze they are those of `jaxnoise.bijectors.chain.counted`.

    Raises:
        UsageError: for shapes or types that do not fit; outside jit also for a camera or ISO that
            the model does not know.

    Source: Noise Flow, Eq. 8.
    """
    check_request(config, camera, iso, valid=valid, noise=noise, clean=clean)
    given = variables, config, noise, clean, camera, iso
    return -nll_and_statistics(*given, valid=valid, train=False)[0]


def sample(
    key: Array,
    variables: Variables,
    config: Config,
    clean: Float[Array, "n h w c"],
    camera: Num[Array, " n"],
    iso: Num[Array, " n"],
    *,
    temperature: float | Float[Array, ""] = 1.0,
) -> Float[Array, "n h w c"]:
    """Noise for clean images: add it to them, and clip to [0, 1] if the sensor does.

    Args:
        key: a `jax.random.key`.
        variables: from `init` or a trained model.
        config: the model's configuration.
        clean: shape (N, H, W, C), fraction of full scale; any H and W.
        camera: shape (N,), index into `config.cameras`.
        iso: shape (N,), ISO numbers.
        temperature: factor on the latent; 1 samples the modelled distribution.

    Returns:
        Noise, shape (N, H, W, C), same unit; NaN under jit for unknown conditions.

    Raises:
        UsageError: for shapes or types that do not fit; outside jit also for a camera or ISO that
            the model does not know.

    Source: Noise Flow, Section 3.1; the temperature is that of the published sampler.
    """
    check_key(key)
    check_numbers(temperature=temperature)
    check_request(config, camera, iso, clean=clean)
    build = layer_builder(variables, config, clean, camera, iso)
    shape = latent_shape(config, clean.shape)
    base = base_distribution(variables, config, shape, camera, iso)
    noise = jnp.asarray(base.sample(seed=key)) * temperature
    for stretch in reversed(stretches(layers_of(config), config.width)):
        if is_blocked(stretch, config.width):
            noise = to_noise(stretch, variables, build, noise)
        else:
            noise = jnp.asarray(build(stretch[0]).forward(noise))
    return noise


def nll_and_update(
    variables: Variables,
    config: Config,
    noise: Float[Array, "n h w c"],
    clean: Float[Array, "n h w c"],
    camera: Num[Array, " n"],
    iso: Num[Array, " n"],
    *,
    valid: Bool[Array, "n h w 1"] | None = None,
) -> tuple[Float[Array, " n"], Variables]:
    """Negative log-likelihood in training mode, and the variables with updated batch statistics.

    With batch normalisation each coupling network uses the statistics of this batch, all images
    together; without it the value is that of `-log_prob`.

    Args:
        variables: from `init` or a trained model.
        config: the model's configuration.
        noise: `noisy - clean`, shape (N, H, W, C), fraction of full scale.
        clean: same shape and unit.
        camera: shape (N,), index into `config.cameras`.
        iso: shape (N,), ISO numbers.
        valid: shape (N, H, W, 1), True where a pixel counts; what the others hold does not matter.
            None: all do.

    Returns:
        Nats per image, shape (N,), and the variables, `batch_stats` updated. With `valid` it is as
        for `log_prob`, and the statistics are those of the pixels that count.

    Raises:
        UsageError: for shapes or types that do not fit; outside jit also for a camera or ISO that
            the model does not know.

    Source: Noise Flow, Eq. 8.
    """
    check_request(config, camera, iso, valid=valid, least=1, noise=noise, clean=clean)
    given = variables, config, noise, clean, camera, iso
    return nll_and_statistics(*given, valid=valid, train=True)


def parameter_count(variables: Variables) -> int:
    """Number of stored trainable scalars.

    Args:
        variables: from `init` or a trained model.

    Returns:
        The count, batch statistics and fixed permutations not included.
    """
    return sum(int(np.size(leaf)) for leaf in jax.tree.leaves(variables["params"]))


def describe(variables: Variables, config: Config) -> dict[str, float]:
    """The parameters that have a meaning, as numbers to plot over training.

    Args:
        variables: from `init` or a trained model.
        config: the model's configuration.

    Returns:
        A flat dictionary: `beta1`, `beta2`, `gain/<iso>`, `camera/<name>` (signal and gain layers),
        `shot/<camera>/<iso>`, `read/<camera>/<iso>` (noise curve, mean of the channels),
        `tap/left`, `tap/above` (causal convolution, mean of the diagonal) and `degrees_of_freedom`.

    Source: Noise Flow, Figures 6 and 7 show the first four.
    """
    values = describe_chain(variables, config)
    if BASE in variables["params"]:
        log_excess = np.asarray(variables["params"][BASE]["log_excess"])
        values["degrees_of_freedom"] = float(2.0 + np.exp(log_excess))
    return values
