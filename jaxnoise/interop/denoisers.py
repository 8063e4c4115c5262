"""DnCNN and U-Net as the PyTorch code of Noise2NoiseFlow stores them."""

import os
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxnoise.interop.state_dict import State, read_state
from jaxnoise.models.denoiser import Config

DNCNN, UNET = "dncnn.", "_block"
"""How the names of the two networks' tensors begin."""

_ONLY = "only the DnCNN and the U-Net of Noise2NoiseFlow's code can be read"


def denoiser_torch(path: str | os.PathLike) -> tuple[Config, dict[str, Any]]:
    """A denoiser from a state dict of Noise2NoiseFlow's PyTorch code.

    Which network it is, its depth and its numbers of channels are found out from the tensors' names
    and shapes.

    Args:
        path: the `.pth` file, for example `DnCNN_pretrained.pth`, or a folder that holds one.

    Returns:
        The denoiser's `Config`, and its variables as from `jaxnoise.models.denoiser.init`. Nothing
        is rounded.

    Raises:
        DataError: there is no such file, it is damaged, it holds what is no plain data, or it is
            not of these networks.
    """
    state = read_state(path, _ONLY)
    config, variables = read_denoiser(state, "")
    state.finish()
    return config, jax.tree.map(jnp.asarray, variables)


def read_denoiser(state: State, prefix: str) -> tuple[Config, dict[str, Any]]:
    """A denoiser from tensors whose names begin in a certain way.

    Args:
        state: of the whole file; the denoiser's tensors are taken from it.
        prefix: how their names begin, before `DNCNN` or `UNET`.

    Returns:
        The denoiser's `Config`, and its variables as numpy arrays.

    Raises:
        DataError: a tensor is missing or of the wrong shape, or holds impossible values.
    """
    if state.shape(f"{prefix}{UNET}1.0.weight"):
        return _unet(state, f"{prefix}{UNET}")
    return _dncnn(state, f"{prefix}{DNCNN}")


def kernel_of(weight: Float[np.ndarray, "o i h w"]) -> Float[np.ndarray, "h w i o"]:
    """A convolution's weight in our order of axes."""
    return weight.transpose(2, 3, 1, 0)


def batch_norm(state: State, scope: str, width: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parameters and statistics of a batch normalisation.

    Args:
        state: its tensors are taken from it.
        scope: how their names begin.
        width: number of channels.

    Returns:
        `scale` and `bias`; `mean` and `var`.

    Raises:
        DataError: as `State.take`; a variance is negative.
    """
    taken = {
        name: state.take(f"{scope}.{name}", (width,)) for name in ("weight", "bias", "running_mean")
    }
    variance = state.take(f"{scope}.running_var", (width,), lambda values: (values >= 0).all())
    return (
        {"scale": taken["weight"], "bias": taken["bias"]},
        {"mean": taken["running_mean"], "var": variance},
    )


def _dncnn(state: State, prefix: str) -> tuple[Config, dict[str, Any]]:
    features, channels = _sizes(state, f"{prefix}0.weight")
    named = state.names(re.escape(prefix) + r"\d{1,4}\.weight")
    depth = sum(len(state.shape(match[0])) == 4 for match in named)
    if depth < 2:
        raise state.refusal(f"has a single convolution, {prefix}0")
    params: dict[str, Any] = {}
    statistics: dict[str, Any] = {}
    for place in range(depth):
        inputs = features if place else channels
        outputs = features if place < depth - 1 else channels
        # A convolution, its normalisation and ReLU have a number each; the first one has no
        # normalisation.
        number = max(3 * place - 1, 0)
        weight = state.take(f"{prefix}{number}.weight", (outputs, inputs, 3, 3))
        params[f"conv_{place}"] = {"kernel": kernel_of(weight)}
        if place == 0:
            params["conv_0"]["bias"] = state.take(f"{prefix}0.bias", (features,))
        elif place < depth - 1:
            own = batch_norm(state, f"{prefix}{number + 1}", features)
            params[f"norm_{place}"], statistics[f"norm_{place}"] = own
    config = Config("dncnn", channels, features, depth)
    return config, {"params": params, "batch_stats": statistics}


def _unet(state: State, prefix: str) -> tuple[Config, dict[str, Any]]:
    features, channels = _sizes(state, f"{prefix}1.0.weight")
    if features % 3:
        raise state.refusal(f"has a U-Net of {features} features, which do not divide by 3")
    up, wide, narrow = 2 * features, 4 * features // 3, 2 * features // 3
    params: dict[str, Any] = {}
    for theirs, ours, inputs, outputs in (
        ("1.0", "first_0", channels, features),
        ("1.2", "first_1", features, features),
        ("2.0", "down", features, features),
        ("3.0", "bottom", features, features),
        ("3.2", "bottom_up", features, features),
        ("4.0", "up_1_0", up, up),
        ("4.2", "up_1_1", up, up),
        ("4.4", "up_1_up", up, up),
        ("5.0", "up/conv_0", up + features, up),
        ("5.2", "up/conv_1", up, up),
        ("5.4", "up/up", up, up),
        ("6.0", "last_0", up + channels, wide),
        ("6.2", "last_1", wide, narrow),
        ("6.4", "last_2", narrow, channels),
    ):
        transposed = ours.endswith("up")
        axes = (inputs, outputs) if transposed else (outputs, inputs)
        weight = state.take(f"{prefix}{theirs}.weight", (*axes, 3, 3))
        own = {
            "kernel": _transposed_kernel_of(weight) if transposed else kernel_of(weight),
            "bias": state.take(f"{prefix}{theirs}.bias", (outputs,)),
        }
        group, _, name = ours.rpartition("/")
        (params.setdefault(group, {}) if group else params)[name] = own
    config = Config("unet", channels, features, share=True)
    return config, {"params": params, "batch_stats": {}}


def _sizes(state: State, name: str) -> tuple[int, int]:
    """Outputs and inputs of a network's first convolution."""
    shape = state.shape(name)
    if len(shape) != 4 or 0 in shape:
        verb = f"has {name} of shape {shape}" if shape else f"lacks {name}"
        raise state.refusal(verb)
    return shape[0], shape[1]


def _transposed_kernel_of(
    weight: Float[np.ndarray, "i o h w"],
) -> Float[np.ndarray, "h w i o"]:
    """A transposed convolution's weight for flax, which turns kernels by half a circle."""
    return weight.transpose(2, 3, 0, 1)[::-1, ::-1]
