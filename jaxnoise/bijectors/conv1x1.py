"""Invertible 1x1 convolution: one matrix across channels at every pixel."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Bool, Float

from jaxnoise.bijectors import _distrax
from jaxnoise.bijectors._shapes import EVENT_NDIMS, per_image, pixels
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
from jaxnoise.checks import check_event
from jaxnoise.errors import UsageError
from jaxnoise.tracing import is_concrete


class Conv1x1(_distrax.Bijector):
    """Multiplies each pixel's channels, as a row, by `A = P L U` on the way from noise to latent.

    Forward is latent to noise: `noise = z A^-1`. Stored: the permutation matrix P, the strict lower
    triangle of L row by row (its diagonal is 1), the strict upper triangle of U row by row, and U's
    diagonal as signs and logarithms.
    """

    def __init__(
        self,
        permutation: Float[Array, "c c"],
        lower: Float[Array, " t"],
        upper: Float[Array, " t"],
        sign: Float[Array, " c"],
        log_diagonal: Float[Array, " c"],
        *,
        valid: Bool[Array, "*v h w 1"] | None = None,
    ):
        """Builds the layer.

        Args:
            permutation: permutation matrix P, shape (C, C).
            lower: strict lower triangle of L, row-major, shape (C (C - 1) / 2,).
            upper: strict upper triangle of U, row-major, same shape.
            sign: signs of U's diagonal, shape (C,), each 1 or -1.
            log_diagonal: logarithms of the absolute values of U's diagonal, shape (C,).
            valid: shape (..., H, W, 1), True where a pixel counts in the log-determinant; None: all
                do.

        Raises:
            UsageError: when the shapes do not belong together; likewise when it is applied.

        Source: Noise Flow, Eq. 9, with the decomposition of Glow (Kingma and Dhariwal 2018), Eq.
            10.
        """
        super().__init__(event_ndims_in=EVENT_NDIMS, is_constant_jacobian=True)
        channels = log_diagonal.size
        triangle = channels * (channels - 1) // 2
        if permutation.shape != (channels, channels) or sign.shape != (channels,):
            raise UsageError(
                f"Conv1x1 over {channels} channels needs a permutation of shape "
                f"({channels}, {channels}) and {channels} signs, not {permutation.shape} and "
                f"{sign.shape}."
            )
        if lower.shape != (triangle,) or upper.shape != (triangle,) or log_diagonal.ndim != 1:
            raise UsageError(
                f"Conv1x1 over {channels} channels needs lower and upper of shape ({triangle},) "
                f"and log_diagonal of ({channels},), not {lower.shape}, {upper.shape} and "
                f"{log_diagonal.shape}."
            )
        rows, columns = np.tril_indices(channels, -1)
        identity = jnp.eye(channels, dtype=log_diagonal.dtype)
        self._permutation = permutation.astype(log_diagonal.dtype)
        self._lower = identity.at[rows, columns].set(lower)
        rows, columns = np.triu_indices(channels, 1)
        diagonal = jnp.diag(sign * jnp.exp(log_diagonal))
        self._upper = diagonal.at[rows, columns].set(upper)
        self._log_det, self._valid = log_diagonal.sum(), valid

    def matrix(self) -> Float[Array, "c c"]:
        """The matrix A = P L U that takes noise rows to latent rows, shape (C, C)."""
        triangles = jnp.matmul(self._lower, self._upper, precision="highest")
        return jnp.matmul(self._permutation, triangles, precision="highest")

    def inverse_matrix(self) -> Float[Array, "c c"]:
        """The inverse of A, shape (C, C), by two triangular solves."""
        half = solve_triangular(self._lower, self._permutation.T, lower=True, unit_diagonal=True)
        return solve_triangular(self._upper, half, lower=False)

    def forward_and_log_det(self, x: Float[Array, "*n h w c"]):
        """Latent to noise.

        Args:
            x: latent, shape (..., H, W, C).

        Returns:
            The noise, same shape, and `-H W sum(log_diagonal)`, shape (...).

        Source: Noise Flow, Eq. 9.
        """
        self._check(x)
        log_det = -pixels(x, self._valid) * self._log_det
        noise = jnp.matmul(x, self.inverse_matrix(), precision="highest")
        return noise, per_image(log_det, x)

    def inverse_and_log_det(self, y: Float[Array, "*n h w c"]):
        """Noise to latent.

        Args:
            y: noise, shape (..., H, W, C).

        Returns:
            The latent, same shape, and `H W sum(log_diagonal)`, shape (...).

        Source: Noise Flow, Eq. 9.
        """
        self._check(y)
        log_det = pixels(y, self._valid) * self._log_det
        return jnp.matmul(y, self.matrix(), precision="highest"), per_image(log_det, y)

    def _check(self, images: Array) -> None:
        check_event("Conv1x1", images, channels=len(self._permutation), valid=self._valid)


def decompose(matrix: Float[np.ndarray, "c c"]) -> dict[str, np.ndarray]:
    """The stored form of a given invertible matrix.

    Args:
        matrix: the matrix A that takes noise rows to latent rows, shape (C, C), on the host.

    Returns:
        `permutation`, `lower`, `upper`, `sign` and `log_diagonal`: the arguments of `Conv1x1`,
        float64.

    Raises:
        UsageError: when the matrix is not square, singular or not finite.

    Source: Glow (Kingma and Dhariwal 2018), Eq. 10.
    """
    work = np.array(matrix, np.float64)
    if work.ndim != 2 or work.shape[0] != work.shape[1]:
        raise UsageError(f"Conv1x1 needs a square matrix: this one has shape {work.shape}.")
    channels = len(work)
    order = np.arange(channels)
    lower = np.eye(channels)
    for step in range(channels):
        pivot = step + int(np.argmax(np.abs(work[step:, step])))
        if not np.isfinite(work).all() or work[pivot, step] == 0:
            raise UsageError("Conv1x1 needs an invertible matrix: give one with full rank.")
        work[[step, pivot]] = work[[pivot, step]]
        order[[step, pivot]] = order[[pivot, step]]
        lower[[step, pivot], :step] = lower[[pivot, step], :step]
        lower[step + 1 :, step] = work[step + 1 :, step] / work[step, step]
        work[step + 1 :] -= np.outer(lower[step + 1 :, step], work[step])
    permutation = np.zeros((channels, channels))
    permutation[order, np.arange(channels)] = 1.0
    return {
        "permutation": permutation,
        "lower": lower[np.tril_indices(channels, -1)],
        "upper": work[np.triu_indices(channels, 1)],
        "sign": np.sign(np.diag(work)),
        "log_diagonal": np.log(np.abs(np.diag(work))),
    }


def random_rotation(key: Array, channels: int) -> Own:
    """The stored form of a random rotation, to start from.

    Args:
        key: a `jax.random.key`.
        channels: C of the images.

    Returns:
        `params` (lower, upper, log_diagonal) and `constants` (permutation, sign).

    Source: Glow (Kingma and Dhariwal 2018), Section 3.2.
    """
    rotation, _ = jnp.linalg.qr(jax.random.normal(key, (channels, channels)))
    return _stored(rotation)


def _build(
    layer: Layer, own: Own, images: Images, settings: Settings, networks: Networks
) -> Conv1x1:
    del layer, settings, networks
    return Conv1x1(**own["constants"], **own["params"], valid=images.valid)


def _init(key: Array, layer: Layer, settings: Settings, networks: Networks) -> Own:
    del settings, networks
    return random_rotation(key, layer.channels)


def _fit(own: Own, layer: Layer, left: Left, settings: Settings) -> Own:
    """Whitens the channels, then rotates them as before."""
    del settings
    rows = np.asarray(left.noise).astype(np.float64).reshape(-1, layer.channels)
    if left.valid is not None:
        rows = rows[np.asarray(left.valid).ravel()]
    whitening = np.linalg.inv(np.linalg.cholesky(rows.T @ rows / len(rows))).T
    rotation = Conv1x1(**own["constants"], **own["params"]).matrix()
    return _stored(whitening @ np.asarray(rotation).astype(np.float64))


def _stored(matrix: Array | np.ndarray) -> Own:
    if is_concrete(matrix):
        parts = _parts(np.asarray(matrix))
    else:  # inside the caller's jit, or where only shapes are asked for
        like = {
            name: jax.ShapeDtypeStruct(part.shape, part.dtype)
            for name, part in _parts(np.eye(len(matrix))).items()
        }
        parts = jax.pure_callback(_parts, like, matrix)
    parts = {name: jnp.asarray(part) for name, part in parts.items()}
    constants = {name: parts.pop(name) for name in ("permutation", "sign")}
    return {"params": parts, "constants": constants}


def _parts(matrix: Array | np.ndarray) -> dict[str, np.ndarray]:
    kind = jnp.result_type(float)
    return {name: part.astype(kind) for name, part in decompose(np.asarray(matrix)).items()}


KIND = LayerKind(
    name="conv1x1",
    tokens=(Token("W", "1x1 convolution", "W", ("conv1x1",)),),
    build=_build,
    init=_init,
    fit=_fit,
    in_blocks="matrix",
)
