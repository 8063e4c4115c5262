"""A learned noise curve: standard deviation and mean as smooth functions of the clean intensity."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxnoise.bijectors import _distrax
from jaxnoise.bijectors._shapes import EVENT_NDIMS, sum_event
from jaxnoise.curve import Curve, evaluate


class NoiseCurve(_distrax.Bijector):
    """Scales by `std(I)` and shifts by `mean(I)`, per channel, with I the clean intensity.

    Forward is latent to noise: `noise = mean(I) + std(I) * z`. Stored: logarithms of the shot and
    read variances, and at equally spaced knots on [0, 1] corrections of the log standard deviation
    and means.
    """

    def __init__(self, clean: Float[Array, "*n h w c"], curve: Curve):
        """Builds the layer for given clean images.

        Args:
            clean: shape (..., H, W, C), fraction of full scale.
            curve: per channel, or per image and channel: see `jaxnoise.curve.Curve`.

        Source: Foi et al. 2008, Eq. 2, generalised to free curves.
        """
        super().__init__(event_ndims_in=EVENT_NDIMS)
        self._log_std, self._mean = evaluate(curve, clean)

    def forward_and_log_det(self, x: Float[Array, "*n h w c"]):
        """Latent to noise.

        Args:
            x: latent, shape (..., H, W, C).

        Returns:
            The noise, same shape, and `sum log std`, shape (...).

        Source: Foi et al. 2008, Eq. 2.
        """
        log_std = jnp.broadcast_to(
            self._log_std, jnp.broadcast_shapes(x.shape, self._log_std.shape)
        )
        return self._mean + x * jnp.exp(log_std), sum_event(log_std)

    def inverse_and_log_det(self, y: Float[Array, "*n h w c"]):
        """Noise to latent.

        Args:
            y: noise, shape (..., H, W, C).

        Returns:
            The latent, same shape, and `-sum log std`, shape (...).

        Source: Foi et al. 2008, Eq. 2.
        """
        log_std = jnp.broadcast_to(
            self._log_std, jnp.broadcast_shapes(y.shape, self._log_std.shape)
        )
        return (y - self._mean) * jnp.exp(-log_std), -sum_event(log_std)
