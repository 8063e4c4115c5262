"""A learned noise curve: standard deviation and mean as smooth functions of the clean intensity."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from jaxnoise.bijectors import _distrax
from jaxnoise.bijectors._shapes import EVENT_NDIMS, sum_event
from jaxnoise.bijectors.layer_kind import (
    Images,
    Layer,
    LayerKind,
    Left,
    Networks,
    Own,
    Settings,
    Token,
)
from jaxnoise.checks import check_event, shape_of
from jaxnoise.conditions import table_rows
from jaxnoise.curve import Curve, curve_table, evaluate, intensity_moments
from jaxnoise.errors import UsageError


class NoiseCurve(_distrax.Bijector):
    """Scales by `std(I)` and shifts by `mean(I)`, per channel, with I the clean intensity.

    Forward is latent to noise: `noise = mean(I) + std(I) * z`. Stored: logarithms of the shot and
    read variances, and at equally spaced knots on [0, 1] corrections of the log standard deviation
    and means.
    """

    def __init__(
        self,
        clean: Float[Array, "*n h w c"],
        curve: Curve,
        *,
        valid: Bool[Array, "*v h w 1"] | None = None,
    ):
        """Builds the layer for given clean images.

        Args:
            clean: shape (..., H, W, C), fraction of full scale.
            curve: per channel, or per image and channel: see `jaxnoise.curve.Curve`.
            valid: shape (..., H, W, 1), True where a pixel counts in the log-determinant; None: all
                do.

        Raises:
            UsageError: when the shapes do not belong together; likewise when it is applied.

        Source: Foi et al. 2008, Eq. 2, generalised to free curves.
        """
        super().__init__(event_ndims_in=EVENT_NDIMS)
        lines, knots = shape_of(curve.log_shot), shape_of(curve.mean)
        fits = shape_of(curve.log_read) == lines and shape_of(curve.log_std) == knots
        if not (fits and lines and knots[:-1] == lines and knots[-1] > 1):
            shapes = ", ".join(str(shape_of(values)) for values in curve)
            raise UsageError(
                f"NoiseCurve got a curve of shapes {shapes}: give (..., C), (..., C), (..., C, K) "
                "and (..., C, K), with K of at least 2."
            )
        check_event("NoiseCurve", clean, channels=lines[-1], batches=(lines[:-1],))
        self._valid = valid
        self._log_std, self._mean = evaluate(curve, clean)

    def forward_and_log_det(self, x: Float[Array, "*n h w c"]):
        """Latent to noise.

        Args:
            x: latent, shape (..., H, W, C).

        Returns:
            The noise, same shape, and `sum log std`, shape (...).

        Source: Foi et al. 2008, Eq. 2.
        """
        self._check(x)
        log_std = jnp.broadcast_to(
            self._log_std, jnp.broadcast_shapes(x.shape, self._log_std.shape)
        )
        return self._mean + x * jnp.exp(log_std), sum_event(log_std, self._valid)

    def inverse_and_log_det(self, y: Float[Array, "*n h w c"]):
        """Noise to latent.

        Args:
            y: noise, shape (..., H, W, C).

        Returns:
            The latent, same shape, and `-sum log std`, shape (...).

        Source: Foi et al. 2008, Eq. 2.
        """
        self._check(y)
        log_std = jnp.broadcast_to(
            self._log_std, jnp.broadcast_shapes(y.shape, self._log_std.shape)
        )
        return (y - self._mean) * jnp.exp(-log_std), -sum_event(log_std, self._valid)

    def _check(self, images: Array) -> None:
        *batch, height, width, channels = self._log_std.shape
        event, batches = (height, width, channels), (tuple(batch),)
        check_event("NoiseCurve", images, event=event, batches=batches, valid=self._valid)


def _build(
    layer: Layer, own: Own, images: Images, settings: Settings, networks: Networks
) -> NoiseCurve:
    del layer, networks
    known = {"cameras": settings.cameras, "isos": settings.isos}
    rows = {
        name: table_rows(images.camera, images.iso, table, **known)
        for name, table in own["params"].items()
    }
    return NoiseCurve(images.clean, Curve(**rows), valid=images.valid)


def _init(key: Array, layer: Layer, settings: Settings, networks: Networks) -> Own:
    del key, networks
    rows = len(settings.cameras), len(settings.isos), layer.channels
    log_variance = jnp.full(rows, np.log(1e-4))
    knots = jnp.zeros((*rows, settings.knots))
    params = {"log_shot": log_variance, "log_read": log_variance, "log_std": knots, "mean": knots}
    return {"params": params}


def _fit(own: Own, layer: Layer, left: Left, settings: Settings) -> Own:
    """The moments of the noise in bins of the clean intensity."""
    del own, layer
    cameras, isos = len(settings.cameras), settings.isos
    given = {"keys": cameras * len(isos), "valid": left.valid}
    moments = intensity_moments(left.noise, left.clean, left.row, **given)
    options = {"knots": settings.knots, "variance_floor": left.variance_floor}
    table = curve_table(moments, cameras=cameras, isos=isos, **options)
    params = {name: jnp.asarray(value, left.noise.dtype) for name, value in table.items()}
    return {"params": params}


def _describe(layers: Sequence[Layer], params: Sequence[dict], settings: Settings) -> dict:
    """Means of the channels, of the layer that touches the data last."""
    del layers
    values = {}
    for m, camera in enumerate(settings.cameras):
        for k, iso in enumerate(settings.isos):
            values[f"shot/{camera}/{iso}"] = np.exp(params[-1]["log_shot"][m, k]).mean()
            values[f"read/{camera}/{iso}"] = np.exp(params[-1]["log_read"][m, k]).mean()
    return values


KIND = LayerKind(
    name="curve",
    tokens=(Token("N", "learned noise curve", "N", ("curve",)),),
    build=_build,
    init=_init,
    fit=_fit,
    describe=_describe,
)
