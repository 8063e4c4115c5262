"""ResNet50 without its classifier, with its batch normalisations frozen."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxnoise.checks import check_key
from jaxnoise.nets.encoders._layers import (
    check_layers,
    chosen,
    convolved,
    fresh_kernel,
    normalised,
)

BATCH_NORM_EPSILON = 1e-5
EXPANSION = 4
"""Features of a block's output over those of its 3x3 convolution."""
STAGES = {"layer1": (3, 64), "layer2": (4, 128), "layer3": (6, 256), "layer4": (3, 512)}
"""Blocks, and features of their 3x3 convolutions."""
STEM = 64
LAYERS = ("stem", *STAGES)


def convolutions() -> dict[str, tuple[int, int, int, int]]:
    """The shape of each kernel, (I, J, C, D), by torchvision's names of the convolutions."""
    shapes, inputs = {"conv1": (7, 7, 3, STEM)}, STEM
    for stage, (blocks, width) in STAGES.items():
        for block in range(blocks):
            scope, outputs = f"{stage}.{block}", EXPANSION * width
            shapes[f"{scope}.conv1"] = (1, 1, inputs, width)
            shapes[f"{scope}.conv2"] = (3, 3, width, width)
            shapes[f"{scope}.conv3"] = (1, 1, width, outputs)
            if block == 0:
                shapes[f"{scope}.downsample"] = (1, 1, inputs, outputs)
            inputs = outputs
    return shapes


@dataclass(frozen=True)
class ResNet50:
    """The features of ResNet50: 16 blocks of three convolutions, of which the 3x3 one may halve the
    resolution.

    It has 23,508,032 parameters without the classifier. Batch normalisation always takes the stored
    statistics, so that an image's features do not depend on the others of its batch.

    Attributes:
        layers: whose outputs are the features: "stem" (after the first ReLU, half the resolution),
            "layer1" (a quarter) to "layer4" (a 32nd).

    Source: He et al., "Deep Residual Learning", 2016, Table 1, with the stride at the 3x3
        convolution, as torchvision has it.
    """

    layers: tuple[str, ...] = LAYERS[1:]

    def __post_init__(self):
        """Raises UsageError for a layer that there is not."""
        check_layers("ResNet50", self.layers, LAYERS)

    def init(self, key: Array) -> dict[str, Any]:
        """Random weights; `jaxnoise.interop.open_encoder` reads trained ones.

        Args:
            key: a `jax.random.key`.

        Returns:
            `{"params": ..., "batch_stats": ...}`, each by the names of `convolutions`: kernel,
            scale and bias; mean and var.

        Raises:
            UsageError: it is no key.
        """
        check_key(key)
        params, statistics = {}, {}
        for place, (name, shape) in enumerate(convolutions().items()):
            kernel = fresh_kernel(jax.random.fold_in(key, place), shape)
            zeros, ones = jnp.zeros(shape[3], jnp.float32), jnp.ones(shape[3], jnp.float32)
            params[name] = {"kernel": kernel, "scale": ones, "bias": zeros}
            statistics[name] = {"mean": zeros, "var": ones}
        return {"params": params, "batch_stats": statistics}

    def encode(
        self, variables: Mapping[str, Any], images: Float[Array, "n h w 3"]
    ) -> tuple[Float[Array, "n i j k"], ...]:
        """Maps of features in the order of `layers`; what lies behind the last is not computed.

        Args:
            variables: as from `init`.
            images: R, G, B, shape (N, H, W, 3), where photographs lie in [0, 1]; other values are
                taken as they are.

        Returns:
            Shape (N, ceil(H / s), ceil(W / s), K), at least 0, with s = 2, 4, 8, 16, 32 and
            K = 64, 256, 512, 1024, 2048 for the stem and layers 1 to 4.

        Raises:
            UsageError: for another shape or type.
        """
        return chosen(_outputs(variables, normalised(images)), self.layers)


def _outputs(variables: Mapping[str, Any], hidden: Array) -> Iterator[tuple[str, Array]]:
    hidden = nn.relu(_normalised_convolution(variables, "conv1", hidden, stride=2))
    yield "stem", hidden
    # Not smaller than any: the ReLU before has made nothing negative.
    hidden = lax.reduce_window(
        hidden, -jnp.inf, lax.max, (1, 3, 3, 1), (1, 2, 2, 1), ((0, 0), (1, 1), (1, 1), (0, 0))
    )
    for stage, (blocks, _) in STAGES.items():
        for block in range(blocks):
            stride = 2 if block == 0 and stage != "layer1" else 1
            hidden = _block(variables, f"{stage}.{block}", hidden, stride=stride)
        yield stage, hidden


def _block(variables: Mapping[str, Any], scope: str, before: Array, *, stride: int) -> Array:
    """Three convolutions, added to what came before them."""
    hidden = nn.relu(_normalised_convolution(variables, f"{scope}.conv1", before))
    hidden = nn.relu(_normalised_convolution(variables, f"{scope}.conv2", hidden, stride=stride))
    hidden = _normalised_convolution(variables, f"{scope}.conv3", hidden)
    if f"{scope}.downsample" in variables["params"]:
        before = _normalised_convolution(variables, f"{scope}.downsample", before, stride=stride)
    return nn.relu(hidden + before)


def _normalised_convolution(
    variables: Mapping[str, Any], name: str, images: Array, *, stride: int = 1
) -> Array:
    own, stored = variables["params"][name], variables["batch_stats"][name]
    scale = own["scale"] * lax.rsqrt(stored["var"] + BATCH_NORM_EPSILON)
    return convolved(images, own["kernel"] * scale, stride=stride) + (
        own["bias"] - scale * stored["mean"]
    )
