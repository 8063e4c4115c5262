"""All of a denoiser but its last layer, and a fresh one that makes a larger colour image."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from jaxnoise import models, tasks
from jaxnoise.checks import check_batch, check_key
from jaxnoise.models.rcl.config import Config
from jaxnoise.nets.convolution import LAYOUT, convolve
from jaxnoise.protocols import Backbone

Variables = dict[str, PyTree[Array]]


def init(key: Array, config: Config) -> Variables:
    """Fresh variables.

    Args:
        key: a `jax.random.key`.
        config: the configuration.

    Returns:
        `params`, of `backbone` (the denoiser's but its last layer) and `head` (`kernel` and
        `bias`), and `batch_stats` of the backbone.

    Source: Dong et al., "Residual Contrastive Learning", 2022, Section 4.
    """
    check_key(key)
    of_backbone, of_head = jax.random.split(key)
    backbone = models.require(config.denoiser_name, Backbone)
    whole = models.get(config.denoiser_name).init(of_backbone, config.denoiser)
    params = without(whole["params"], backbone.last_layer(config.denoiser))
    return {
        "params": {"backbone": params, "head": fresh_head(of_head, config)},
        "batch_stats": whole["batch_stats"],
    }


def restore(
    variables: Variables, config: Config, degraded: Float[Array, "n h w c"]
) -> Float[Array, "n h2 w2 3"]:
    """The estimate of clean colour images, in evaluation mode.

    Args:
        variables: from `init` or a trained model.
        config: the configuration.
        degraded: what the task has left of the images, shape (N, H, W, C), fraction of full scale:
            3 channels of a colour image, or 4 of packed raw in R, Gr, Gb, B order; any H and W.

    Returns:
        Shape (N, F H, F W, 3) with F the task's factor, same unit, not clipped. A U-Net sees the
        image continued by its mirror image where its sides do not divide by 32.

    Raises:
        UsageError: for another shape or type.

    Source: Dong et al., "Residual Contrastive Learning", 2022, Section 4; that colours are put
        beside each other, as by a pixel shuffle, is this project's choice.
    """
    return _apply(variables, config, degraded, train=False)[0]


def restore_and_update(
    variables: Variables, config: Config, degraded: Float[Array, "n h w c"]
) -> tuple[Float[Array, "n h2 w2 3"], Variables]:
    """The estimate in training mode, and the variables with updated batch statistics.

    Args:
        variables: from `init` or a trained model.
        config: the configuration.
        degraded: as for `restore`.

    Returns:
        That of `restore`, by the statistics of this batch where the network normalises; and the
        variables, `batch_stats` updated.

    Raises:
        UsageError: for another shape or type, or a batch of none.

    Source: as for `restore`.
    """
    return _apply(variables, config, degraded, train=True)


def parameter_count(variables: dict[str, PyTree[Array | np.ndarray]]) -> int:
    """Number of trained scalars.

    Args:
        variables: from `init` or a trained model.

    Returns:
        The count, batch statistics not included.
    """
    return sum(int(np.size(leaf)) for leaf in jax.tree.leaves(variables["params"]))


def fresh_head(key: Array, config: Config) -> dict[str, Array]:
    """A convolution that makes all colours of the pixels that a pixel becomes; He et al., bias 0.

    Args:
        key: a `jax.random.key`.
        config: the configuration.

    Returns:
        `kernel`, shape (3, 3, D, 3 F^2), and `bias`.
    """
    outputs = tasks.task(config.task).outputs
    shape = (3, 3, config.denoiser.last_width, outputs)
    kernel = nn.initializers.he_normal()(key, shape, jnp.float32)
    return {"kernel": kernel, "bias": jnp.zeros(outputs, jnp.float32)}


def without(params: dict[str, PyTree[Array]], layer: str) -> dict[str, PyTree[Array]]:
    """All parameters but those of one layer.

    Args:
        params: by layers.
        layer: the name of one of them.

    Returns:
        The others.
    """
    return {name: own for name, own in params.items() if name != layer}


def depth_to_space(values: Float[Array, "n h w d"], factor: int) -> Float[Array, "n h2 w2 c"]:
    """The pixels that lie beside each other in channels, as an image.

    Args:
        values: shape (N, H, W, F F C), for each pixel those of F rows of F pixels of C channels.
        factor: F.

    Returns:
        Shape (N, F H, F W, C).
    """
    number, height, width, depth = values.shape
    channels = depth // factor**2
    cells = values.reshape(number, height, width, factor, factor, channels)
    cells = cells.transpose(0, 1, 3, 2, 4, 5)
    return cells.reshape(number, factor * height, factor * width, channels)


def _apply(variables, config, degraded, *, train):
    check_batch(config.channels, least=int(train), degraded=degraded)
    height, width = degraded.shape[1:3]
    backbone, params = models.require(config.denoiser_name, Backbone), variables["params"]
    own = {**variables, "params": params["backbone"]}
    seen, own = backbone.features(own, config.denoiser, jnp.asarray(degraded), train=train)
    head = params["head"]
    kernel = head["kernel"].astype(jnp.promote_types(seen.dtype, head["kernel"].dtype))
    made = convolve(seen, kernel, (1, 1), "SAME", dimension_numbers=LAYOUT) + head["bias"]
    image = depth_to_space(made, config.factor)
    image = image[:, : config.factor * height, : config.factor * width]
    return image, {**own, "params": params}
