"""3x3 convolutions on CPUs with a quarter of the multiplications: Winograd's F(4x4, 3x3).

Of every 4x4 block of pixels, with the pixels around it a window of 6x6, one product of matrices
makes 36 sums, a second one multiplies each of them by its own C x D weights, a third one makes the
4x4 pixels of the answer. A few images are taken at a time, so that what lies between the products
stays in the processor's cache; backward the first product is made again instead of kept.

Source: Winograd, "Arithmetic Complexity of Computations", 1980; Lavin and Gray, "Fast Algorithms
    for Convolutional Neural Networks", 2016. The points at which the polynomials are taken are 0,
    +-sqrt(1/2), +-sqrt(2) and infinity: with them the largest error is a fifth of what the usual
    0, +-1, +-2 and infinity make.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from jaxnoise.nets.blocks import (
    SIDE,
    WINDOW,
    InBlocks,
    InImages,
    overlapped,
    rows_per_strip,
    windows,
)

TAPS = 3
POINTS = (0.0, 0.5**0.5, -(0.5**0.5), 2**0.5, -(2**0.5))
"""The points besides infinity."""
LEAST_CHANNELS = 48
"""With fewer channels on either side XLA's convolution is as fast."""
MOST_PRODUCTS = 0.4
"""As a part of a convolution's; with more, at small sides not divisible by 4, XLA's is faster."""
MOST_BLOCKS = 4096
"""Of one image: the sums of more do not stay in the cache, and take much memory."""
SMALLEST = 2
"""Images no larger than this are taken too, since XLA is slow where a kernel is larger."""


def pays(images: tuple[int, ...], kernel: tuple[int, ...], dtype: Any) -> bool:
    """Whether a convolution and its gradients are faster this way than by XLA.

    As `benchmarks/convolutions.py` measured it on CPUs, for both of the ways in which XLA computes
    a convolution there.

    Args:
        images: their shape, (N, H, W, C).
        kernel: its shape, (3, 3, C, D), for steps of one pixel and zeros around the images.
        dtype: of both.

    Returns:
        False on other processors too, and in other than single and double precision.
    """
    number, height, width, _ = images
    in_image = -(-height // SIDE) * -(-width // SIDE)
    few = WINDOW**2 * in_image < MOST_PRODUCTS * TAPS**2 * height * width
    return (
        jax.default_backend() == "cpu"
        and jnp.dtype(dtype) in (jnp.float32, jnp.float64)
        and min(kernel[2:]) >= LEAST_CHANNELS
        and min(number, height, width) > 0
        and in_image <= MOST_BLOCKS
        and (few or max(height, width) <= SMALLEST)
    )


class Moments(NamedTuple):
    """Mean and variance of each channel over all pixels of all images, shape (D,)."""

    mean: Float[Array, " d"]
    variance: Float[Array, " d"]


class Activation(NamedTuple):
    """What is made of the values before a convolution: relu(scale * value + shift) by channel."""

    scale: Float[Array, " c"]
    shift: Float[Array, " c"]

    def __call__(self, values: Float[Array, "*n c"]) -> Float[Array, "*n c"]:
        """The activations of values, channels last."""
        return jax.nn.relu(values * self.scale + self.shift)


def convolve(
    values: Float[Array, "..."],
    kernel: Float[Array, "3 3 c d"],
    layout: InBlocks | InImages,
    *,
    before: Activation | None = None,
) -> Float[Array, "..."]:
    """The convolution of activated values, zero outside of the images. For reverse mode only.

    Args:
        values: images of C channels in the layout.
        kernel: shape (3, 3, C, D).
        layout: of the values.
        before: what activates the values, in the layout `InBlocks`; None for values as they are.

    Returns:
        Images of D channels in the same layout.
    """
    return _convolve(values, kernel, before, layout, False)[0]


def convolve_with_moments(
    values: Float[Array, "..."],
    kernel: Float[Array, "3 3 c d"],
    layout: InBlocks,
    *,
    before: Activation | None = None,
) -> tuple[Float[Array, "..."], Moments]:
    """Same as `convolve`, and the moments of the answer, without another look at it.

    Args:
        values: as there.
        kernel: as there.
        layout: as there.
        before: as there.

    Returns:
        As there; and its moments.
    """
    answer, (means, variances) = _convolve(values, kernel, before, layout, True)
    # Of parts of equally many pixels each, so that no difference of large squares is taken.
    mean = means.mean((0, 1))
    return answer, Moments(mean, (variances + (means - mean) ** 2).mean((0, 1)))


def convolve_all(
    values: Float[Array, "t ..."],
    kernels: Sequence[Float[Array, "3 3 _ _"]],
    before: Sequence[Activation | None],
    layout: InBlocks,
) -> Float[Array, "t ..."]:
    """Convolutions one after the other, all of them for the images of a turn before the next turn.

    So what one leaves is in the processor's cache when the next one reads it.

    Args:
        values: images in the layout.
        kernels: of each convolution.
        before: what activates the values before each convolution.
        layout: of the values.

    Returns:
        What the last convolution makes, in the same layout.
    """

    def all_of(turn):
        turn = turn[None]
        for kernel, activation in zip(kernels, before, strict=True):
            turn = convolve(turn, kernel, layout, before=activation)
        return turn[0]

    return lax.map(all_of, values)


def _convolve_turns(values, kernel, before, layout, wanted):
    """The answer, and if wanted mean and variance by turn and group, shape (turns, G, D)."""
    constants, weights = _constants(kernel.dtype), _weights(kernel)
    turns, features = layout.turns(values), kernel.shape[-1]

    def take_turn(turn, made):
        answer, moments = made
        raw = layout.loaded(values, turn)
        block = _answer(raw if before is None else before(raw), weights, constants, layout)
        if wanted:
            own = _moments(block, layout)
            put = lambda all_, of_turn: lax.dynamic_update_index_in_dim(all_, of_turn, turn, 0)  # noqa: E731
            moments = jax.tree.map(put, moments, own)
        return layout.stored(answer, block, turn), moments

    by_turn = jnp.zeros((turns, layout.groups, features), kernel.dtype)
    moments = Moments(by_turn, by_turn) if wanted else None
    return lax.fori_loop(0, turns, take_turn, (layout.empty(values, features), moments))


def _convolve_forward(values, kernel, before, layout, wanted):
    made = _convolve_turns(values, kernel, before, layout, wanted)
    # The answer is what the next layer keeps, so this costs no memory.
    return made, (values, kernel, before, made if wanted else None)


def _convolve_backward(layout, wanted, kept, changes):
    values, kernel, before, made = kept
    weights, constants, grid = _weights(kernel), _constants(kernel.dtype), layout.grid(values)

    def take_turn(turn, total):
        of_values, of_weights, of_before = total
        change = layout.loaded(changes[0], turn)
        if wanted:
            change = change + _of_moments(made, changes[1], turn, layout)
        raw = layout.loaded(values, turn)
        sums = _sums(raw if before is None else before(raw), constants)
        of_sums = constants.answer.T @ change.reshape(SIDE**2, -1)
        of_sums = of_sums.reshape(*sums.shape[:2], -1)
        of_weights = of_weights + _sum_of_products(sums, of_sums, layout.groups)
        of_windows = lax.dot_general(of_sums, weights, (((2,), (2,)), ((0,), (0,))))
        of_windows = constants.windows.T @ of_windows.reshape(WINDOW**2, -1)
        of_raw = overlapped(jnp.reshape(of_windows, (WINDOW**2, *grid, -1)))
        if before is not None:
            of_raw, own = _before_backward(before, raw, of_raw, layout)
            of_before = jax.tree.map(jnp.add, of_before, own)
        return layout.stored(of_values, of_raw, turn), of_weights, of_before

    # One sum for each group of images that a device may hold: the sum of those is left for the
    # end, or the devices would wait for each other in every turn, and now and then for ever.
    groups, shape = layout.groups, kernel.shape[2:]
    nothing = (
        layout.empty(values, shape[0]),
        jnp.zeros((WINDOW**2, groups, *shape), kernel.dtype),
        jax.tree.map(lambda leaf: jnp.zeros((groups, *leaf.shape), leaf.dtype), before),
    )
    total = lax.fori_loop(0, layout.turns(values), take_turn, nothing)
    of_values, of_weights, of_before = total
    of_before = jax.tree.map(lambda leaf: leaf.sum(0), of_before)
    of_kernel = constants.weights.T @ of_weights.reshape(WINDOW**2, -1)
    of_kernel = of_kernel.reshape(TAPS, TAPS, groups, *shape).sum(2)
    return of_values, of_kernel, of_before


_convolve: Any = jax.custom_vjp(_convolve_turns, nondiff_argnums=(3, 4))
_convolve.defvjp(_convolve_forward, _convolve_backward)


class _Constants(NamedTuple):
    """The matrices of the three products, for both directions of an image at once."""

    windows: np.ndarray
    weights: np.ndarray
    answer: np.ndarray


def _constants(dtype: Any) -> _Constants:
    """From the polynomials' values: a product of polynomials by points, turned around."""

    def powers(number):
        return np.array([[point**k for k in range(number)] for point in POINTS] + [_last(number)])

    windows = np.linalg.inv(powers(WINDOW)).T
    # Rows of the same size, whose size goes to the weights.
    size = np.abs(windows).max(1, keepdims=True)
    of_side = windows / size, powers(TAPS) * size, powers(SIDE).T
    return _Constants(*(np.kron(part, part).astype(dtype) for part in of_side))


def _last(number: int) -> list[float]:
    """The point at infinity sees the highest power alone."""
    return [0.0] * (number - 1) + [1.0]


def _weights(kernel):
    """The 36 matrices of shape (C, D)."""
    made = _constants(kernel.dtype).weights @ kernel.reshape(TAPS**2, -1)
    return made.reshape(WINDOW**2, *kernel.shape[2:])


def _answer(block, weights, constants, layout):
    """The convolution of a turn's images, some rows at a time where they are large."""
    grid = block.shape[1:-1]
    features, rows = weights.shape[-1], rows_per_strip((grid[0], grid[1], grid[2]), layout.groups)
    if rows == grid[1]:
        return _answer_of(_sums(block, constants), weights, constants, grid)
    images, _, columns = grid
    padded = jnp.pad(block, ((0, 0), (0, 0), (1, 1), (0, 0), (0, 0)))

    def take_strip(strip, answer):
        seen = lax.dynamic_slice_in_dim(padded, strip * rows, rows + 2, 2)
        sums = _sums(seen, constants, within=True)
        part = _answer_of(sums, weights, constants, (images, rows, columns))
        return lax.dynamic_update_slice_in_dim(answer, part, strip * rows, 2)

    answer = jnp.zeros((*block.shape[:-1], features), block.dtype)
    return lax.fori_loop(0, grid[1] // rows, take_strip, answer)


def _answer_of(sums, weights, constants, grid):
    products = lax.dot_general(sums, weights, (((2,), (1,)), ((0,), (0,))))
    answer = constants.answer @ products.reshape(WINDOW**2, -1)
    return answer.reshape(SIDE**2, *grid, weights.shape[-1])


def _sums(block, constants, *, within=False):
    """The 36 sums of every window, shape (36, windows, C)."""
    seen = windows(block, within=within)
    made = constants.windows @ seen.reshape(WINDOW**2, -1)
    return made.reshape(WINDOW**2, -1, block.shape[-1])


def _sum_of_products(sums, of_sums, groups):
    """The change of the weights, shape (36, G, C, D): channels first is what CPUs are faster at."""
    left, right = (part.reshape(WINDOW**2, groups, -1, part.shape[-1]) for part in (sums, of_sums))
    left = lax.optimization_barrier(left.swapaxes(2, 3))
    return lax.dot_general(left, right, (((3,), (2,)), ((0, 1), (0, 1))))


def _by_group(block, layout):
    """The same, shape (16, G, images of each group and their blocks, C)."""
    return block.reshape(SIDE**2, layout.groups, -1, block.shape[-1])


def _moments(block, layout):
    """Mean and variance of each group's pixels, shape (G, D)."""
    block = _by_group(block, layout)
    mean = block.mean((0, 2))
    return Moments(mean, ((block - mean[:, None]) ** 2).mean((0, 2)))


def _of_moments(made, changes, turn, layout):
    """The change of a turn's answer by those of its moments, equal at all pixels but for them."""
    answer, moments = made
    block = layout.loaded(answer, turn)
    of_group = _by_group(block, layout)
    mean, of_mean, of_variance = (
        part[turn][:, None] for part in (moments.mean, changes.mean, changes.variance)
    )
    change = of_mean + 2 * of_variance * (of_group - mean)
    pixels = of_group.shape[0] * of_group.shape[2]
    return (change / pixels).reshape(block.shape)


def _before_backward(before, raw, change, layout):
    """The changes of raw values, and of scale and shift by group, from that of activations."""
    change = jnp.where(raw * before.scale + before.shift > 0, change, 0)
    scale, shift = (_by_group(part, layout).sum((0, 2)) for part in (change * raw, change))
    return change * before.scale, Activation(scale, shift)
