"""The flow blocks on the way to noise, worked on in blocks of 2x2 pixels.

The result is that of the bijectors' `inverse` up to rounding; the way there takes a third of the
time, since convolutions of so few channels are slow in a library.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxnoise.bijectors import Conv1x1
from jaxnoise.bijectors.coupling import kept_channels
from jaxnoise.models.cono.config import Config
from jaxnoise.models.cono.layers import Variables, block_names
from jaxnoise.nets import pixel_blocks


def through_blocks(
    variables: Variables, config: Config, latent: Float[Array, "n h w c"]
) -> Float[Array, "n h w c"]:
    """The fused latent on its way to noise.

    Args:
        variables: of the whole model.
        config: the model's configuration.
        latent: shape (N, H, W, C), any H and W.

    Returns:
        Noise in the unit of the latent, same shape. Differentiable in reverse mode.
    """
    height, width = latent.shape[1:3]
    padding = [(0, 0), (0, height % 2), (0, width % 2), (0, 0)]
    mask = None
    if height % 2 or width % 2:
        inside = jnp.pad(jnp.ones((1, height, width), bool), padding[:3])
        mask = pixel_blocks.map_to_blocks(inside)
    state = pixel_blocks.settle(pixel_blocks.to_blocks(jnp.pad(latent, padding)))
    for name in block_names(config):
        own = variables["params"][name]
        matrix = Conv1x1(**own["conv1x1"], **variables["constants"][name]["conv1x1"]).matrix()
        norm = own["actnorm"]
        shift = jnp.matmul(norm["shift"], matrix, precision="highest")
        matrix = jnp.exp(norm["log_scale"])[:, None] * matrix
        state = pixel_blocks.mix(matrix, state) + pixel_blocks.over_channels(shift)
        kept, changed = jnp.split(state, [kept_channels(config.channels)])
        log_scale, shift = (_network(own["coupling"], net, config, kept, mask) for net in "st")
        state = jnp.concatenate([kept, changed * jnp.exp(jnp.tanh(log_scale)) + shift])
    return pixel_blocks.from_blocks(state)[:, :height, :width]


def _network(
    params: dict[str, Any],
    net: str,
    config: Config,
    hidden: Float[Array, "k 2 2 n h2 w2"],
    mask: Bool[Array, "1 2 2 1 h2 w2"] | None,
) -> Float[Array, "c 2 2 n h2 w2"]:
    """What a network of `jaxnoise.nets.pair_conditioner` computes."""
    for place, side in enumerate(config.kernels):
        layer = params[f"{net}_{place}"]
        hidden = jax.nn.relu(hidden) if place else hidden
        if side == 1:
            hidden = pixel_blocks.mix(layer["kernel"][0, 0], hidden)
        else:
            hidden = pixel_blocks.convolve(pixel_blocks.clear(hidden, mask), layer["kernel"])
        hidden = hidden + pixel_blocks.over_channels(layer["bias"])
    return hidden
