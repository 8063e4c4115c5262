"""Structural similarity of images, with the windows of the papers that tabulate it."""

from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Num

from jaxnoise.errors import UsageError
from jaxnoise.metrics._checks import as_pair, check_images
from jaxnoise.metrics._namespace import namespace


@dataclass(frozen=True)
class SsimPreset:
    """How one paper or library computes SSIM.

    Attributes:
        window: side of the square window in pixels, odd.
        sigma: standard deviation of the Gaussian weights of the window in pixels; None weights
            all its pixels alike.
        sample_covariance: divides variances and covariances by n - 1 rather than n, where n is
            the number of pixels of the window.
        shorter_side: average-pools images first by max(1, round(min(H, W) / shorter_side)), which
            drops the rows and columns that do not fill a block; None never does.
        k1, k2: the constants that steady the quotients, relative to the data range.
    """

    window: int
    sigma: float | None
    sample_covariance: bool = False
    shorter_side: int | None = None
    k1: float = 0.01
    k2: float = 0.03


_WANG = SsimPreset(window=11, sigma=1.5)
_UNIFORM = SsimPreset(window=7, sigma=None, sample_covariance=True)

SSIM_PRESETS = MappingProxyType(
    {
        "default": _WANG,
        "noise_flow": _WANG,
        # A window of 2 int(3.5 sigma + 0.5) + 1 pixels, as scikit-image cuts a Gaussian.
        "noise2noiseflow": SsimPreset(window=7, sigma=0.8),
        "piq": SsimPreset(window=11, sigma=1.5, shorter_side=256),
        "rcl": _UNIFORM,
        "skimage": _UNIFORM,
    }
)
"""The settings of `ssim` by name; its docstring says which is which."""

# Windows of a tile along each axis: the cost of a window and the memory grow with it.
_TILE = 64
# Pixel values that numpy takes from a batch at once: memory does not grow with the batch.
_CHUNK = 2**18


def ssim(
    a: Num[Array | np.ndarray, "*first"],
    b: Num[Array | np.ndarray, "*second"],
    *,
    data_range: float | int | None = None,
    preset: str = "default",
) -> np.floating | Num[Array | np.ndarray, "*batch"]:
    """Mean structural similarity of each image: over all windows inside it, then over channels.

    Windows that reach beyond the border count in no preset. The presets:

    - "default": Wang et al. 2004. Gaussian window, sigma 1.5, 11 x 11, population covariance.
    - "noise_flow": the same. The paper's table is of raw mosaics (C = 1) in [0, 1] with
      `data_range=2.0`, which scikit-image assumed for floats; it gives higher numbers than 1.0.
    - "noise2noiseflow": Gaussian window, sigma 0.8, 7 x 7, population covariance; on packed raw
      with `data_range=1.0`.
    - "piq": the window of "default" on images that are average-pooled first when their shorter side
      is 384 pixels or more (NoiseTransfer, with the library piq; `data_range=1.0`).
    - "rcl", "skimage": uniform window, 7 x 7, sample covariance (the defaults of scikit-image;
      Residual Contrastive Learning with `data_range=255`).

    Args:
        a: images, shape (..., H, W, C), any unit. Not clipped here.
        b: images to compare with, same shape and unit.
        data_range: largest possible value minus smallest, same unit; None: 1.0, for floats alone.
            No preset changes it.
        preset: a key of `SSIM_PRESETS`.

    Returns:
        Shape (...,), from -1 to 1: 1 for equal images, NaN where one holds a NaN. Computed in
        float64 for numpy arrays and at least float32 for jax arrays.

    Raises:
        UsageError: for unlike shapes, fewer than three axes, images smaller than the window, an
            unknown preset, integers without a `data_range`, or one that is not positive and finite.

    Source: Wang et al., Image Quality Assessment: From Error Visibility to Structural Similarity,
        Eq. 13 and 17.
    """
    data_range = check_images(a, b, data_range)
    if preset not in SSIM_PRESETS:
        raise UsageError(f"preset {preset!r} is unknown: use one of {', '.join(SSIM_PRESETS)}.")
    chosen = SSIM_PRESETS[preset]
    height, width, channels = a.shape[-3:]
    if min(height, width) < chosen.window:
        raise UsageError(
            f"images of {height} x {width} pixels are smaller than the window of preset "
            f"{preset!r}: pass images of at least {chosen.window} x {chosen.window}."
        )
    mean = _mean_of_numpy
    if namespace(a, b) is jnp:
        (a, b), mean = as_pair(a, b), _mean_of_jax
    x, y = (image.reshape(-1, height, width, channels) for image in (a, b))
    return mean(x, y, float(data_range), chosen).reshape(a.shape[:-3])[()]


def _pooling(height: int, width: int, preset: SsimPreset) -> int:
    """Side of the blocks that become one pixel each."""
    if preset.shorter_side is None:
        return 1
    return max(1, round(min(height, width) / preset.shorter_side))


def _planes(images, dtype, preset):
    """Channels of images (n, h, w, c) as planes (n, c, h, w), pooled where the preset does."""
    n, height, width, channels = images.shape
    factor = _pooling(height, width, preset)
    if factor == 1:
        return images.transpose(0, 3, 1, 2)
    rows, columns = height // factor, width // factor
    kept = images[:, : rows * factor, : columns * factor]
    blocks = kept.reshape(n, rows, factor, columns, factor, channels)
    return blocks.mean(axis=(2, 4), dtype=dtype).transpose(0, 3, 1, 2)


def _mean_of_numpy(a, b, data_range, preset):
    dtype = np.dtype(np.float64)
    a, b = _planes(a, dtype, preset), _planes(b, dtype, preset)
    (tops, row_shares), (lefts, column_shares) = (_tiles(n, preset.window) for n in a.shape[2:])
    means = np.zeros(len(a))
    step = max(1, _CHUNK // (a.shape[1] * tops.shape[1] * lefts.shape[1]))
    for start in range(0, len(a), step):
        for rows, row_share in zip(tops, row_shares, strict=True):
            for columns, column_share in zip(lefts, column_shares, strict=True):
                part = np.s_[start : start + step, :, rows[0] : rows[-1] + 1]
                x, y = (z[part][..., columns[0] : columns[-1] + 1].astype(dtype) for z in (a, b))
                means[start : start + step] += _tile_mean(
                    x, y, row_share, column_share, data_range, preset
                )
    return means


@partial(jax.jit, static_argnames="preset")
def _mean_of_jax(a, b, data_range, preset):
    dtype = a.dtype
    a, b = (_planes(z, dtype, preset) for z in (a, b))
    (tops, row_shares), (lefts, column_shares) = (_tiles(n, preset.window) for n in a.shape[2:])
    row_shares, column_shares = row_shares.astype(dtype), column_shares.astype(dtype)
    if len(tops) == len(lefts) == 1:
        return _tile_mean(a, b, row_shares[0], column_shares[0], data_range, preset)

    def tiles(z):
        cut = z[:, :, tops][..., lefts].transpose(2, 4, 0, 1, 3, 5)
        return cut.reshape(-1, *cut.shape[2:])

    shares = np.repeat(row_shares, len(lefts), axis=0), np.tile(column_shares, (len(tops), 1))
    mean = partial(_tile_mean, data_range=data_range, preset=preset)
    return jax.lax.map(lambda tile: mean(*tile), (tiles(a), tiles(b), *shares)).sum(axis=0)


def _tiles(side: int, window: int) -> tuple[np.ndarray, np.ndarray]:
    """Tiles of one size that cover an axis; the last one may overlap the one before.

    Returns:
        Pixels of each tile, and the share of each of its windows in the mean over the axis, where
        a window that two tiles have counts once.
    """
    windows = side - window + 1
    number = -(-windows // _TILE)
    size = -(-windows // number)
    wanted = np.arange(0, windows, size)[:, None]
    starts = np.minimum(wanted, windows - size)
    new = starts + np.arange(size) >= wanted
    return starts + np.arange(size + window - 1), new / windows


def _tile_mean(x, y, row_share, column_share, data_range, preset):
    """Weighted mean of SSIM over the windows and channels of tiles (n, c, h, w): shape (n,)."""
    xp = namespace(x, y)
    down, along = (xp.asarray(_sliding(side, preset).T, x.dtype) for side in x.shape[-2:])

    def average(z):
        # Columns come out as rows: a product with a matrix on the right is the fastest one.
        return xp.matmul(xp.matmul(z, along).swapaxes(-1, -2), down)

    # Variances are differences of squares: near 0 these lose nothing of float32.
    centre = (x.mean(axis=(-2, -1), keepdims=True) + y.mean(axis=(-2, -1), keepdims=True)) / 2
    x, y = x - centre, y - centre
    # Accelerators would round float32 factors to 10 bits or fewer.
    with jax.default_matmul_precision("highest"):
        mean_x, mean_y = average(x), average(y)
        variances = average(x * x + y * y) - (mean_x * mean_x + mean_y * mean_y)
        covariance = average(x * y) - mean_x * mean_y
    if preset.sample_covariance:
        pixels = preset.window**2
        variances, covariance = (z * (pixels / (pixels - 1)) for z in (variances, covariance))
    mean_x, mean_y = mean_x + centre, mean_y + centre
    c1, c2 = (preset.k1 * data_range) ** 2, (preset.k2 * data_range) ** 2
    similarity = ((2 * mean_x * mean_y + c1) * (2 * covariance + c2)) / (
        (mean_x * mean_x + mean_y * mean_y + c1) * (variances + c2)
    )
    with jax.default_matmul_precision("highest"):
        return ((similarity @ row_share) @ column_share).mean(axis=-1)


def _sliding(side: int, preset: SsimPreset) -> np.ndarray:
    """Matrix that takes the weighted mean of every window along an axis: (windows, side)."""
    offsets = np.arange(preset.window) - preset.window // 2
    if preset.sigma is None:
        weights = np.ones(preset.window)
    else:
        weights = np.exp(-0.5 * (offsets / preset.sigma) ** 2)
    matrix = np.zeros((side - preset.window + 1, side))
    rows = np.arange(len(matrix))[:, None]
    matrix[rows, rows + np.arange(preset.window)] = weights / weights.sum()
    return matrix
