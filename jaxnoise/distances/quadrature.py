"""How many frequencies carry a Gaussian kernel over a range of data, and what is left out.

k(u) = exp(-u^2 / delta^2) is the integral of S(w) cos(w u) with S(w) = delta / (2 sqrt(pi))
exp(-delta^2 w^2 / 4). The trapezoid rule at w_m = 2 pi m / P gives the kernel repeated with period
P, less the frequencies beyond the last: both errors fall as exp(-square).
"""

import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxnoise.distances._checks import Width
from jaxnoise.errors import UsageError

LEFT_OUT = {"float32": 1e-8, "float64": 1e-14}
"""What the rule lets either error be, as a part of a kernel's height. A squared MMD is smaller than
the kernels that it is the difference of: a hundredth of the relative error that is wanted."""

Scalar = Float[Array | np.ndarray, ""] | np.floating

MOST_NODES = 4096
"""Beyond these a quadrature is not worth its cost."""


def period(data_range: Scalar, widths: Float[Array | np.ndarray, " k"]) -> Scalar:
    """Period P that keeps the repetitions of the widest kernel away from the data.

    Args:
        data_range: largest minus smallest value, shape ().
        widths: bandwidths delta, shape (k,).

    Returns:
        P, shape (), in the unit of the data.
    """
    return data_range + widths.max() * math.sqrt(math.log(2 / LEFT_OUT[widths.dtype.name]))


def nodes_needed(data_range: Scalar, widths: Float[Array | np.ndarray, " k"]) -> Scalar:
    """Frequencies after which the narrowest kernel's spectrum is negligible, as a real number.

    Args:
        data_range: largest minus smallest value, shape ().
        widths: bandwidths delta, shape (k,).

    Returns:
        Shape ().
    """
    decay = math.sqrt(math.log(1 / LEFT_OUT[widths.dtype.name]))
    return period(data_range, widths) / widths.min() * decay / math.pi


def widths_spanned(nodes: int, dtype: str = "float32") -> float:
    """Bandwidths that data may span for a number of frequencies to suffice.

    Args:
        nodes: number of frequencies, for one bandwidth.
        dtype: "float32" or "float64", of the samples.

    Returns:
        The range over the bandwidth, at which `nodes_needed` is `nodes`; below 0 for too few.
    """
    decay = math.sqrt(math.log(1 / LEFT_OUT[dtype]))
    return nodes * math.pi / decay - math.sqrt(math.log(2 / LEFT_OUT[dtype]))


def weights(
    widths: Float[Array | np.ndarray, " k"], period: Scalar, nodes: int
) -> Float[Array | np.ndarray, " nodes"]:
    """Weights of |difference of characteristic functions|^2 at w_m = 2 pi m / period, m = 1 ... M.

    Args:
        widths: bandwidths delta, shape (k,); the kernel is the mean over them.
        period: shape ().
        nodes: number of frequencies M.

    Returns:
        Shape (M,); each stands for the frequency and its negative.
    """
    ratio = widths[:, None] / period
    frequency = jnp.pi * jnp.arange(1, nodes + 1, dtype=widths.dtype) * ratio  # delta w / 2
    return (2 * math.sqrt(math.pi) * ratio * jnp.exp(-(frequency**2))).mean(0)


def rounded_up(needed: float | int) -> int:
    """The next of 8, 12, 16, 24, 32, 48 ...: few different numbers, so few compilations.

    Args:
        needed: a number of frequencies.

    Returns:
        A number >= needed.
    """
    nodes = 8
    while nodes < needed:
        nodes = nodes * 3 // 2 if nodes & (nodes - 1) == 0 else nodes * 4 // 3
    return nodes


def mmd2_error_bound(
    data_range: float | int, *, bandwidth: Width, nodes: int, dtype: str = "float32"
) -> float:
    """Largest possible error of a squared MMD by `nodes` frequencies, rounding left aside.

    Args:
        data_range: largest minus smallest of all the values, in their unit.
        bandwidth: one width delta of exp(-(u - v)^2 / delta^2) or several, same unit.
        nodes: number of frequencies, as given to `mmd2`.
        dtype: "float32" or "float64", of the samples: the rule leaves less out in float64.

    Returns:
        A bound on |computed - true| for any two distributions within the range. A squared MMD is at
        most 2, and one much smaller than the bound is not resolved. Mostly the error is far below.

    Raises:
        UsageError: a range below 0, a bandwidth or a number of nodes that is not positive.

    Source: Poisson's summation formula for the repetitions, the sum of the weights left out for
        the truncation; both in docs/distances.md.
    """
    if dtype not in LEFT_OUT:
        raise UsageError(f'dtype is "{dtype}"; give "float32" or "float64".')
    widths = np.atleast_1d(np.asarray(bandwidth, dtype))
    if not (data_range >= 0 and nodes > 0 and widths.size and (widths > 0).all()):
        raise UsageError("Give a range >= 0, and bandwidths and a number of nodes > 0.")
    span = float(period(np.float64(data_range), widths))
    widths = widths.astype(np.float64)
    ratio = widths[:, None] / span
    repeated = np.exp(-(((np.arange(1, 5) * span - data_range) / widths[:, None]) ** 2)).sum(1)
    # The terms fall, so an integral bounds the sum of the weights left out.
    left_out = np.array([math.erfc(math.pi * nodes * each) for each in ratio[:, 0]])
    return float((4 * repeated + 4 * left_out).mean())
