"""Squeeze: 2x2 pixels become channels, so that later layers see neighbours."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxnoise.bijectors import _distrax
from jaxnoise.bijectors._shapes import EVENT_NDIMS
from jaxnoise.bijectors.layer_kind import LayerKind, Token
from jaxnoise.checks import check_event
from jaxnoise.errors import UsageError

FACTOR = 2


class Squeeze(_distrax.Bijector):
    """Trades 2x2 pixels for channels. Forward is latent to noise: (H/2, W/2, 4C) to (H, W, C).

    Latent channel `(2 dy + dx) C + c` holds channel c of its cell's pixel at row dy, column dx.
    It stores no parameters, and its log-determinant is 0.
    """

    def __init__(self):
        """Builds the layer.

        Source: Real NVP (Dinh et al. 2017), Section 3.6.
        """
        super().__init__(event_ndims_in=EVENT_NDIMS, is_constant_jacobian=True)

    def forward_and_log_det(self, x: Float[Array, "*n h2 w2 c4"]):
        """Latent to noise.

        Args:
            x: latent, shape (..., H/2, W/2, 4C).

        Returns:
            The noise, shape (..., H, W, C), and 0, shape (...).

        Raises:
            UsageError: when the channels are no multiple of 4.

        Source: Real NVP (Dinh et al. 2017), Section 3.6.
        """
        check_event("Squeeze", x)
        *batch, height, width, channels = x.shape
        if channels % FACTOR**2:
            raise UsageError(
                f"Unsqueezing needs a multiple of 4 channels: the latent has shape {x.shape}."
            )
        out = channels // FACTOR**2
        cells = x.reshape(*batch, height, width, FACTOR, FACTOR, out)
        cells = jnp.moveaxis(cells, -3, -4)
        return cells.reshape(*batch, height * FACTOR, width * FACTOR, out), jnp.zeros(
            batch, x.dtype
        )

    def inverse_and_log_det(self, y: Float[Array, "*n h w c"]):
        """Noise to latent.

        Args:
            y: noise, shape (..., H, W, C), H and W even.

        Returns:
            The latent, shape (..., H/2, W/2, 4C), and 0, shape (...).

        Raises:
            UsageError: when H or W is odd.

        Source: Real NVP (Dinh et al. 2017), Section 3.6.
        """
        check_event("Squeeze", y)
        *batch, height, width, channels = y.shape
        if height % FACTOR or width % FACTOR:
            raise UsageError(
                f"A squeeze needs an even height and width, not {height} x {width} of shape "
                f"{y.shape}: crop the images."
            )
        cells = y.reshape(*batch, height // FACTOR, FACTOR, width // FACTOR, FACTOR, channels)
        cells = jnp.moveaxis(cells, -4, -3)
        latent = cells.reshape(*batch, height // FACTOR, width // FACTOR, FACTOR**2 * channels)
        return latent, jnp.zeros(batch, y.dtype)


KIND = LayerKind(
    name="squeeze",
    tokens=(Token("Q", "2x2 squeeze", "Q", ("squeeze",)),),
    build=lambda layer, own, images, settings, networks: Squeeze(),
    zoom=FACTOR,
)
