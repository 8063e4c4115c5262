"""Signal-dependent noise: the standard deviation grows with the clean intensity."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from jaxnoise.bijectors import _distrax
from jaxnoise.bijectors._shapes import EVENT_NDIMS, over_pixels, sum_event
from jaxnoise.bijectors.layer_kind import Images, Layer, LayerKind, Networks, Own, Settings, Token
from jaxnoise.bijectors.signal_and_gain import PARAMETERISATIONS, SHARED, VARIANCE_FLOOR, unused
from jaxnoise.bijectors.signal_fit import fit_signal_and_gain
from jaxnoise.checks import check_event, shape_of


class SignalDependent(_distrax.Bijector):
    """Multiplies by `s = sqrt(beta1 * clean / gain + beta2)`.

    Forward is latent to noise: `noise = s * z`. Parameters are stored as logarithms.
    """

    def __init__(
        self,
        clean: Float[Array, "*n h w c"],
        log_beta1: Float[Array, "*b1"],
        log_beta2: Float[Array, "*b2"],
        log_gain: Float[Array, "*g"] | float = 0.0,
        *,
        valid: Bool[Array, "*v h w 1"] | None = None,
    ):
        """Builds the layer for given clean images.

        Args:
            clean: amplified clean images, shape (..., H, W, C), fraction of full scale; negative
                values count as 0.
            log_beta1: log of the variance per unit of unamplified signal, shape () or (N,).
            log_beta2: log of the variance at zero signal, shape () or (N,).
            log_gain: log of the gain that takes the unamplified signal to `clean`, shape () or
                (N,).
            valid: shape (..., H, W, 1), True where a pixel counts in the log-determinant; None: all
                do.

        Raises:
            UsageError: when the shapes do not belong together; likewise when it is applied.

        Source: Noise Flow, Eqs. 12 and 13 and the latent clean image of Section 4.1.
        """
        super().__init__(event_ndims_in=EVENT_NDIMS)
        batches = shape_of(log_beta1), shape_of(log_beta2), shape_of(log_gain)
        check_event("SignalDependent", clean, batches=batches)
        slope = jnp.exp(jnp.asarray(log_beta1) - jnp.asarray(log_gain))
        variance = over_pixels(slope) * jnp.maximum(clean, 0.0) + over_pixels(jnp.exp(log_beta2))
        self._valid = valid
        self._log_scale = 0.5 * jnp.log(jnp.maximum(variance, VARIANCE_FLOOR))

    def forward_and_log_det(self, x: Float[Array, "*n h w c"]):
        """Latent to noise, with the log-determinant summed over (H, W, C).

        Args:
            x: latent, shape (..., H, W, C).

        Returns:
            The noise, same shape, and `sum log s`, shape (...).

        Source: Noise Flow, Eqs. 12 and 13.
        """
        self._check(x)
        log_scale = jnp.broadcast_to(
            self._log_scale, jnp.broadcast_shapes(x.shape, self._log_scale.shape)
        )
        return x * jnp.exp(log_scale), sum_event(log_scale, self._valid)

    def inverse_and_log_det(self, y: Float[Array, "*n h w c"]):
        """Noise to latent, with the log-determinant summed over (H, W, C).

        Args:
            y: noise, shape (..., H, W, C).

        Returns:
            The latent, same shape, and `-sum log s`, shape (...).

        Source: Noise Flow, Eqs. 12 and 13.
        """
        self._check(y)
        log_scale = jnp.broadcast_to(
            self._log_scale, jnp.broadcast_shapes(y.shape, self._log_scale.shape)
        )
        return y * jnp.exp(-log_scale), -sum_event(log_scale, self._valid)

    def _check(self, images: Array) -> None:
        *batch, height, width, channels = self._log_scale.shape
        event, batches = (height, width, channels), (tuple(batch),)
        check_event("SignalDependent", images, event=event, batches=batches, valid=self._valid)


def _build(
    layer: Layer, own: Own, images: Images, settings: Settings, networks: Networks
) -> SignalDependent:
    del layer, networks
    known = {"cameras": settings.cameras, "isos": settings.isos}
    parameters = PARAMETERISATIONS[settings.parameterisation]
    shared = parameters(own["params"], images.camera, images.iso, **known)
    betas = shared.log_beta1, shared.log_beta2, shared.log_signal_gain
    return SignalDependent(images.clean, *betas, valid=images.valid)


def _init(key: Array, layer: Layer, settings: Settings, networks: Networks) -> Own:
    del key, layer, networks
    params = {"b1": jnp.full((), -5.0), "b2": jnp.full((), 0.0)}
    if settings.parameterisation == "reference":
        params |= unused("signal")
    return {"params": params}


def _describe(layers: Sequence[Layer], params: Sequence[dict], settings: Settings) -> dict:
    del layers, settings
    (own,) = params
    return {"beta1": np.exp(own["b1"]), "beta2": np.exp(own["b2"])}


KIND = LayerKind(
    name="signal",
    tokens=(Token("S", "signal-dependent layer", "S", ("signal",), once=True),),
    build=_build,
    init=_init,
    describe=_describe,
    shared=SHARED,
    fit_shared=fit_signal_and_gain,
)
