"""Noise for one image of any size, in bands of rows: what layers need does not grow with it."""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxnoise import checks, tiles
from jaxnoise.bijectors.chain import kind_of, latent_shape, layers_of, side_factor
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

    Each row of the latent has a key of its own and every layer sees across the bands, so their
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
    checks.check_fractions(clean=clean)
    options = {"temperature": temperature, "rows": rows, "progress": progress}
    made = sample_bands(key, variables, config, np.asarray(clean), camera, iso, **options)
    noise = np.empty(clean.shape, np.float32)
    for band, values in made:
        noise[band] = values
    return noise


def sample_bands(
    key: Array,
    variables: Variables,
    config: Config,
    clean: tiles.RowSource,
    camera: int,
    iso: float,
    *,
    temperature: float = 1.0,
    rows: int | None = None,
    progress: tiles.Progress | None = None,
) -> Iterator[tiles.Band]:
    """The noise of `sample_image` band by band, without the whole image or its noise in floats.

    Args:
        key: a `jax.random.key`.
        variables: from `init` or a trained model.
        config: the model's configuration.
        clean: an array (H, W, C), fraction of full scale, or anything else that gives rows of such
            an image as floats. They are asked for once, from the top, before noise for them is
            given, so that what holds them may be overwritten by then.
        camera: index into `config.cameras`.
        iso: ISO number.
        temperature: factor on the latent; 1 samples the modelled distribution.
        rows: height of a band in rows of the image, 1 or more; None chooses it.
        progress: called with the part that is done, from 0 to 1.

    Returns:
        An iterator over rows from the top and their noise, shape (rows, W, C), float32, which
        together are bit for bit the noise of `sample_image`.

    Raises:
        UsageError: for a camera or ISO that the model does not know, another number of channels,
            integers, or `rows` below 1.

    Source: Noise Flow, Section 3.1; the temperature is that of the published sampler.
    """
    checks.check_key(key)
    checks.check_numbers(camera=camera, iso=iso, temperature=temperature)
    if isinstance(clean, np.ndarray):
        checks.check_fractions(clean=clean)
    check_conditions(camera, iso, cameras=config.cameras, isos=config.isos)
    tiles.check_image(clean.shape, config.channels, does="makes noise for")
    rows = tiles.rows_at_a_time(rows, clean.shape[1], most=BAND_PIXELS)
    return _Image(variables, config, clean, camera, iso).noise(key, temperature, rows, progress)


class _Image:
    """An image on its way from latent to noise, of which no more than a few bands are held."""

    def __init__(self, variables, config, source, camera, iso):
        self.variables, self.config, self.source = variables, config, source
        self.conditions = jnp.asarray([camera]), jnp.asarray([iso], jnp.float32)
        cell = side_factor(config.arch, config.channels)
        self.padding = [(0, -side % cell) for side in source.shape[:2]]
        (_, below), (_, right) = self.padding
        self.size = source.shape[0] + below, source.shape[1] + right

    def noise(
        self, key: Array, temperature: float, rows: int, progress: tiles.Progress | None
    ) -> Iterator[tiles.Band]:
        """The noise from the top; every stretch of layers works in bands of its own."""
        stages = self.stages(rows)
        clean = tiles.Window(self.clean(rows))
        count = _Count(sum(len(stage.bands) for stage in stages), progress)
        made = self.latent(key, temperature)
        for stage in stages:
            made = self.through(stage, tiles.Window(made), clean, count)
        height, width, _ = self.source.shape
        start = 0
        for values in made:
            clean.forget(start + len(values))
            values = values[: height - start, :width]
            if len(values):
                yield slice(start, start + len(values)), values
            start += len(values)

    def stages(self, rows: int) -> "list[_Stage]":
        """The stretches from the latent to the noise, each with the bands that it works on."""
        stages = []
        height = self.size[0] // side_factor(self.config.arch, self.config.channels)
        chain = stretches(layers_of(self.config), self.config.width)
        for stretch in reversed(chain):
            zoom = self.size[0] // height
            own = min(height, max(1, rows // zoom))
            stages.append(_Stage(stretch, height, zoom, own, tiles.bands(height, own)))
            height *= kind_of(stretch[0]).zoom
        return stages

    def clean(self, rows: int) -> Iterator[np.ndarray]:
        """The clean image with its last row and column repeated until squeezes divide its sides."""
        height = self.source.shape[0]
        below, right = self.padding
        for band in tiles.bands(height, rows):
            values = np.asarray(self.source[band], np.float32)
            padding = [below if band.stop == height else (0, 0), right, (0, 0)]
            yield np.pad(values, padding, "edge") if np.any(padding) else values

    def latent(self, key: Array, temperature: float) -> Iterator[np.ndarray]:
        """The latent, each row from a key of its own."""
        shape = (1, *self.size, self.config.channels)
        _, height, width, channels = latent_shape(self.config, shape)
        draw = partial(_draw, config=self.config, width=width, channels=channels)
        for band in tiles.bands(height, tiles.rows_at_a_time(None, width, most=BAND_PIXELS)):
            rows = draw(key, jnp.arange(band.start, band.stop), self.variables, *self.conditions)
            yield (temperature * np.asarray(rows)).astype(np.float32, copy=False)

    def through(
        self, stage: "_Stage", state: tiles.Window, clean: tiles.Window, count: "_Count"
    ) -> Iterator[np.ndarray]:
        """What a stretch makes of the state before it."""
        stretch, height, zoom = stage.stretch, stage.height, stage.zoom
        before, behind = _surroundings(stretch)
        scale, goes_on = kind_of(stretch[0]).zoom, kind_of(stretch[0]).goes_on
        above = np.zeros((before, *state.rows(0, 1).shape[1:]), np.float32)
        for start, end in ((band.start, band.stop) for band in stage.bands):
            seen = state.rows(start, min(height, end + behind))
            shown = clean.rows(start * zoom, end * zoom)
            made = _apply(
                self.variables,
                tiles.filled_up(np.concatenate([above, seen]), before + stage.rows + behind),
                tiles.filled_up(shown, stage.rows * zoom),
                *self.conditions,
                first_row=start - before,
                height=height,
                stretch=stretch,
                config=self.config,
            )
            made = np.asarray(made)[: (end - start) * scale]
            if before:
                # A coupling sees what was there, a causal convolution what it made itself.
                last = made if goes_on else seen[: end - start]
                above = np.concatenate([above, last])[-before:]
            state.forget(end)
            count.one_more()
            yield made


class _Stage(NamedTuple):
    """A stretch of layers and the bands that it works on.

    Attributes:
        stretch: its layers, the data side first.
        height: of its state before it.
        zoom: rows of the image that one of the state stands for.
        rows: of a band, of which the last one may have fewer.
        bands: the rows of each band.
    """

    stretch: Stretch
    height: int
    zoom: int
    rows: int
    bands: list[slice]


class _Count:
    """How many bands of all stages are done."""

    def __init__(self, total: int, progress: tiles.Progress | None):
        self.total, self.progress, self.done = total, progress, 0

    def one_more(self) -> None:
        self.done += 1
        if self.progress is not None:
            self.progress(self.done / self.total)


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
