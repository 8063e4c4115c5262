"""What the generator is put together from: the fusion's network and the flow blocks.

The bijectors are stored in the direction from noise to latent where their papers state them so.
Their `inverse` is then the way to noise here: the coupling is `y1 = x1 exp(tanh(s(x0))) + t(x0)`,
as CoNo has it, and the 1x1 convolution a product, for which no equations are solved.
`jaxnoise.models.cono.blocked` computes that way faster, so a change here is one there.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxnoise.bijectors import ActNorm, AffineCoupling, Conv1x1
from jaxnoise.bijectors.conv1x1 import random_rotation
from jaxnoise.bijectors.coupling import kept_channels
from jaxnoise.models.cono.config import Config
from jaxnoise.nets.fusion import Fusion
from jaxnoise.nets.pair_conditioner import PairConditioner

FUSION = "fusion"
"""Where the parameters of the fusion are stored."""
Variables = dict[str, Any]


def fusion_network(config: Config) -> Fusion:
    """The networks of the fusion, from clean images to the factor on the latent."""
    return Fusion(config.channels, config.fusion_width)


def block_names(config: Config) -> list[str]:
    """Where the parameters of the blocks are stored, that next to the latent first."""
    return [f"block_{place}" for place in range(config.blocks)]


def init_block(key: Array, config: Config) -> Variables:
    """Parameters and constants of a fresh block: a random rotation of the channels, no more."""
    rotation_key, networks_key = jax.random.split(key)
    rotation = random_rotation(rotation_key, config.channels)
    kept = jnp.zeros((1, 4, 4, kept_channels(config.channels)))
    networks = _conditioner(config).init(networks_key, kept)
    zeros = jnp.zeros(config.channels)
    params = {
        "actnorm": {"log_scale": zeros, "shift": zeros},
        "conv1x1": rotation["params"],
        "coupling": networks["params"],
    }
    return {"params": params, "constants": {"conv1x1": rotation["constants"]}}


def back_through_blocks(
    variables: Variables, config: Config, noise: Float[Array, "n h w c"]
) -> Float[Array, "n h w c"]:
    """The fused latent of noise."""
    for name in reversed(block_names(config)):
        actnorm, conv1x1, coupling = _block(variables, config, name)
        noise = jnp.asarray(actnorm.inverse(conv1x1.forward(coupling.forward(noise))))
    return noise


def _conditioner(config: Config) -> PairConditioner:
    changed = config.channels - kept_channels(config.channels)
    return PairConditioner(config.width, changed, config.kernels)


def _block(
    variables: Variables, config: Config, name: str
) -> tuple[ActNorm, Conv1x1, AffineCoupling]:
    own, constants = variables["params"][name], variables["constants"][name]
    network = _conditioner(config)

    def shift_and_log_scale(kept: Array) -> tuple[Array, Array]:
        shift, log_scale = network.apply({"params": own["coupling"]}, kept)
        return jnp.asarray(shift), jnp.asarray(log_scale)

    return (
        ActNorm(**own["actnorm"]),
        Conv1x1(**own["conv1x1"], **constants["conv1x1"]),
        AffineCoupling(shift_and_log_scale),
    )
