"""Two separate small networks inside an affine coupling: one shifts, the other scales."""

from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from flax.linen.initializers import variance_scaling, zeros_init
from jaxtyping import Array, Float


class PairConditioner(nn.Module):
    """Shift and log scale of the changed channels from the kept ones, by a network each.

    Either has three convolutions with bias and ReLU between. The last one starts at zero, so that a
    fresh coupling is the identity. Outside the image there are zeros.

    Attributes:
        width: channels between the convolutions.
        changed: channels to shift and scale.
        kernels: sides of the three kernels.

    Source: CoNo, Section 3.3, by the count of its parameters.
    """

    width: int
    changed: int
    kernels: Sequence[int] = (3, 1, 3)

    @nn.compact
    def __call__(
        self, kept: Float[Array, "*n h w k"]
    ) -> tuple[Float[Array, "*n h w c"], Float[Array, "*n h w c"]]:
        """Shift t, and log scale tanh(s), each of shape (..., H, W, changed).

        Args:
            kept: shape (..., H, W, K).

        Returns:
            Shift in the unit of the images, and log scale in [-1, 1].
        """
        return self._net(kept, "t"), jnp.tanh(self._net(kept, "s"))

    def _net(self, hidden: Array, net: str) -> Array:
        features = (self.width, self.width, self.changed)
        for place, (side, wide) in enumerate(zip(self.kernels, features, strict=True)):
            is_last = place == len(self.kernels) - 1
            start = zeros_init() if is_last else variance_scaling(2.0, "fan_in", "normal")
            hidden = nn.Conv(
                wide, (side, side), kernel_init=start, precision="highest", name=f"{net}_{place}"
            )(hidden)
            hidden = hidden if is_last else nn.relu(hidden)
        return hidden
