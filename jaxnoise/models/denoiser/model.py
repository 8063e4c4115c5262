"""Fresh variables, and the estimate of the clean image in evaluation and in training mode."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from jaxnoise.checks import check_batch, check_key
from jaxnoise.models.denoiser.config import Config
from jaxnoise.nets.dncnn import DnCNN
from jaxnoise.nets.unet import FACTOR, UNet

Variables = dict[str, PyTree[Array]]


def network(config: Config) -> nn.Module:
    """The network that a configuration names.

    Args:
        config: the denoiser's configuration.

    Returns:
        A flax module from noisy images to estimates.
    """
    if config.net == "unet":
        return UNet(config.channels, config.width, config.share)
    normalised = config.normalisation == "batch"
    return DnCNN(config.channels, config.width, config.depth, normalised)


def init(key: Array, config: Config) -> Variables:
    """Fresh variables: a DnCNN's first estimate is nearly the noisy image, a U-Net's is anything.

    Args:
        key: a `jax.random.key`.
        config: the denoiser's configuration.

    Returns:
        `params` (trained) and `batch_stats` (state of batch normalisation; empty for a U-Net, and
        for a DnCNN without it).

    Source: Noise2NoiseFlow, Appendix A.
    """
    check_key(key)
    image = jnp.zeros((1, FACTOR, FACTOR, config.channels))
    variables = network(config).init(key, image)
    return {"batch_stats": {}, **variables}


def denoise(
    variables: Variables, config: Config, noisy: Float[Array, "n h w c"]
) -> Float[Array, "n h w c"]:
    """The estimate of the clean image, in evaluation mode.

    Args:
        variables: from `init` or a trained denoiser.
        config: the denoiser's configuration.
        noisy: shape (N, H, W, C), fraction of full scale; any H and W.

    Returns:
        Same shape and unit, not clipped. A U-Net sees the image continued by its mirror image where
        its sides do not divide by 32.

    Raises:
        UsageError: for another shape or type.

    Source: Noise2NoiseFlow, Section 4 and Appendix A.
    """
    return _apply(variables, config, noisy, train=False)[0]


def denoise_and_update(
    variables: Variables, config: Config, noisy: Float[Array, "n h w c"]
) -> tuple[Float[Array, "n h w c"], Variables]:
    """The estimate in training mode, and the variables with updated batch statistics.

    Args:
        variables: from `init` or a trained denoiser.
        config: the denoiser's configuration.
        noisy: shape (N, H, W, C), fraction of full scale; any H and W.

    Returns:
        Same shape and unit, not clipped; and the variables, `batch_stats` updated.

    Raises:
        UsageError: for another shape or type, or a batch of none.

    Source: Noise2NoiseFlow, Section 4 and Appendix A.
    """
    return _apply(variables, config, noisy, train=True)


def parameter_count(variables: dict[str, PyTree[Array | np.ndarray]]) -> int:
    """Number of trained scalars.

    Args:
        variables: from `init` or a trained denoiser.

    Returns:
        The count, batch statistics not included.
    """
    return sum(int(np.size(leaf)) for leaf in jax.tree.leaves(variables["params"]))


def _apply(variables, config, noisy, *, train):
    check_batch(config.channels, least=int(train), noisy=noisy)
    height, width = noisy.shape[1:3]
    if config.net == "unet":
        noisy = mirrored(noisy, FACTOR)
    net = network(config)
    if not train:
        estimate, statistics = net.apply(variables, noisy), variables["batch_stats"]
    else:
        estimate, changed = net.apply(variables, noisy, train=True, mutable=["batch_stats"])
        statistics = changed.get("batch_stats", {})
    estimate = jnp.asarray(estimate)[:, :height, :width]
    return estimate, {**variables, "batch_stats": statistics}


def mirrored(images: Float[Array, "n h w c"], factor: int) -> Float[Array, "n h2 w2 c"]:
    """Images continued below and to the right by their mirror image until a factor divides them."""
    padding = [(0, 0), *((0, -side % factor) for side in images.shape[1:3]), (0, 0)]
    return jnp.pad(images, padding, mode="symmetric") if np.any(padding) else images
