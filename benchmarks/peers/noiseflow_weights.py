"""Puts the weights of the JAX model into its PyTorch peer, so that both compute the same."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from benchmarks.peers.noiseflow_torch import Conv1x1, Coupling, NoiseFlow
from jaxnoise.bijectors.chain import SHARED, layers_of


@torch.no_grad()
def copy_weights(variables: Mapping[str, Any], config: Any, peer: NoiseFlow) -> None:
    """Copies every parameter of a noise flow in the reference parameterisation.

    Args:
        variables: of `jaxnoise.models.noiseflow`.
        config: its configuration, with batch normalisation.
        peer: the network of the same architecture; its parameters are replaced.
    """
    params, constants = variables["params"], variables["constants"]
    shared = params[SHARED]
    signal = peer.signal
    for name, to in (("b1", signal.b1), ("b2", signal.b2), ("v", signal.v)):
        put(to, shared[name])
    put(signal.camera, shared["camera"])
    put(peer.gain_val, shared["gain_val"])
    layers = iter([*peer.before_gain, *peer.after_gain])
    for layer in layers_of(config):
        own = params.get(layer.name, {})
        if layer.kind == "conv1x1":
            put_matrix(next(layers), own, constants[layer.name])
        elif layer.kind == "coupling":
            put_conditioner(next(layers), own)


def put_matrix(to: Conv1x1, own: Mapping[str, Any], fixed: Mapping[str, Any]) -> None:
    """Copies one 1x1 convolution; JAX keeps its triangles as vectors, row by row."""
    channels = len(own["log_diagonal"])
    for triangle, name, indices in (
        (to.lower, "lower", np.tril_indices(channels, -1)),
        (to.upper, "upper", np.triu_indices(channels, 1)),
    ):
        full = np.zeros((channels, channels), np.float32)
        full[indices] = own[name]
        put(triangle, full)
    put(to.log_diagonal, own["log_diagonal"])
    put(to.get_buffer("permutation"), fixed["permutation"])
    put(to.get_buffer("sign"), fixed["sign"])


def put_conditioner(to: Coupling, own: Mapping[str, Any]) -> None:
    """Copies the network of one coupling; JAX stores kernels as height, width, in, out."""
    for name, layer in (("first", to.first), ("second", to.second), ("last", to.last)):
        put(layer.weight, np.transpose(own[name]["kernel"], (3, 2, 0, 1)))
        put(layer.bias, own[name]["bias"])
    put(to.log_factor, own["log_factor"])
    put(to.rescale, own["scale"])


def put(to: torch.Tensor, value: Any) -> None:
    """Copies an array into a tensor of the same shape."""
    array = np.array(value, np.float32)
    if tuple(to.shape) != array.shape:
        raise ValueError(f"{array.shape} does not fit into {tuple(to.shape)}")
    to.copy_(torch.from_numpy(array))
