"""Empirical characteristic functions of many tensors at equally spaced frequencies, in one pass.

Every value becomes a point on the circle, and its powers are the terms of all frequencies: one
sine and cosine per value, a complex product per frequency, nothing stored. The terms are summed as
integers of 2^-22 (2^-51 in float64): integer sums have no order, so a compiler may vectorise them
and the result does not depend on how the batch lies on devices.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.polynomial import Chebyshev, Polynomial

GROUP = 64
"""Most frequencies that one loop over the values works on: their sums stay in registers."""

SUMMED = 128
"""Values added as integers before the sums become floating point: 2^7 times -2 * 2^22, the least
that a cosine less one can be, stays far from where 32 bits end."""

STRIDE = 4
"""Chains of products that run side by side, so that none waits for another's result."""

COLUMNS = 2048
"""Columns of the batch that the gradient of several groups works on at a time."""

CENTRE = 3.0
"""Added to a term in [-1, 1], it leaves a number in [2, 4] whose lowest bit is 2^-22."""

INTEGERS = {"float32": (np.int32, 22), "float64": (np.int64, 51)}
"""Integers as wide as the type, and the bits of a number in [2, 4] behind the point."""

COSINE, SINE = (
    Chebyshev.interpolate(function, 5, domain=[0, 1 / 16]).convert(kind=Polynomial).coef
    for function in (
        lambda square: np.cos(2 * np.pi * np.sqrt(square)),
        lambda square: 2 * np.pi * np.sinc(2 * np.sqrt(square)),
    )
)
"""Coefficients in t^2 of cos(2 pi t) and sin(2 pi t) / t for |t| <= 1/4, right to 2e-9."""

Pair = tuple[Array, Array]
"""Real and imaginary part."""

Sums = tuple[Float[Array, "sets nodes"], Float[Array, "sets nodes"]]


def characteristic(
    values: Float[Array, "sets n"],
    centre: Float[Array, ""],
    reach: Float[Array, ""],
    period: Float[Array, ""],
    nodes: int,
) -> Sums:
    """Means of cos(w (x - centre)) - 1 and of sin(w (x - centre)) at w = 2 pi m / period.

    Args:
        values: sets of numbers x, shape (B, n), float32 or float64.
        centre: any number near the middle of the values, shape (); has no gradient.
        reach: largest |x - centre|, shape (), at most period / 2; has no gradient.
        period: shape (), in the unit of the values; has no gradient.
        nodes: number of frequencies M, m = 1 ... M. Above GROUP one with large divisors is fast.

    Returns:
        Two arrays (B, M). One is taken from the cosine because what stays is all that differs
        between sets, and it keeps its digits where w is small.
    """
    return _means(values, centre, reach, period, nodes)


def group_size(nodes: int) -> int:
    """Frequencies per loop over the values: `nodes` in equal groups of at most GROUP.

    Args:
        nodes: number of frequencies.

    Returns:
        The largest divisor of `nodes` that is at most GROUP.
    """
    return max(size for size in range(1, min(nodes, GROUP) + 1) if nodes % size == 0)


@partial(jax.custom_vjp, nondiff_argnums=(4,))
def _means(values: Array, centre: Array, reach: Array, period: Array, nodes: int) -> Sums:
    count = values.shape[1]
    if nodes <= GROUP:
        less_one, sine = _sums(centre, reach, period, nodes, _padded(values, SUMMED, centre))
    else:
        columns = _columns(values, centre)
        parts = jax.lax.map(partial(_sums, centre, reach, period, nodes), columns)
        less_one, sine = (part.sum(0) for part in parts)
    return less_one / count, sine / count


def _forward(
    values: Float[Array, "sets n"], centre: Array, reach: Array, period: Array, nodes: int
) -> tuple[Sums, tuple[Array, Array, Array]]:
    return _means(values, centre, reach, period, nodes), (values, centre, period)


def _backward(nodes: int, residuals: tuple, cotangents: Sums):
    """Evaluates a trigonometric polynomial of degree `nodes` at every value."""
    values, centre, period = residuals
    factor = 2 * jnp.pi * jnp.arange(1, nodes + 1, dtype=values.dtype) / period / values.shape[1]
    # d cos(m t) = -m sin(m t) and d sin(m t) = m cos(m t): the real part of (a + i b) z^m.
    coefficients = (factor * cotangents[1], factor * cotangents[0])
    if nodes <= GROUP:
        point = _circle((values - centre) / period)
        gradient = _real_polynomial(point, None, *coefficients)
    else:
        over_groups = partial(_gradient_over_groups, centre, period, coefficients)
        columns = jax.lax.map(over_groups, _columns(values, centre))
        gradient = columns.swapaxes(0, 1).reshape(len(values), -1)[:, : values.shape[1]]
    zero = jnp.zeros_like(centre)
    return gradient, zero, zero, zero


_means.defvjp(_forward, _backward)


def _sums(centre: Array, reach: Array, period: Array, nodes: int, values: Array) -> Sums:
    """Sums over the values, whose number SUMMED divides, of the terms of each frequency."""
    sets, size = len(values), group_size(nodes)
    turns = ((values - centre) / period).reshape(sets, 1, -1, SUMMED)
    start = None
    if nodes > size:
        first = size * jnp.arange(nodes // size, dtype=values.dtype)[:, None, None]
        start = _circle(_multiple(turns, first))
    powers = _powers(_circle(turns), start, size)
    # Sines of a narrow range are made larger, to keep their digits on the grid of the integers.
    largest = 2 * jnp.pi * jnp.arange(1, size + 1, dtype=values.dtype) * reach / period
    scale = jnp.ones_like(largest) if nodes > size else 1 / jnp.clip(largest, 1e-30, 1)
    terms = [
        [cosine for cosine, _ in powers],
        [sine * scale[place] for place, (_, sine) in enumerate(powers)],
    ]
    less_one, sine = (  # (size, sets, groups) -> (sets, groups * size)
        jnp.moveaxis(part, 0, -1) for part in _integer_sums(terms, origins=(1.0, 0.0))
    )
    return less_one.reshape(sets, nodes), (sine / scale).reshape(sets, nodes)


def _gradient_over_groups(
    centre: Array, period: Array, coefficients: tuple[Array, Array], values: Array
) -> Array:
    """The gradient's polynomial at every value, a group of frequencies at a time."""
    turns = (values - centre) / period
    nodes = coefficients[0].shape[1]
    size = group_size(nodes)

    def add(total: Array, group: tuple[Array, Array, Array]) -> tuple[Array, None]:
        start = _circle(_multiple(turns, group[0]))
        return total + _real_polynomial(_circle(turns), start, *group[1:]), None

    first = size * jnp.arange(nodes // size, dtype=values.dtype)
    cosines, sines = (part.reshape(-1, nodes // size, size).swapaxes(0, 1) for part in coefficients)
    return jax.lax.scan(add, jnp.zeros_like(values), (first, cosines, sines))[0]


def _columns(values: Array, filler: Array) -> Array:
    """Values (B, n) cut into (k, B, COLUMNS); `filler` fills the last."""
    padded = _padded(values, COLUMNS, filler)
    return padded.reshape(len(values), -1, COLUMNS).swapaxes(0, 1)


def _padded(values: Array, multiple: int, filler: Array) -> Array:
    missing = -values.shape[1] % multiple
    return jax.lax.pad(values, filler, ((0, 0, 0), (0, missing, 0))) if missing else values


def _circle(turns: Array) -> Pair:
    """cos(2 pi t) and sin(2 pi t) for |t| <= 1/2, by those of half the angle."""
    half = turns / 2
    if turns.dtype == jnp.float64:
        cosine, sine = jnp.cos(2 * jnp.pi * half), jnp.sin(2 * jnp.pi * half)
    else:
        square = half * half
        cosine, sine = (_horner(COSINE, square), half * _horner(SINE, square))
    return 1 - 2 * sine * sine, 2 * sine * cosine


def _multiple(turns: Array, factor: Array) -> Array:
    """Turns times a whole number <= 4096, less whole turns; as exact as the turns are.

    The product of the first 12 binary digits with the factor is exact, and that of the rest small.
    """
    coarse = _whole(4096 * turns) / 4096
    product = coarse * factor
    return (product - _whole(product)) + (turns - coarse) * factor


def _whole(x: Array) -> Array:
    return jax.lax.round(x, jax.lax.RoundingMethod.TO_NEAREST_EVEN)


def _horner(coefficients: np.ndarray, x: Array) -> Array:
    total = jnp.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        total = total * x + coefficient.astype(x.dtype)
    return total


def _product(a: Pair, b: Pair) -> Pair:
    return a[0] * b[0] - a[1] * b[1], a[1] * b[0] + a[0] * b[1]


def _powers(point: Pair, start: Pair | None, count: int) -> list[Pair]:
    """Products start * z^m for m = 1 ... count, in strides: four chains side by side."""
    first = [point]
    for exponent in range(2, min(STRIDE, count) + 1):
        first.append(_product(first[exponent // 2 - 1], first[(exponent + 1) // 2 - 1]))
    powers = first if start is None else [_product(start, power) for power in first]
    if count > STRIDE:
        step = _on_circle(first[-1])
        for _ in range(STRIDE, count):
            powers = [*powers, _product(powers[-STRIDE], step)]
    return powers


def _on_circle(point: Pair) -> Pair:
    """The point at distance 1 from 0: what rounding adds to it would grow with every product."""
    factor = 1.5 - 0.5 * (point[0] * point[0] + point[1] * point[1])
    return point[0] * factor, point[1] * factor


def _real_polynomial(point: Pair, start: Pair | None, cosines: Array, sines: Array) -> Array:
    """Real part of start * sum of (cosines + i sines)_m z^m, m = 1 ..., by Horner in z^STRIDE."""
    count = cosines.shape[-1]
    step = _powers(point, None, min(STRIDE, count))[-1]
    total = jnp.zeros_like(point[0])
    for first, power in enumerate(_powers(point, start, min(STRIDE, count))):
        *lower, last = range(first, count, STRIDE)
        scheme = (cosines[:, last, None], sines[:, last, None])
        for place in reversed(lower):
            scheme = _sum(_product(scheme, step), (cosines[:, place, None], sines[:, place, None]))
        total += _product(power, scheme)[0]
    return total


def _sum(a: Pair, b: Pair) -> Pair:
    return a[0] + b[0], a[1] + b[1]


def _integer_sums(terms: list[list[Array]], origins: tuple[float, ...]) -> Array:
    """Sums over the last two axes of terms in [-1, 1], less their origin, right to 2^-22 a term.

    Args:
        terms: one list of arrays for each origin, all of one shape (..., SUMMED).
        origins: what to take from each term of a list: a multiple of the resolution.

    Returns:
        Shape (origins, terms in a list, ...).
    """
    first = terms[0][0]
    kind, (integer, bits) = first.dtype.type, INTEGERS[first.dtype.name]
    fixed = [
        jax.lax.bitcast_convert_type(term + kind(CENTRE), integer)
        for part in terms
        for term in part
    ]
    sums = jax.lax.reduce(
        tuple(fixed),
        (integer(0),) * len(fixed),
        lambda one, other: tuple(a + b for a, b in zip(one, other, strict=True)),
        (first.ndim - 1,),
    )
    total = jnp.stack(sums).reshape(len(terms), -1, *sums[0].shape)
    # Sums wrap around; so does what is taken from them, and the difference is right.
    bases = [SUMMED * int((kind(CENTRE) + kind(origin)).view(integer)) for origin in origins]
    wrapped = np.array(bases, np.int64 if bits < 32 else object) % 2 ** (8 * integer().nbytes)
    base = wrapped.astype(np.uint64).astype(f"u{integer().nbytes}").view(integer)
    total -= base.reshape(-1, *(1,) * (total.ndim - 1))
    return (total.astype(kind) * kind(2.0**-bits)).sum(-1)
