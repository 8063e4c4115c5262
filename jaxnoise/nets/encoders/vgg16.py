"""VGG16 up to its fourth group of convolutions, as perceptual losses use it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxnoise.checks import check_key, shape_of
from jaxnoise.errors import UsageError
from jaxnoise.nets.encoders._layers import (
    check_layers,
    chosen,
    convolved,
    fresh_kernel,
    normalised,
)

GROUPS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512))
"""Features of the convolutions, which have half the resolution from one group to the next."""
LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
"""The outputs that Johnson et al. compare."""


def convolutions() -> dict[str, tuple[int, int, int, int]]:
    """The shape of each kernel, (3, 3, C, D), by names such as conv1_2, in order."""
    shapes, inputs = {}, 3
    for group, widths in enumerate(GROUPS, 1):
        for place, outputs in enumerate(widths, 1):
            shapes[f"conv{group}_{place}"] = (3, 3, inputs, outputs)
            inputs = outputs
    return shapes


@dataclass(frozen=True)
class Vgg16:
    """The features of VGG16: 3x3 convolutions with bias and ReLU, the largest of 2x2 pixels between
    groups of them.

    Up to relu4_3 it has 7,635,264 parameters.

    Attributes:
        layers: whose outputs are the features; any ReLU from relu1_1 to relu4_3.

    Source: Simonyan and Zisserman, "Very Deep Convolutional Networks", 2015, configuration D; the
        layers of Johnson et al., "Perceptual Losses", 2016.
    """

    layers: tuple[str, ...] = LAYERS

    def __post_init__(self):
        """Raises UsageError for a layer that there is not."""
        known = [name.replace("conv", "relu") for name in convolutions()]
        check_layers("VGG16", self.layers, known)

    def init(self, key: Array) -> dict[str, Any]:
        """Random weights; `jaxnoise.interop.open_encoder` reads trained ones.

        Args:
            key: a `jax.random.key`.

        Returns:
            `{"params": ..., "batch_stats": {}}`.

        Raises:
            UsageError: it is no key.
        """
        check_key(key)
        params = {}
        for place, (name, shape) in enumerate(convolutions().items()):
            kernel = fresh_kernel(jax.random.fold_in(key, place), shape)
            params[name] = {"kernel": kernel, "bias": jnp.zeros(shape[3], jnp.float32)}
        return {"params": params, "batch_stats": {}}

    def encode(
        self, variables: Mapping[str, Any], images: Float[Array, "n h w 3"]
    ) -> tuple[Float[Array, "n i j k"], ...]:
        """Maps of features in the order of `layers`; what lies behind the last is not computed.

        Args:
            variables: as from `init`.
            images: R, G, B, shape (N, H, W, 3), where photographs lie in [0, 1]; other values are
                taken as they are.

        Returns:
            For relu{g}_{i} shape (N, H // 2^(g - 1), W // 2^(g - 1), K) with K = 64, 128, 256, 512
            for g = 1, 2, 3, 4; at least 0.

        Raises:
            UsageError: for another shape or type, or images that have no pixel left when halved.
        """
        hidden = normalised(images)
        deepest = max(int(name[len("relu")]) for name in self.layers)
        least = 2 ** (deepest - 1)
        if min(shape_of(images)[1:3]) < least:
            raise UsageError(
                f"images of shape {shape_of(images)} are too small for layers "
                f"{', '.join(self.layers)} of VGG16: give at least {least}x{least} pixels."
            )
        return chosen(_outputs(variables["params"], hidden), self.layers)


def _outputs(params: Mapping[str, Any], hidden: Array) -> Iterator[tuple[str, Array]]:
    for name in convolutions():
        group, place = name.removeprefix("conv").split("_")
        if place == "1" and group != "1":
            hidden = _halved(hidden)
        own = params[name]
        hidden = nn.relu(convolved(hidden, own["kernel"]) + own["bias"])
        yield f"relu{group}_{place}", hidden


def _halved(maps: Float[Array, "n h w c"]) -> Float[Array, "n h2 w2 c"]:
    """The largest of each 2x2 pixels; an odd last row or column is left out."""
    number, height, width, channels = maps.shape
    maps = maps[:, : height // 2 * 2, : width // 2 * 2]
    return maps.reshape(number, height // 2, 2, width // 2, 2, channels).max((2, 4))
