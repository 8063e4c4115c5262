"""The small network inside an affine coupling."""

import flax.linen as nn
import jax.numpy as jnp
from flax.linen.initializers import normal, variance_scaling, zeros_init
from jaxtyping import Array, Bool, Float

BATCH_NORM_EPSILON = {"batch": 1e-4, "batch_affine": 1e-5}
"""Added to the variance, by kind of normalisation."""
BATCH_NORM_MOMENTUM = 0.9


def pixels_of_statistics(valid: Bool[Array, "*n h w 1"]) -> Bool[Array, "*n h w 1"]:
    """The pixels that count, or all where none does: statistics of nothing are not numbers."""
    return valid | ~valid.any()


class CouplingConditioner(nn.Module):
    """Shift and log scale of the changed channels from the kept ones.

    Three convolutions (3x3, 1x1, 3x3) with ReLU between. The last one starts at zero, so that a
    fresh coupling is the identity, and sees one more channel: 1 on a ring of padding, 0 inside, by
    which it can tell the border. `jaxnoise.models.noiseflow.blocked` computes the same in another
    way, so a change here is one there.

    Attributes:
        width: channels of the hidden layers.
        changed: channels to shift and scale.
        normalisation: "none"; "batch" for batch normalisation without scale and shift, as in the
            published code of Noise Flow; "batch_affine" with both, as in that of Noise2NoiseFlow.

    Source: the published implementations; the edge channel is that of Glow.
    """

    width: int
    changed: int
    normalisation: str = "none"

    @nn.compact
    def __call__(
        self,
        kept: Float[Array, "*n h w k"],
        *,
        train: bool = False,
        valid: Bool[Array, "*n h w 1"] | None = None,
    ) -> tuple[Float[Array, "*n h w c"], Float[Array, "*n h w c"]]:
        """Shift and log scale, each of shape (..., H, W, changed).

        Args:
            kept: shape (..., H, W, K).
            train: with batch normalisation, use this batch's statistics and update the running
                ones.
            valid: shape (..., H, W, 1), True where a pixel counts in these, unless
                none does; None: all do.

        Returns:
            Shift, and log scale bounded by the learned `scale`.
        """
        normalised = self.normalisation in BATCH_NORM_EPSILON
        if normalised:
            kernel_init = normal(0.05 * self.width / 512)
        else:
            kernel_init = variance_scaling(2.0, "fan_in", "normal")
        seen = None if valid is None else pixels_of_statistics(valid)
        hidden = kept
        for name, size in (("first", 3), ("second", 1)):
            hidden = nn.Conv(self.width, (size, size), kernel_init=kernel_init, name=name)(hidden)
            if normalised:
                affine = self.normalisation == "batch_affine"
                hidden = nn.BatchNorm(
                    use_running_average=not train,
                    momentum=BATCH_NORM_MOMENTUM,
                    epsilon=BATCH_NORM_EPSILON[self.normalisation],
                    use_scale=affine,
                    use_bias=affine,
                    use_fast_variance=False,
                    name=f"{name}_norm",
                )(hidden, mask=seen)
            hidden = nn.relu(hidden)
        ring = [(0, 0)] * (hidden.ndim - 3) + [(1, 1), (1, 1), (0, 0)]
        edge = jnp.zeros((*hidden.shape[:-1], 1), hidden.dtype)
        edge = jnp.pad(edge, ring, constant_values=1.0)
        padded = jnp.concatenate([jnp.pad(hidden, ring), edge], -1)
        output = nn.Conv(
            2 * self.changed, (3, 3), padding="VALID", kernel_init=zeros_init(), name="last"
        )(padded)
        log_factor = self.param("log_factor", zeros_init(), (2 * self.changed,))
        scale = self.param("scale", lambda _: jnp.full((), 1e-4))
        shift, raw = jnp.split(output * jnp.exp(3.0 * log_factor), 2, -1)
        return shift, scale * jnp.tanh(raw)
