"""Where the noise of `jaxnoise sample` comes from: a trained model, or two numbers.

Either kind has `channels`, the channels that images must have or None, `description`, to be read in
a sentence, and `bands`, a function of the seed, the image's name and its pixels.
"""

import hashlib
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from jaxnoise import tiles
from jaxnoise.cli._models import open_model
from jaxnoise.errors import UsageError
from jaxnoise.tiles import Band, Progress, RowSource

BAND_VALUES = 2**20


class ModelNoise:
    """Noise of a trained model for one camera and ISO."""

    def __init__(
        self,
        folder: Path,
        *,
        camera: str | None,
        iso: float | None,
        temperature: float,
        seed: int,
        rows: int | None,
        max_bytes: int,
    ):
        import jax

        from jaxnoise.conditions import NOT_STATED, check_conditions
        from jaxnoise.protocols import ImageSampler

        self._opened = open_model(folder, ImageSampler, max_bytes=max_bytes)
        cameras, isos = self._opened.config.cameras, self._opened.config.isos
        if camera is None and len(cameras) > 1:
            raise UsageError(f"this model knows several cameras: give --camera {_any(cameras)}.")
        if camera is not None and camera not in cameras:
            raise UsageError(f"camera {camera} is unknown to this model: use {_any(cameras)}.")
        if iso is None and len(isos) > 1:
            stated = [value for value in isos if value != NOT_STATED]
            raise UsageError(f"this model knows several ISO numbers: give --iso {_any(stated)}.")
        camera = cameras[0] if camera is None else camera
        self._iso = float(isos[0] if iso is None else iso)
        self._camera = cameras.index(camera)
        check_conditions(self._camera, self._iso, cameras=cameras, isos=isos)
        self._temperature, self._rows = temperature, rows
        self._key = jax.random.key(seed)
        self.channels: int = self._opened.config.channels
        at_iso = "ISO not stated" if self._iso == NOT_STATED else f"ISO {self._iso:g}"
        self.description = f"the noise of {camera} at {at_iso}"

    def bands(self, name: str, clean: RowSource, progress: Progress) -> Iterator[Band]:
        """Noise of an image, rows by rows from the top.

        Args:
            name: the image's name.
            clean: the image, as fractions of full scale in [0, 1]; rows of which noise was given
                may be overwritten.
            progress: called with the fraction done.

        Returns:
            An iterator over rows and their noise in the same unit.
        """
        import jax

        opened = self._opened
        key = self._key
        for word in _words(name):
            key = jax.random.fold_in(key, word)
        return opened.model.sample_bands(
            key,
            opened.variables,
            opened.config,
            clean,
            self._camera,
            self._iso,
            temperature=self._temperature,
            rows=self._rows,
            progress=progress,
        )


class ShotReadNoise:
    """Poisson-Gaussian noise of two numbers."""

    channels: int | None = None

    def __init__(self, *, shot: float, read: float, seed: int, rows: int | None):
        self._shot, self._read, self._seed, self._rows = shot, read, seed, rows
        self.description = f"noise of variance {shot:g} * clean + {read:g}"

    def bands(self, name: str, clean: RowSource, progress: Progress) -> Iterator[Band]:
        """Noise of an image, rows by rows; see `ModelNoise.bands`."""
        from jaxnoise.noise import shot_read

        random = _GoesOn(np.random.PCG64(np.random.SeedSequence([self._seed, *_words(name)])))
        rows = tiles.rows_at_a_time(self._rows, math.prod(clean.shape[1:]), most=BAND_VALUES)
        for band in tiles.bands(clean.shape[0], rows):
            yield (
                band,
                shot_read.sample_image(
                    random, clean[band], shot=self._shot, read=self._read, rows=self._rows
                ),
            )
            progress(band.stop / clean.shape[0])


class _GoesOn(np.random.Generator):
    """A generator whose children go on where they stopped: bands get the noise of the whole."""

    _children: list[np.random.Generator] | None = None

    def spawn(self, n_children: int) -> list[np.random.Generator]:
        if self._children is None:
            self._children = list(np.random.Generator(self.bit_generator).spawn(n_children))
        return self._children


Source = ModelNoise | ShotReadNoise


def _words(name: str) -> list[int]:
    """Two 32-bit numbers for a name, so that an image's noise does not depend on other images."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    return [int.from_bytes(digest[start : start + 4], "little") for start in (0, 4)]


def _any(names) -> str:
    *others, last = [str(name) for name in names]
    return f"{', '.join(others)} or {last}" if others else last
