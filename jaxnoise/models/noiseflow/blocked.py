"""Stretches of couplings, 1x1 convolutions and gains, worked on in blocks of pixels.

The result is that of the plain bijectors up to rounding; the way there is several times faster.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxnoise.bijectors._shapes import pixels
from jaxnoise.bijectors.chain import kind_of
from jaxnoise.bijectors.coupling import kept_channels
from jaxnoise.bijectors.layer_kind import Layer
from jaxnoise.nets import pixel_blocks as blocks
from jaxnoise.nets.coupling_conditioner import (
    BATCH_NORM_EPSILON,
    BATCH_NORM_MOMENTUM,
    pixels_of_statistics,
)

WIDEST = 32
"""Most hidden channels for which this was tried; on a CPU it was 3 times as fast there."""


class Inside(NamedTuple):
    """Which rows and columns of an array belong to the image; all others count as zero."""

    rows: Bool[Array, " h"]
    columns: Bool[Array, " w"]


def stretches(layers: Sequence[Layer], width: int) -> list[tuple[Layer, ...]]:
    """A chain cut into blocked stretches, which hold a coupling, and single other layers.

    Args:
        layers: from `jaxnoise.bijectors.chain.parse`.
        width: hidden channels of the couplings' networks.

    Returns:
        The layers in their order; `is_blocked` tells which is which.
    """
    found: list[tuple[Layer, ...]] = []
    for layer in layers:
        last = found[-1] if found else ()
        if last and kind_of(layer).in_blocks and kind_of(last[-1]).in_blocks:
            found[-1] = (*last, layer)
        else:
            found.append((layer,))
    pieces = []
    for stretch in found:
        pieces += [stretch] if is_blocked(stretch, width) else [(layer,) for layer in stretch]
    return pieces


def is_blocked(stretch: Sequence[Layer], width: int) -> bool:
    """Whether a stretch is to be worked on in blocks."""
    return width <= WIDEST and any(kind_of(layer).in_blocks == "network" for layer in stretch)


def to_latent(
    stretch: Sequence[Layer],
    variables: dict[str, Any],
    build: Callable[[Layer], Any],
    noise: Float[Array, "n h w c"],
    *,
    train: bool = False,
    valid: Bool[Array, "n h w 1"] | None = None,
) -> tuple[Float[Array, "n h w c"], Float[Array, " n"], dict[str, Any]]:
    """A stretch from its data side to its latent side.

    Args:
        stretch: layers that can be worked on in blocks, the data side first.
        variables: of the whole model.
        build: from a layer to its plain bijector, of which every pixel counts.
        noise: shape (N, H, W, C), any H and W.
        train: normalise by the statistics of this batch.
        valid: shape (N, H, W, 1), True where a pixel counts; the others hold 0. None: all do.

    Returns:
        The latent side, same shape, 0 where a pixel does not count; the log-determinant, shape
        (N,); and by layer name the running statistics, updated, if `train`.
    """
    frame = _Frame(noise.shape, None, valid)
    state = frame.open(noise)
    counted = pixels(noise, valid)
    log_det = jnp.zeros(noise.shape[:1], noise.dtype)
    statistics = {}
    for layer in stretch:
        if kind_of(layer).in_blocks == "network":
            kept, changed = jnp.split(state, [kept_channels(layer.channels)])
            shift, log_scale, updated = _condition(layer, variables, kept, frame, train)
            changed = blocks.clear(changed * jnp.exp(log_scale) + shift, frame.valid)
            state = jnp.concatenate([kept, changed])
            log_det = log_det + frame.only_counted(log_scale).sum((0, 1, 2, 4, 5))
            statistics |= {layer.name: updated} if updated else {}
            continue
        bijector = build(layer)
        pixel = jnp.ones((noise.shape[0], 1, 1, noise.shape[-1]), noise.dtype)
        factor, change = bijector.inverse_and_log_det(pixel)
        log_det = log_det + counted * change
        mixes = kind_of(layer).in_blocks == "matrix"
        state = blocks.mix(bijector.matrix(), state) if mixes else state * factor[..., 0]
    return frame.close(state), log_det, statistics


def to_noise(
    stretch: Sequence[Layer],
    variables: dict[str, Any],
    build: Callable[[Layer], Any],
    latent: Float[Array, "n h w c"],
    *,
    inside: Inside | None = None,
) -> Float[Array, "n h w c"]:
    """A stretch from its latent side to its data side, in evaluation mode.

    Args:
        stretch: layers that can be worked on in blocks, the data side first.
        variables: of the whole model.
        build: from a layer to its plain bijector.
        latent: shape (N, H, W, C), any H and W.
        inside: which part of the array is the image; None: all of it.

    Returns:
        The data side, same shape; what is not inside means nothing.
    """
    frame = _Frame(latent.shape, inside, None)
    state = blocks.settle(frame.open(latent))
    for layer in reversed(stretch):
        if kind_of(layer).in_blocks == "network":
            kept, changed = jnp.split(state, [kept_channels(layer.channels)])
            shift, log_scale, _ = _condition(layer, variables, kept, frame, False)
            state = jnp.concatenate([kept, (changed - shift) * jnp.exp(-log_scale)])
            continue
        bijector = build(layer)
        if kind_of(layer).in_blocks == "matrix":
            state = blocks.mix(bijector.inverse_matrix(), state)
        else:
            pixel = jnp.ones((latent.shape[0], 1, 1, latent.shape[-1]), latent.dtype)
            factor, _ = bijector.forward_and_log_det(pixel)
            state = state * factor[..., 0]
    return frame.close(state)


class _Frame:
    """Where the image lies in an array of blocks, whose sides are even."""

    def __init__(self, shape: tuple[int, ...], inside: Inside | None, valid: Array | None):
        _, self._height, self._width, _ = shape
        self._padding = tuple(-side % blocks.SIDE for side in (self._height, self._width))
        full = inside is None
        if inside is None:
            inside = Inside(jnp.ones(self._height, bool), jnp.ones(self._width, bool))
        rows, columns = (
            jnp.pad(side, (0, more)) for side, more in zip(inside, self._padding, strict=True)
        )
        # Row y of the taps [3, height]: whether the rows y - 1, y and y + 1 are in the image.
        self._taps = [
            jnp.stack([jnp.pad(side, 1)[tap : tap + len(side)] for tap in range(3)])
            for side in (rows, columns)
        ]
        self.mask = None
        if any(self._padding) or not full:
            self.mask = blocks.map_to_blocks((rows[:, None] & columns)[None])
        self.valid = self.seen = None
        if valid is not None:
            self.valid = self.open(valid)
            self.seen = self.open(pixels_of_statistics(valid))

    def open(self, images: Array) -> Array:
        """The images in blocks, a row and column longer where that makes the sides even."""
        padding = [(0, 0), *((0, more) for more in self._padding), (0, 0)]
        return blocks.to_blocks(jnp.pad(images, padding))

    def close(self, state: Array) -> Array:
        """The images that are in the blocks."""
        return blocks.from_blocks(state)[:, : self._height, : self._width]

    def clear(self, state: Array) -> Array:
        """The blocks with zeros outside the image."""
        return blocks.clear(state, self.mask)

    def only_counted(self, state: Array) -> Array:
        """The blocks with zeros outside the image and where pixels do not count."""
        return blocks.clear(state, self.mask if self.valid is None else self.valid)

    def edge(self, kernel: Float[Array, "3 3 d"]) -> Array:
        """What a channel that is 1 outside the image and 0 inside adds to a convolution."""
        rows, columns = (side.astype(kernel.dtype) for side in self._taps)
        covered = jnp.einsum("ijd,iy,jx->dyx", kernel, rows, columns, precision="highest")
        return blocks.map_to_blocks(kernel.sum((0, 1))[:, None, None] - covered)


def _condition(layer: Layer, variables: dict, kept: Array, frame: _Frame, train: bool):
    """What `CouplingConditioner` computes: shift, log scale and the updated statistics, if any."""
    params = variables["params"][layer.name]
    statistics = variables["batch_stats"].get(layer.name)
    epsilon = BATCH_NORM_EPSILON["batch_affine" if "first_norm" in params else "batch"]
    updated = {}
    hidden = kept
    for name, apply in (("first", _convolve), ("second", _mix)):
        kernel, bias = params[name]["kernel"], params[name]["bias"]
        if statistics is None:
            hidden = jax.nn.relu(apply(kernel, hidden, frame) + blocks.over_channels(bias))
            continue
        stored = statistics[f"{name}_norm"]
        affine = params.get(f"{name}_norm")
        weight, shift = (
            (affine["scale"], affine["bias"])
            if affine
            else (jnp.ones_like(bias), jnp.zeros_like(bias))
        )
        if train:
            hidden = apply(kernel, hidden, frame)
            hidden, mean, variance = blocks.normalise_and_rectify(
                hidden, frame.mask, frame.seen, weight, shift, epsilon
            )
            batch = {"mean": mean + bias, "var": variance}
            updated[f"{name}_norm"] = {
                kind: BATCH_NORM_MOMENTUM * stored[kind] + (1 - BATCH_NORM_MOMENTUM) * value
                for kind, value in jax.lax.stop_gradient(batch).items()
            }
            continue
        scale = weight * jax.lax.rsqrt(stored["var"] + epsilon)
        bias = (bias - stored["mean"]) * scale + shift
        hidden = jax.nn.relu(apply(kernel * scale, hidden, frame) + blocks.over_channels(bias))
    factor = jnp.exp(3.0 * params["log_factor"])
    kernel = params["last"]["kernel"] * factor
    output = _convolve(kernel[:, :, :-1], hidden, frame)
    bias = frame.edge(kernel[:, :, -1]) + blocks.over_channels(params["last"]["bias"] * factor)
    shift, raw = jnp.split(output + blocks.settle(bias), 2)
    return shift, params["scale"] * jnp.tanh(raw), updated


def _convolve(kernel: Array, hidden: Array, frame: _Frame) -> Array:
    return blocks.convolve(frame.clear(hidden), kernel)


def _mix(kernel: Array, hidden: Array, frame: _Frame) -> Array:
    del frame  # a 1x1 convolution does not look outside
    return blocks.mix(kernel[0, 0], hidden)
