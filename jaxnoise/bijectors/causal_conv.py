"""Causal convolution, for what 1x1 convolutions cannot see: correlation between neighbours."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Bool, Float

from jaxnoise.bijectors import _distrax
from jaxnoise.bijectors._shapes import EVENT_NDIMS, over_rows, per_image, pixels
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
from jaxnoise.causal import SHRINKAGE, fit_taps, gram, half_plane, predict, radius_of, solve
from jaxnoise.checks import check_event
from jaxnoise.conditions import table_rows
from jaxnoise.errors import UsageError

MIX = "...hwc,...dc->...hwd"


class CausalConv(_distrax.Bijector):
    """Subtracts from each pixel a linear function of the pixels above and to the left, in raster
    order.

    Forward is latent to noise, a recurrence solved by wavefront; noise to latent is a convolution,
    zero outside the image: `z_p = exp(-log_scale) * (L (y_p - sum_k taps_k y_{p - k}))` with
    `L = I - lower` unit lower triangular over channels. Stored: the taps (output channel, input
    channel) in the order of `jaxnoise.causal.half_plane`, the strict lower triangle row by row, and
    the scale's logarithm.
    """

    def __init__(
        self,
        taps: Float[Array, "*n k c c"],
        lower: Float[Array, "*n t"],
        log_scale: Float[Array, "*n c"],
        *,
        valid: Bool[Array, "*v h w 1"] | None = None,
    ):
        """Builds the layer.

        Args:
            taps: shape (K, C, C), or (N, K, C, C) for taps per image, K = 2 R (R + 1) for radius R.
            lower: weights of a pixel's earlier channels, row-major, shape (C (C - 1) / 2,) or (N,
                ...).
            log_scale: log of the standard deviation of what is left, shape (C,) or (N, C).
            valid: shape (..., H, W, 1), True where a pixel counts in the log-determinant; None: all
                do.

        Raises:
            UsageError: when the shapes do not belong together; likewise when it is applied.

        Source: the linear case of masked autoregressive flows (Papamakarios et al. 2017), Eqs. 3
            and 4.
        """
        super().__init__(event_ndims_in=EVENT_NDIMS, is_constant_jacobian=True)
        channels = log_scale.shape[-1] if log_scale.ndim else 0
        if taps.ndim < 3 or taps.shape[-2:] != (channels, channels):
            raise UsageError(
                f"CausalConv over {channels} channels needs taps (K, {channels}, {channels}), not "
                f"{taps.shape}."
            )
        triangle = channels * (channels - 1) // 2
        if lower.shape[-1:] != (triangle,):
            raise UsageError(
                f"CausalConv over {channels} channels needs {triangle} entries in lower, not shape "
                f"{lower.shape}."
            )
        self._radius = radius_of(taps.shape[-3])
        rows, columns = np.tril_indices(channels, -1)
        identity = jnp.broadcast_to(
            jnp.eye(channels, dtype=taps.dtype), (*lower.shape[:-1], channels, channels)
        )
        self._mix = identity.at[..., rows, columns].set(-lower)
        self._taps, self._log_scale, self._valid = taps, log_scale, valid

    def forward_and_log_det(self, x: Float[Array, "*n h w c"]):
        """Latent to noise, in W + (R + 1)(H - 1) steps.

        Args:
            x: latent, shape (..., H, W, C).

        Returns:
            The noise, same shape, and `H W sum(log_scale)`, shape (...).

        Source: Papamakarios et al. 2017, Eq. 4.
        """
        self._check(x)
        return self._generate(x, None), self._log_det(x, sign=1)

    def forward_below(
        self, x: Float[Array, "*n h w c"], above: Float[Array, "*n r w c"]
    ) -> Float[Array, "*n h w c"]:
        """Latent to noise for some rows of an image whose rows above them are known.

        Args:
            x: latent of the rows, shape (..., H, W, C).
            above: noise of the R rows above them, shape (..., R, W, C); 0 outside the image.

        Returns:
            The noise of the rows, shape (..., H, W, C).

        Raises:
            UsageError: when the shapes do not belong together.

        Source: Papamakarios et al. 2017, Eq. 4.
        """
        self._check(x)
        if above.shape[-3:] != (self._radius, *x.shape[-2:]):
            raise UsageError(
                f"CausalConv got shape {x.shape} below rows of shape {above.shape}: give the "
                f"{self._radius} rows above them, as wide."
            )
        return self._generate(x, above)

    def _generate(self, x: Array, above: Array | None) -> Array:
        batch = jnp.broadcast_shapes(
            x.shape[:-3], self._taps.shape[:-3], self._log_scale.shape[:-1]
        )
        scaled = jnp.broadcast_to(x * over_rows(jnp.exp(self._log_scale)), (*batch, *x.shape[-3:]))
        identity = jnp.broadcast_to(jnp.eye(x.shape[-1], dtype=self._mix.dtype), self._mix.shape)
        unmix = solve_triangular(self._mix, identity, lower=True, unit_diagonal=True)
        residual = jnp.einsum(MIX, scaled, unmix, precision="highest")
        taps = self._taps
        if taps.ndim > 3:
            taps = jnp.broadcast_to(taps, (*batch, *taps.shape[-3:])).reshape(-1, *taps.shape[-3:])
        residual = residual.reshape(-1, *x.shape[-3:])
        if above is not None:
            above = jnp.broadcast_to(above, (*batch, *above.shape[-3:]))
            known = above.reshape(-1, *above.shape[-3:])
            # What the known rows add to the prediction of the first R rows.
            reach = jnp.concatenate([known, jnp.zeros_like(known)], 1)
            added = predict(reach, taps)[:, known.shape[1] :][:, : residual.shape[1]]
            residual = residual.at[:, : added.shape[1]].add(added)
        return solve(residual, taps).reshape(*batch, *x.shape[-3:])

    def inverse_and_log_det(self, y: Float[Array, "*n h w c"]):
        """Noise to latent.

        Args:
            y: noise, shape (..., H, W, C).

        Returns:
            The latent, same shape, and `-H W sum(log_scale)`, shape (...).

        Source: Papamakarios et al. 2017, Eq. 3.
        """
        self._check(y)
        innovation = jnp.einsum(MIX, y - predict(y, self._taps), self._mix, precision="highest")
        return innovation * over_rows(jnp.exp(-self._log_scale)), self._log_det(y, sign=-1)

    def _check(self, images: Array) -> None:
        batches = self._taps.shape[:-3], self._mix.shape[:-2], self._log_scale.shape[:-1]
        channels = self._log_scale.shape[-1]
        check_event("CausalConv", images, channels=channels, batches=batches, valid=self._valid)

    def _log_det(self, images: Array, *, sign: int) -> Array:
        total = sign * pixels(images, self._valid) * self._log_scale.sum(-1)
        batch = jnp.broadcast_shapes(total.shape, self._taps.shape[:-3])
        return per_image(jnp.broadcast_to(total, batch), images)


def whitening_parameters(
    taps: Float[np.ndarray, "*n k c c"], covariance: Float[np.ndarray, "*n c c"]
) -> dict[str, np.ndarray]:
    """The layer that turns a linear prediction and the covariance it leaves into white noise.

    Args:
        taps: from `jaxnoise.causal.fit_taps`, shape (..., K, C, C).
        covariance: of the prediction error, shape (..., C, C), positive definite.

    Returns:
        `taps`, `lower` and `log_scale`: the arguments of `CausalConv`, float64.
    """
    factor = np.linalg.cholesky(np.asarray(covariance, np.float64))
    scale = np.diagonal(factor, axis1=-2, axis2=-1)
    unmix = np.linalg.inv(factor / scale[..., None, :])
    rows, columns = np.tril_indices(factor.shape[-1], -1)
    return {"taps": taps, "lower": -unmix[..., rows, columns], "log_scale": np.log(scale)}


def _is_table(params: dict) -> bool:
    """Whether the parameters are a table over cameras and ISO numbers."""
    return params["log_scale"].ndim == 3


def _table_shape(settings: Settings) -> tuple[int, ...]:
    if settings.taps == "conditional":
        return len(settings.cameras), len(settings.isos)
    return ()


def _build(
    layer: Layer, own: Own, images: Images, settings: Settings, networks: Networks
) -> CausalConv:
    del layer, networks
    params = own["params"]
    if not _is_table(params):
        return CausalConv(**params, valid=images.valid)
    known = {"cameras": settings.cameras, "isos": settings.isos}
    rows = {
        name: table_rows(images.camera, images.iso, table, **known)
        for name, table in params.items()
    }
    return CausalConv(**rows, valid=images.valid)


def _init(key: Array, layer: Layer, settings: Settings, networks: Networks) -> Own:
    del key, networks
    rows, channels = _table_shape(settings), layer.channels
    taps = len(half_plane(layer.radius))
    params = {
        "taps": jnp.zeros((*rows, taps, channels, channels)),
        "lower": jnp.zeros((*rows, channels * (channels - 1) // 2)),
        "log_scale": jnp.zeros((*rows, channels)),
    }
    return {"params": params}


def _fit(own: Own, layer: Layer, left: Left, settings: Settings) -> Own:
    """Least squares, and white noise of variance 1 left."""
    del own
    rows = _table_shape(settings)
    place = left.row if rows else jnp.zeros_like(left.row)
    given = {"radius": layer.radius, "keys": int(np.prod(rows)), "valid": left.valid}
    grams, counted = gram(left.noise, place, **given)
    shrinkage = SHRINKAGE if rows else 0.0
    fit = fit_taps(
        np.asarray(grams), np.asarray(counted), channels=layer.channels, shrinkage=shrinkage
    )
    fitted = whitening_parameters(*fit)
    params = {
        name: jnp.asarray(value.reshape(*rows, *value.shape[1:]), left.noise.dtype)
        for name, value in fitted.items()
    }
    return {"params": params}


def _describe(layers: Sequence[Layer], params: Sequence[dict], settings: Settings) -> dict:
    """The mean of the diagonal of the nearest taps, of the layer that touches the data first."""
    del settings
    layer, own = layers[0], params[0]
    taps = own["taps"].mean((0, 1)) if _is_table(own) else own["taps"]
    return {
        "tap/left": np.diagonal(taps[0]).mean(),
        "tap/above": np.diagonal(taps[2 * layer.radius]).mean(),
    }


KIND = LayerKind(
    name="causal",
    tokens=(Token("KR", "causal convolution of radius R", r"K([1-9]|1\d)", ("causal",)),),
    build=_build,
    init=_init,
    fit=_fit,
    describe=_describe,
    reach=lambda layer: (layer.radius, 0),
    goes_on=True,
)
