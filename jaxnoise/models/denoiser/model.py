"""Fresh variables, and the estimate of the clean image in evaluation and in training mode."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from jaxnoise.checks import check_batch, check_key
from jaxnoise.models.denoiser.config import Config
from jaxnoise.nets.dncnn import DnCNN
from jaxnoise.nets.unet import FACTOR, LAST, UNet

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


def features(
    variables: Variables, config: Config, images: Float[Array, "n h w c"], *, train: bool = False
) -> tuple[Float[Array, "n h2 w2 d"], Variables]:
    """What the last convolution sees of images: what a task of its own can be learnt from.

    Args:
        variables: as `init` returns them, with or without the last layer.
        config: the denoiser's configuration.
        images: shape (N, H, W, C), fraction of full scale; any H and W.
        train: training mode, in which batch normalisation takes the statistics of this batch.

    Returns:
        The activations, shape (N, H', W', D) with D the `config.last_width`: H' and W' are those of
        the images, or of a U-Net the next ones that divide by 32, below and to the right of which
        it sees the images' mirror image. And the variables, `batch_stats` updated in training mode.

    Raises:
        UsageError: for another shape or type, or, in training mode, a batch of none.

    Source: Dong et al., "Residual Contrastive Learning", 2022, Section 4: all but the last layer is
        what is pre-trained.
    """
    check_batch(config.channels, least=int(train), images=images)
    return _network_output(variables, config, images, train=train, last=False)


def last_layer(config: Config) -> str:
    """The name of the last layer among the parameters.

    Args:
        config: the denoiser's configuration.

    Returns:
        The key of its weights in `variables["params"]`.
    """
    return LAST if config.net == "unet" else f"conv_{config.depth - 1}"


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
    estimate, variables = _network_output(variables, config, noisy, train=train, last=True)
    return estimate[:, :height, :width], variables


def _network_output(variables, config, images, *, train, last):
    """Of the images, which for a U-Net are continued first."""
    if config.net == "unet":
        images = mirrored(images, FACTOR)
    net = network(config)
    if not train:
        made, statistics = net.apply(variables, images, last=last), variables["batch_stats"]
    else:
        options = {"train": True, "last": last, "mutable": ["batch_stats"]}
        made, changed = net.apply(variables, images, **options)
        statistics = changed.get("batch_stats", {})
    return jnp.asarray(made), {**variables, "batch_stats": statistics}


def mirrored(images: Float[Array, "n h w c"], factor: int) -> Float[Array, "n h2 w2 c"]:
    """Images continued below and to the right by their mirror image until a factor divides them."""
    padding = [(0, 0), *((0, -side % factor) for side in images.shape[1:3]), (0, 0)]
    return jnp.pad(images, padding, mode="symmetric") if np.any(padding) else images
