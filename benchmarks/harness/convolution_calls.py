"""A layer's convolution and its gradients in JAX, compiled and ready to be timed."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax import lax
from jax.sharding import NamedSharding, PartitionSpec

from benchmarks.harness.convolution_layers import Layer
from benchmarks.harness.jax_task import mesh_for
from benchmarks.harness.xla_path import paths
from jaxnoise.nets import resolution
from jaxnoise.nets.convolution import LAYOUT, convolve, convolve_to_double

TASKS = ("forward", "to images", "to kernel", "backward")
"""The last is both gradients in one program, as training has them."""


@dataclass(frozen=True)
class Call:
    """Something to time.

    Attributes:
        call: returns when its result is there: the result.
        facts: what is worth a place in the record.
    """

    call: Callable[[], Any]
    facts: dict[str, Any]


def arrays(layer: Layer) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images, kernel and the change of the outcome, float32, such that the outcome is about 1."""
    random = np.random.default_rng(0)
    weights = layer.side**2 * layer.channels // layer.spread**2
    images = random.standard_normal(
        (layer.batch, layer.height, layer.width, layer.channels), np.float32
    )
    kernel = random.standard_normal(
        (layer.side, layer.side, layer.channels, layer.features), np.float32
    )
    change = random.standard_normal(layer.output, np.float32)
    return images, kernel / np.float32(math.sqrt(weights)), change


def library(layer: Layer) -> Callable:
    """XLA's convolution of a layer, with XLA's gradients."""

    def forward(images, kernel):
        return lax.conv_general_dilated(
            images,
            kernel,
            (layer.stride,) * 2,
            (layer.padding,) * 2,
            lhs_dilation=(layer.spread,) * 2,
            dimension_numbers=LAYOUT,
        )

    return forward


def ours(layer: Layer) -> Callable:
    """The same as the networks of `jaxnoise.nets` compute it."""
    changed = {
        (3, 1, 2): convolve_to_double,
        (4, 1, 2): resolution.convolve_to_double,
    }
    if function := changed.get((layer.side, layer.stride, layer.spread)):
        return function
    usual = layer.side == 3 and layer.stride == layer.spread == 1

    def forward(images, kernel):
        return convolve(
            images,
            kernel,
            (layer.stride,) * 2,
            "SAME" if usual else (layer.padding,) * 2,
            lhs_dilation=(layer.spread,) * 2,
            dimension_numbers=LAYOUT,
        )

    return forward


def calls(layer: Layer, forward: Callable, devices: int) -> dict[str, Call]:
    """Forward pass and gradients, the batch spread over devices as a trainer does it.

    Args:
        layer: the shapes.
        forward: from images and kernel to the outcome.
        devices: how many to use; where they do not divide the batch, the largest number that does.

    Returns:
        A call for each of `TASKS`.
    """
    mesh = mesh_for(layer.batch, devices)
    split = NamedSharding(mesh, PartitionSpec("data"))
    whole = NamedSharding(mesh, PartitionSpec())
    images, kernel, change = jax.device_put(arrays(layer), (split, whole, split))

    def backward(images, kernel, change):
        return jax.vjp(forward, images, kernel)[1](change)

    functions = {
        "forward": (lambda images, kernel, change: forward(images, kernel), split),
        "to images": (lambda *operands: backward(*operands)[0], split),
        "to kernel": (lambda *operands: backward(*operands)[1], whole),
        "backward": (backward, (split, whole)),
    }
    return {
        task: compiled(function, out, (images, kernel, change))
        for task, (function, out) in functions.items()
    }


def compiled(function: Callable, out: Any, operands: tuple) -> Call:
    """A function as a program, with its temporary memory and who computes its convolutions."""
    program = jax.jit(function, out_shardings=out, keep_unused=True).lower(*operands).compile()
    memory = program.memory_analysis()
    counts = paths(program.as_text() or "")
    facts = {
        "by": {what: who for what, who in counts.items() if who},
        "temporary_bytes": getattr(memory, "temp_size_in_bytes", None),
    }
    return Call(lambda: jax.block_until_ready(program(*operands)), facts)
