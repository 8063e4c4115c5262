"""The encoder that needs no download: a pyramid of random convolutions."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxnoise.checks import check_key
from jaxnoise.errors import UsageError
from jaxnoise.nets.encoders._layers import convolved, normalised

SIDE = 3


@dataclass(frozen=True)
class Pyramid:
    """Random 3x3 convolutions with ReLU, one at each of several resolutions, each half the last.

    Between two of them the maps are smoothed by [1, 3, 3, 1] / 8 both ways and every other pixel is
    kept, so that fine noise is not folded into coarse features. Nothing is learned: the features
    are edges and spots of random shape and no objects.

    Attributes:
        features: of each map, the finest first; at most nine times those before it (3 for the
            image), so that kernels can be orthogonal.

    Source: ours. That convolutions with random weights make useful features is known from Jarrett
        et al., "What is the best multi-stage architecture for object recognition?", 2009.
    """

    features: tuple[int, ...] = (8, 16, 32)

    def __post_init__(self):
        """Raises UsageError where kernels of these sizes cannot be orthogonal."""
        widths = (3, *self.features)
        fit = all(0 < after <= SIDE**2 * before for before, after in pairwise(widths))
        if not self.features or not fit:
            raise UsageError(
                f"a pyramid of {self.features} features cannot be made: give at least one number, "
                "each from 1 to nine times the one before it, beginning at 3."
            )

    def init(self, key: Array) -> dict[str, Any]:
        """The weights that belong to a key, the same on every machine up to rounding.

        Args:
            key: a `jax.random.key`; `jaxnoise.interop.open_encoder` takes `jax.random.key(0)`.

        Returns:
            `{"params": ..., "batch_stats": {}}`: kernels whose columns are orthogonal and of length
            sqrt(2), which keeps the mean square of what passes them and a ReLU.

        Raises:
            UsageError: it is no key.
        """
        check_key(key)
        draw = nn.initializers.orthogonal(2**0.5)
        params = {}
        for level, widths in enumerate(pairwise((3, *self.features))):
            own = jax.random.fold_in(key, level)
            params[f"level{level}"] = {"kernel": draw(own, (SIDE, SIDE, *widths), jnp.float32)}
        return {"params": params, "batch_stats": {}}

    def encode(
        self, variables: Mapping[str, Any], images: Float[Array, "n h w 3"]
    ) -> tuple[Float[Array, "n i j k"], ...]:
        """Maps of features, the finest first.

        Args:
            variables: from `init`.
            images: R, G, B, shape (N, H, W, 3), where photographs lie in [0, 1]; other values are
                taken as they are.

        Returns:
            For level l = 0, 1, ... shape (N, ceil(H / 2^l), ceil(W / 2^l), features[l]), at least
            0, of the order of 1.

        Raises:
            UsageError: for another shape or type.
        """
        hidden, maps = normalised(images), []
        for level in range(len(self.features)):
            hidden = _halved(hidden) if level else hidden
            hidden = nn.relu(convolved(hidden, variables["params"][f"level{level}"]["kernel"]))
            maps.append(hidden)
        return tuple(maps)


def _halved(maps: Float[Array, "n h w c"]) -> Float[Array, "n h2 w2 c"]:
    """Smoothed by [1, 3, 3, 1] / 8 both ways, then every other pixel; borders are repeated."""
    for axis in (1, 2):
        if maps.shape[axis] % 2:
            last = lax.slice_in_dim(maps, maps.shape[axis] - 1, None, axis=axis)
            maps = jnp.concatenate([maps, last], axis)
        count = maps.shape[axis] // 2
        # As pairs of pixels, since the gradient of a slice with steps is slow on CPUs.
        pairs = maps.reshape(*maps.shape[:axis], count, 2, *maps.shape[axis + 1 :])
        first, second = (lax.index_in_dim(pairs, place, axis + 1, False) for place in (0, 1))
        border = lax.slice_in_dim(first, 0, 1, axis=axis)
        before = jnp.concatenate([border, lax.slice_in_dim(second, 0, count - 1, axis=axis)], axis)
        border = lax.slice_in_dim(second, count - 1, count, axis=axis)
        behind = jnp.concatenate([lax.slice_in_dim(first, 1, count, axis=axis), border], axis)
        maps = (before + 3 * (first + second) + behind) / 8
    return maps
