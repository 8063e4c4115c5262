"""Which pixels of noisy images a sensor did not clip."""

import numpy as np

WINDOW = 7
"""Side in pixels of the surroundings that decide whether noise is clipped at a pixel."""
SHARE = 0.05
"""Part of clipped pixels in the surroundings from which on a pixel does not count."""
RARE = 1e-5
"""Part of clipped pixels in a data set below which they are chance, and all pixels count."""


def is_clipped(values: np.ndarray, step: np.ndarray | None = None) -> np.ndarray:
    """Where an image is at the end of its scale.

    Args:
        values: noisy images as they are stored, shape (..., C): unsigned integers, whose ends are 0
            and the largest one, or float32, which a sensor clips to exactly 0 or 1.
        step: between the numbers of each image, (N,), where `values` have shape (N, H, W, C); the
            largest number of few bits in a wide type is the last of its steps.

    Returns:
        Shape (..., 1), bool: True where any channel is at an end.
    """
    last = 1.0 if values.dtype == np.float32 else np.iinfo(values.dtype).max
    if step is None:
        high = values == last
    else:
        # Exact for whole steps; other steps divide the scale evenly and end at its end.
        ends = np.floor(np.float64(last) / np.maximum(step, 1) + 1e-6) * np.maximum(step, 1)
        high = values >= np.floor(ends)[:, None, None, None]
    return ((values == 0) | high).any(-1, keepdims=True)


def valid_pixels(
    shots: list[np.ndarray], steps: list[np.ndarray | None] | None = None
) -> np.ndarray:
    """Where noise is that of the sensor, and not what clipping left of it.

    A pixel counts where no shot is clipped and few pixels around it are. The surroundings matter
    since leaving out just the clipped ones would keep the half of the noise that points away from
    the end of the scale: what is left out must not depend on the noise of a pixel.

    Args:
        shots: noisy images of the same scenes as they are stored, shape (N, H, W, C) each.
        steps: of each of them, as for `is_clipped`.

    Returns:
        Shape (N, H, W, 1), bool.
    """
    each = zip(shots, steps or [None] * len(shots), strict=True)
    clipped = np.any([is_clipped(shot, step) for shot, step in each], axis=0)
    if not clipped.any():
        return ~clipped
    share = clipped.astype(np.float32)
    for axis in (1, 2):
        share = _window_mean(share, axis)
    return ~clipped & (share <= SHARE)


def has_clipping(shots: list[np.ndarray], steps: list[np.ndarray | None] | None = None) -> bool:
    """Whether so many pixels of a data set are clipped that they must be left out.

    Args:
        shots: as for `valid_pixels`.
        steps: as for `valid_pixels`.
    """
    each = zip(shots, steps or [None] * len(shots), strict=True)
    counted = sum(int(is_clipped(shot, step).sum()) for shot, step in each)
    return counted > RARE * sum(shot[..., 0].size for shot in shots)


def _window_mean(values: np.ndarray, axis: int) -> np.ndarray:
    """Mean over the window along an axis; at a border, over the part of it that there is."""
    size, half = values.shape[axis], WINDOW // 2
    total = np.cumsum(values, axis, dtype=np.float32)
    total = np.concatenate([np.zeros_like(total.take([0], axis)), total], axis)
    first = np.maximum(np.arange(size) - half, 0)
    last = np.minimum(np.arange(size) + half + 1, size)
    shape = [-1 if place == axis else 1 for place in range(values.ndim)]
    count = (last - first).astype(np.float32).reshape(shape)
    return (total.take(last, axis) - total.take(first, axis)) / count
