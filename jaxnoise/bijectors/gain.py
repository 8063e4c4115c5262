"""Gain: one factor per image, from its ISO and camera."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from jaxnoise.bijectors import _distrax
from jaxnoise.bijectors._shapes import EVENT_NDIMS, over_pixels, per_image, pixels
from jaxnoise.bijectors.layer_kind import Images, Layer, LayerKind, Networks, Own, Settings, Token
from jaxnoise.bijectors.signal_and_gain import PARAMETERISATIONS, SHARED, unused
from jaxnoise.bijectors.signal_fit import fit_signal_and_gain
from jaxnoise.checks import check_event

CAMERA_TOKEN = "CAM"


class Gain(_distrax.Bijector):
    """Multiplies by one gain per image. Forward is latent to noise: `noise = gain * z`.

    The parameter is stored as a logarithm.
    """

    def __init__(
        self, log_gain: Float[Array, "*n"], *, valid: Bool[Array, "*v h w 1"] | None = None
    ):
        """Builds the layer.

        Args:
            log_gain: log of the gain, shape () or (N,).
            valid: shape (..., H, W, 1), True where a pixel counts in the log-determinant; None: all
                do.

        Source: Noise Flow, Eqs. 14 to 16.
        """
        super().__init__(event_ndims_in=EVENT_NDIMS, is_constant_jacobian=True)
        self._log_gain, self._valid = jnp.asarray(log_gain), valid

    def forward_and_log_det(self, x: Float[Array, "*n h w c"]):
        """Latent to noise.

        Args:
            x: latent, shape (..., H, W, C).

        Returns:
            The noise, same shape, and `H W C log gain`, shape (...).

        Raises:
            UsageError: when the shapes do not belong together.

        Source: Noise Flow, Eqs. 14 and 15.
        """
        self._check(x)
        size = pixels(x, self._valid) * x.shape[-1]
        return x * over_pixels(jnp.exp(self._log_gain)), per_image(size * self._log_gain, x)

    def inverse_and_log_det(self, y: Float[Array, "*n h w c"]):
        """Noise to latent.

        Args:
            y: noise, shape (..., H, W, C).

        Returns:
            The latent, same shape, and `-H W C log gain`, shape (...).

        Raises:
            UsageError: when the shapes do not belong together.

        Source: Noise Flow, Eqs. 14 and 15.
        """
        self._check(y)
        size = pixels(y, self._valid) * y.shape[-1]
        return y * over_pixels(jnp.exp(-self._log_gain)), per_image(-size * self._log_gain, y)

    def _check(self, images: Array) -> None:
        check_event("Gain", images, batches=(self._log_gain.shape,), valid=self._valid)


def _gain(own: Own, images: Images, settings: Settings) -> Array:
    known = {"cameras": settings.cameras, "isos": settings.isos}
    parameters = PARAMETERISATIONS[settings.parameterisation]
    return parameters(own["params"], images.camera, images.iso, **known).log_gain


def _build(layer: Layer, own: Own, images: Images, settings: Settings, networks: Networks) -> Gain:
    del layer, networks
    return Gain(_gain(own, images, settings), valid=images.valid)


def _init(key: Array, layer: Layer, settings: Settings, networks: Networks) -> Own:
    del key, layer, networks
    reference = settings.parameterisation == "reference"
    params = {"v": jnp.full((len(settings.isos),), -5.0 if reference else np.log(1 / 200))}
    if CAMERA_TOKEN in settings.arch.split("-"):
        cameras = len(settings.cameras)
        name, shape = ("camera", (3, cameras)) if reference else ("log_psi", (cameras,))
        params[name] = jnp.full(shape, 1.0 if reference else 0.0)
    if reference:
        params |= {"gain_val": jnp.ones(()), **unused("gain")}
    return {"params": params}


def _describe(layers: Sequence[Layer], params: Sequence[dict], settings: Settings) -> dict:
    del layers
    (own,) = params
    values = {
        f"gain/{iso}": np.exp(value) * max(iso, 1)
        for iso, value in zip(settings.isos, own["v"], strict=True)
    }
    if "gain_val" in own:
        values["gain"] = own["gain_val"]
    for name, rows in (("log_psi", own.get("log_psi")), ("camera", own.get("camera"))):
        if rows is not None:
            factors = np.exp(rows if name == "log_psi" else rows[2])
            values |= {f"camera/{c}": f for c, f in zip(settings.cameras, factors, strict=True)}
    return values


KIND = LayerKind(
    name="gain",
    tokens=(
        Token("G", "gain per ISO", "G", ("gain",), once=True),
        Token(CAMERA_TOKEN, "a factor per camera in the gain", "CAM", (), once=True, needs="G"),
    ),
    build=_build,
    init=_init,
    describe=_describe,
    in_blocks="factor",
    shared=SHARED,
    fit_shared=fit_signal_and_gain,
    log_factor=_gain,
)
