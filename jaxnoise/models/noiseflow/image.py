"""Noise for one image of any size, in bands of rows: what layers need does not grow with it."""

from collections.abc import Iterator
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxnoise import checks, tiles
from jaxnoise.bijectors.chain import kind_of, latent_shape, parse, side_factor
from jaxnoise.bijectors.layer_kind import Layer
from jaxnoise.conditions import check_conditions
from jaxnoise.models.noiseflow.blocked import Inside, stretches, to_noise
from jaxnoise.models.noiseflow.config import Config
from jaxnoise.models.noiseflow.layers import (
    Variables,
    base_distribution,
    layer_builder,
)

BAND_PIXELS = 2**18
"""Pixels of a band where the caller leaves its height open."""

Stretch = tuple[Layer, ...]


def sample_image(
    key: Array,
    variables: Variables,
    config: Config,
    clean: Float[np.ndarray, "h w c"],
    camera: int,
    iso: float,
    *,
    temperature: float = 1.0,
    rows: int | None = None,
    progress: tiles.Progress | None = None,
) -> Float[np.ndarray, "h w c"]:
    """Noise for one clean image of any size, worked on in bands of rows.

    The latent is drawn once for the whole image and every layer sees across the bands, so their
    height changes the memory and the time but not the noise: couplings see the rows around a band,
    and zero only outside the image; causal convolutions go on from the rows above.

    Args:
        key: a `jax.random.key`.
        variables: from `init` or a trained model.
        config: the model's configuration.
        clean: shape (H, W, C), fraction of full scale.
        camera: index into `config.cameras`.
        iso: ISO number.
        temperature: factor on the latent; 1 samples the modelled distribution.
        rows: height of a band in rows of the image, 1 or more; None chooses it.
        progress: called with the part that is done, from 0 to 1.

    Returns:
        Noise, shape (H, W, C), float32, same unit. It is not that of `sample` with the same key:
        here each row of the latent has a key of its own.

    Raises:
        UsageError: for a camera or ISO that the model does not know, another number of channels,
            integers, or `rows` below 1.

    Source: Noise Flow, Section 3.1; the temperature is that of the published sampler.
    """
    checks.check_key(key)
    checks.check_numbers(camera=camera, iso=iso, temperature=temperature)
    checks.check_fractions(clean=clean)
    check_conditions(camera, iso, cameras=config.cameras, isos=config.isos)
    tiles.check_image(clean.shape, config.channels, does="makes noise for")
    height, width, _ = clean.shape
    rows = tiles.rows_at_a_time(rows, width, most=BAND_PIXELS)
    image = _Image(variables, config, _pad_to_squeeze(clean, config), camera, iso)
    image.draw(key, temperature)
    chain = stretches(parse(config.arch, config.channels), config.width)
    for place, stretch in enumerate(reversed(chain)):
        for done in image.apply(stretch, rows):
            if progress is not None:
                progress((place + done) / len(chain))
    return image.state[:height, :width]


def _pad_to_squeeze(clean: np.ndarray, config: Config) -> np.ndarray:
    """The image with its last row and column repeated until squeezes divide its sides."""
    cell = side_factor(config.arch, config.channels)
    padding = [(0, -side % cell) for side in clean.shape[:2]]
    clean = np.asarray(clean, np.float32)
    return np.pad(clean, [*padding, (0, 0)], "edge") if np.any(padding) else clean


class _Image:
    """An image on its way from latent to noise: `state` is what the next layer gets."""

    def __init__(self, variables, config, clean, camera, iso):
        self.variables, self.config, self.clean = variables, config, clean
        self.conditions = jnp.asarray([camera]), jnp.asarray([iso], jnp.float32)
        _, *shape = latent_shape(config, (1, *clean.shape))
        self.state = np.empty(shape, np.float32)

    def draw(self, key: Array, temperature: float) -> None:
        """Makes the state a latent, each row from a key of its own."""
        height, width, channels = self.state.shape
        draw = partial(_draw, config=self.config, width=width, channels=channels)
        for band in tiles.bands(height, tiles.rows_at_a_time(None, width, most=BAND_PIXELS)):
            numbers = jnp.arange(band.start, band.stop)
            rows = draw(key, numbers, self.variables, *self.conditions)
            self.state[band] = temperature * np.asarray(rows)

    def apply(self, stretch: Stretch, rows: int) -> Iterator[float]:
        """Takes the state through a stretch, and yields the part that is done."""
        height, width, channels = self.state.shape
        (first, *_) = stretch
        zoom = len(self.clean) // height
        rows = min(height, max(1, rows // zoom))
        before, behind = _surroundings(stretch)
        scale, goes_on = kind_of(first).zoom, kind_of(first).goes_on
        result = self.state
        if scale > 1:
            shape = (height * scale, width * scale, channels // scale**2)
            result = np.empty(shape, np.float32)
        above = np.zeros((before, width, channels), np.float32)
        for start, end in ((band.start, band.stop) for band in tiles.bands(height, rows)):
            band = np.concatenate([above, self.state[start : end + behind]])
            band = tiles.filled_up(band, before + rows + behind)
            clean = tiles.filled_up(self.clean[start * zoom : end * zoom], rows * zoom)
            made = _apply(
                self.variables,
                band,
                clean,
                *self.conditions,
                first_row=start - before,
                height=height,
                stretch=stretch,
                config=self.config,
            )
            # A coupling sees what was there, a causal convolution what it made itself.
            if before and not goes_on:
                above = np.concatenate([above, self.state[start:end]])[-before:]
            result[start * scale : end * scale] = np.asarray(made)[: (end - start) * scale]
            if goes_on:
                above = np.concatenate([above, result[start:end]])[-before:]
            yield end / height
        self.state = result


def _surroundings(stretch: Stretch) -> tuple[int, int]:
    """Rows above and below a band that a stretch sees."""
    reaches = [kind_of(layer).reach(layer) for layer in stretch]
    return sum(above for above, _ in reaches), sum(below for _, below in reaches)


@partial(jax.jit, static_argnames=("config", "width", "channels"))
def _draw(key, rows, variables, camera, iso, *, config, width, channels):
    def row(number):
        base = base_distribution(variables, config, (1, 1, width, channels), camera, iso)
        return base.sample(seed=jax.random.fold_in(key, number))[0, 0]

    return jax.vmap(row)(rows)


@partial(jax.jit, static_argnames=("stretch", "config"))
def _apply(variables, band, clean, camera, iso, *, first_row, height, stretch, config):
    """A stretch for one band: its surroundings above, its rows, its surroundings below."""
    before, behind = _surroundings(stretch)
    build = layer_builder(variables, config, clean[None], camera, iso)
    rows = slice(before, band.shape[0] - behind)
    if all(kind_of(layer).in_blocks for layer in stretch):
        number = first_row + jnp.arange(band.shape[0])
        inside = Inside((number >= 0) & (number < height), jnp.ones(band.shape[1], bool))
        return to_noise(stretch, variables, build, band[None], inside=inside)[0, rows]
    bijector = build(stretch[0])
    if kind_of(stretch[0]).goes_on:
        return bijector.forward_below(band[None, rows], band[None, :before])[0]
    return jnp.asarray(bijector.forward(band[None]))[0]
