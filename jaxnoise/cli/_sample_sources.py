"""Where the noise of `jaxnoise sample` comes from: what a source is, and those of a few numbers."""

import hashlib
import math
from collections.abc import Iterator

import numpy as np

from jaxnoise import tiles
from jaxnoise.errors import UsageError
from jaxnoise.io.noise_profile import NoiseProfile
from jaxnoise.tiles import Band, Progress, RowSource

BAND_VALUES = 2**20
PACKED = 4
"""Channels of packed raw, which noise profiles are of."""
SCALE = 255.0
"""What full scale is in the unit of --sigma, whatever the files hold."""


class Source:
    """Makes noise for clean images.

    Attributes:
        channels: that images must have, of packed raw for mosaics; None for any.
        description: of the noise, to be read in a sentence.
        linear: whether the noise is that of numbers that are linear in light.
        photographs: whether it is put on the mosaic of RGB images, which are then demosaiced.
    """

    channels: int | None = None
    description: str
    linear = False
    photographs = False

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
        raise NotImplementedError


class ShotReadNoise(Source):
    """Poisson-Gaussian noise of two numbers."""

    linear = True

    def __init__(self, *, shot: float, read: float, seed: int, rows: int | None):
        self._shot, self._read, self._seed, self._rows = shot, read, seed, rows
        self.description = f"noise of variance {shot:g} * clean + {read:g}"

    def bands(self, name: str, clean: RowSource, progress: Progress) -> Iterator[Band]:
        """Noise of an image, rows by rows; see `Source.bands`."""
        from jaxnoise.noise import shot_read

        random = _GoesOn(np.random.PCG64(np.random.SeedSequence([self._seed, *words_of(name)])))
        rows = tiles.rows_at_a_time(self._rows, math.prod(clean.shape[1:]), most=BAND_VALUES)
        for band in tiles.bands(clean.shape[0], rows):
            yield (
                band,
                shot_read.sample_image(
                    random, clean[band], shot=self._shot, read=self._read, rows=self._rows
                ),
            )
            progress(band.stop / clean.shape[0])


class WhiteNoise(ShotReadNoise):
    """White normal noise, of one standard deviation on all numbers."""

    linear = False

    def __init__(self, sigma: float, *, seed: int, rows: int | None):
        super().__init__(shot=0.0, read=(sigma / SCALE) ** 2, seed=seed, rows=rows)
        self.description = f"white noise of sigma {sigma:g} of 255"


class ProfileNoise(Source):
    """Poisson-Gaussian noise of a camera's profile, each channel with numbers of its own."""

    channels = PACKED
    linear = True
    photographs = True

    def __init__(self, profile: NoiseProfile, iso: float | None, *, seed: int, rows: int | None):
        iso = iso_of(profile, iso)
        shot, read = profile.at(iso)
        self._channels = [
            ShotReadNoise(
                shot=float(shot[channel]), read=float(read[channel]), seed=seed, rows=rows
            )
            for channel in range(PACKED)
        ]
        self.description = f"the noise of {profile.name}'s profile at ISO {iso:g}"

    def bands(self, name: str, clean: RowSource, progress: Progress) -> Iterator[Band]:
        """Noise of an image, rows by rows; see `Source.bands`."""

        def of_channel(channel: int) -> Iterator[Band]:
            # A stream of its own, which a name of the file system cannot have.
            return self._channels[channel].bands(
                f"{name}\0{channel}",
                _OneChannel(clean, channel),
                progress if channel == PACKED - 1 else lambda _: None,
            )

        first, others = of_channel(0), [of_channel(channel) for channel in range(1, PACKED)]
        # All four have seen rows before any of them is given.
        for rows, noise in first:
            yield rows, np.concatenate([noise, *(next(other)[1] for other in others)], -1)


def iso_of(profile: NoiseProfile, iso: float | None) -> float:
    """The ISO number that is asked of a profile, which may be left out where it knows only one.

    Args:
        profile: the profile.
        iso: as given.

    Raises:
        UsageError: it is not given, and the profile knows several.
    """
    if iso is not None:
        return iso
    if len(profile.isos) != 1:
        raise UsageError(
            f"the profile of {profile.name} knows several ISO numbers: give --iso "
            f"{any_of(profile.isos)}, or what lies between two of them."
        )
    return float(profile.isos[0])


class _OneChannel:
    """One channel of an image."""

    def __init__(self, image: RowSource, channel: int):
        self._image, self._channel = image, channel
        self.shape = (*image.shape[:2], 1)

    def __getitem__(self, rows: slice) -> np.ndarray:
        return self._image[rows][..., self._channel : self._channel + 1]


class _GoesOn(np.random.Generator):
    """A generator whose children go on where they stopped: bands get the noise of the whole."""

    _children: list[np.random.Generator] | None = None

    def spawn(self, n_children: int) -> list[np.random.Generator]:
        if self._children is None:
            self._children = list(np.random.Generator(self.bit_generator).spawn(n_children))
        return self._children


def words_of(name: str) -> list[int]:
    """Two 32-bit numbers for a name, so that an image's noise does not depend on other images.

    Args:
        name: of an image.
    """
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    return [int.from_bytes(digest[start : start + 4], "little") for start in (0, 4)]


def any_of(names) -> str:
    """Names in a sentence, one of which is to be chosen.

    Args:
        names: one or more.
    """
    *others, last = [str(name) for name in names]
    return f"{', '.join(others)} or {last}" if others else last
