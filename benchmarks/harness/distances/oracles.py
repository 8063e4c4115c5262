"""Distances by their definitions, in float64 and without JAX: what the benchmarks compare with."""

import math
from dataclasses import dataclass

import numpy as np

ROWS = 256


@dataclass(frozen=True)
class Truth:
    """A squared MMD by its definition.

    Attributes:
        biased: V-statistic.
        unbiased: U-statistic.
        gradients: of the biased statistic, with respect to x and to y.
        steepest: n times an entry of the gradient is at most this for a squared MMD of this size.
    """

    biased: float
    unbiased: float
    gradients: tuple[np.ndarray, np.ndarray]
    steepest: float


def mmd2(x: np.ndarray, y: np.ndarray, widths: np.ndarray | float) -> Truth:
    """Squared MMD of two sets of scalars and its gradient, every kernel evaluated.

    Args:
        x: samples, shape (n,), at least 2.
        y: samples, shape (m,), at least 2.
        widths: bandwidths delta of exp(-(u - v)^2 / delta^2); the kernel is the mean over them.

    Returns:
        The two statistics and the gradient of the biased one.
    """
    x, y = (np.asarray(samples, np.float64) for samples in (x, y))
    n, m = x.size, y.size
    biased, unbiased, steepest = 0.0, 0.0, 0.0
    along_x, along_y = np.zeros(n), np.zeros(m)
    widths = np.atleast_1d(np.asarray(widths, np.float64))
    for width in widths:
        (xx, slope_xx, _), (yy, slope_yy, _) = (_kernel_sums(side, side, width) for side in (x, y))
        xy, slope_x, slope_y = _kernel_sums(x, y, width)
        distance = xx / n**2 + yy / m**2 - 2 * xy / (n * m)
        biased += distance
        # The kernel's derivative has norm sqrt(2) / delta: Cauchy and Schwarz do the rest.
        steepest += 2 * math.sqrt(2 * max(distance, 0.0)) / width
        unbiased += xx / (n * (n - 1)) + yy / (m * (m - 1)) - 2 * xy / (n * m)
        factor = -2 / width**2
        along_x += factor * 2 * (slope_xx / n**2 - slope_x / (n * m))
        along_y += factor * 2 * (slope_yy / m**2 - slope_y / (n * m))
    count = len(widths)
    gradients = along_x / count, along_y / count
    return Truth(biased / count, unbiased / count, gradients, steepest / count)


def _kernel_sums(
    x: np.ndarray, y: np.ndarray, width: float
) -> tuple[float, np.ndarray, np.ndarray]:
    """Sum of k - 1, and for every x and every y the sum over the others of (self - other) k.

    One is taken from each kernel because the ones cancel in a squared MMD, and with them would go
    the digits of a wide kernel.
    """
    sums, slopes_x, slopes_y = [], [], np.zeros(y.size)
    for start in range(0, x.size, ROWS):
        difference = x[start : start + ROWS, None] - y
        less_one = np.expm1(-((difference / width) ** 2))
        sums.append(less_one.sum())
        difference *= 1 + less_one
        slopes_x.append(difference.sum(1))
        slopes_y -= difference.sum(0)
    return math.fsum(sums), np.concatenate(slopes_x), slopes_y


def mmd2_by_frequencies(x: np.ndarray, y: np.ndarray, width: float) -> float:
    """Biased squared MMD as an integral over frequencies, far more finely than float64 asks for.

    Args:
        x: samples, shape (n,).
        y: samples, shape (m,).
        width: bandwidth delta.

    Returns:
        What `mmd2` would, to a relative 1e-9 or better; for samples too large for a double sum.
    """
    x, y = (np.asarray(samples, np.float64) for samples in (x, y))
    centre = (x.mean() + y.mean()) / 2
    period = 1.5 * (max(x.max(), y.max()) - min(x.min(), y.min())) + 12 * width
    total = 0.0
    for frequency in 2 * np.pi / period * np.arange(1, math.ceil(2.2 * period / width) + 1):
        density = width / (2 * math.sqrt(math.pi)) * math.exp(-((width * frequency / 2) ** 2))
        one, two = (np.exp(1j * frequency * (side - centre)).mean() for side in (x, y))
        total += 2 * density * abs(one - two) ** 2
    return 2 * math.pi / period * total


def emd(x: np.ndarray, y: np.ndarray) -> float:
    """Earth mover's distance of two sets of scalars: the area between their distributions.

    Args:
        x: samples, shape (n,).
        y: samples, shape (m,).

    Returns:
        The distance, in the unit of the samples.
    """
    x, y = (np.sort(np.asarray(samples, np.float64)) for samples in (x, y))
    everything = np.sort(np.concatenate([x, y]))
    below = [np.searchsorted(side, everything[:-1], side="right") / side.size for side in (x, y)]
    return float(np.sum(np.abs(below[0] - below[1]) * np.diff(everything)))


def bhattacharyya(x: np.ndarray, y: np.ndarray, *, ddof: int) -> float:
    """Bhattacharyya distance of the Gaussians fitted to two sets of scalars.

    Args:
        x: samples, shape (n,).
        y: samples, shape (m,).
        ddof: what is taken from the number of samples to divide a variance: 0 or 1.

    Returns:
        The distance.
    """
    x, y = (np.asarray(samples, np.float64) for samples in (x, y))
    p, q = x.var(ddof=ddof), y.var(ddof=ddof)
    apart = (x.mean() - y.mean()) ** 2
    return float(0.25 * np.log(0.25 * (p / q + q / p + 2)) + 0.25 * apart / (p + q))
