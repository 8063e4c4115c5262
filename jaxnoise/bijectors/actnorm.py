"""Activation normalisation: one scale and shift per channel."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxnoise.bijectors import _distrax
from jaxnoise.bijectors._shapes import EVENT_NDIMS, over_rows, per_image, pixels
from jaxnoise.checks import check_event, check_same
from jaxnoise.errors import UsageError


class ActNorm(_distrax.Bijector):
    """Scales and shifts each channel. Forward is latent to noise: `noise = exp(log_scale) * z +
    shift`.

    The scale is stored as a logarithm.
    """

    def __init__(
        self,
        log_scale: Float[Array, "*n c"],
        shift: Float[Array, "*n c"],
        *,
        valid: Bool[Array, "*v h w 1"] | None = None,
    ):
        """Builds the layer.

        Args:
            log_scale: log of the scale, shape (C,) or (N, C).
            shift: shift in units of the output, same shape.
            valid: shape (..., H, W, 1), True where a pixel counts in the log-determinant; None: all
                do.

        Raises:
            UsageError: when the shapes do not belong together; likewise when it is applied.

        Source: Glow (Kingma and Dhariwal 2018), Section 3.1.
        """
        super().__init__(event_ndims_in=EVENT_NDIMS, is_constant_jacobian=True)
        self._log_scale = jnp.asarray(log_scale)
        self._shift, self._valid = jnp.asarray(shift), valid
        check_same(log_scale=self._log_scale, shift=self._shift)
        if not self._log_scale.ndim:
            raise UsageError("ActNorm's log_scale has shape (): give one number a channel, (C,).")

    def forward_and_log_det(self, x: Float[Array, "*n h w c"]):
        """Latent to noise.

        Args:
            x: latent, shape (..., H, W, C).

        Returns:
            The noise, same shape, and `H W sum(log_scale)`, shape (...).

        Source: Glow (Kingma and Dhariwal 2018), Table 1.
        """
        self._check(x)
        noise = x * over_rows(jnp.exp(self._log_scale)) + over_rows(self._shift)
        return noise, per_image(pixels(x, self._valid) * self._log_scale.sum(-1), x)

    def inverse_and_log_det(self, y: Float[Array, "*n h w c"]):
        """Noise to latent.

        Args:
            y: noise, shape (..., H, W, C).

        Returns:
            The latent, same shape, and `-H W sum(log_scale)`, shape (...).

        Source: Glow (Kingma and Dhariwal 2018), Table 1.
        """
        self._check(y)
        latent = (y - over_rows(self._shift)) * over_rows(jnp.exp(-self._log_scale))
        return latent, per_image(-pixels(y, self._valid) * self._log_scale.sum(-1), y)

    def _check(self, images: Array) -> None:
        *batch, channels = self._log_scale.shape
        check_event(
            "ActNorm", images, channels=channels, batches=(tuple(batch),), valid=self._valid
        )
