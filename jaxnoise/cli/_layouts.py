"""How numbers of a file stand for light: mosaics, channels, and levels."""

from typing import Any, NamedTuple

import numpy as np

from jaxnoise.cli._models import NOT_KNOWN, LearnedFrom
from jaxnoise.errors import DataError, UsageError
from jaxnoise.io.images import PHOTOGRAPHS, StoredImage
from jaxnoise.raw.levels import full_scale, to_fraction
from jaxnoise.raw.mosaic import by_channel, mosaic_to_packed, packed_to_mosaic

FLOATS_ABOVE = 1.5
"""How many times the white level noise may take floats before the level is doubted."""
FAR_ABOVE = 2.0
"""How many times what a model has seen an image may be bright before its full scale is doubted."""
DARK = 0.25
"""A 16-bit image whose brightest pixel is below this fraction may have a lower full scale."""


class Layout(NamedTuple):
    """How numbers of a file stand for light.

    Attributes:
        phase: the pattern of mosaics; None for images whose channels are colours.
        black_level: in the file's units, one number or one for each channel or place; None where
            nothing is said of it, which is 0.
        white_level: in the file's units; None for the full scale of the type.
    """

    phase: str | None
    black_level: tuple[float, ...] | None
    white_level: float | None

    def of(self, stored: StoredImage, name: str) -> "Layout":
        """The layout of an image, which its file may state where the options do not.

        Args:
            stored: the image.
            name: what to call it in errors.

        Raises:
            UsageError: the image is a mosaic that its file wants turned.
        """
        said, mosaic = stored.levels, stored.pixels.shape[2] == 1
        phase = self.phase or (said.phase if mosaic else None)
        if phase is not None and stored.turned:
            raise UsageError(
                f"{name} has an orientation tag, and turned the pattern of a mosaic is another: "
                "save it upright and without the tag."
            )
        black = said.black_level if self.black_level is None else self.black_level
        white = said.white_level if self.white_level is None else self.white_level
        return Layout(phase, black, white)

    def doubts(
        self,
        stored: StoredImage,
        name: str,
        *,
        linear: bool,
        learned: LearnedFrom = NOT_KNOWN,
    ) -> dict[str, str]:
        """Sentences on numbers that may not mean what the options say, by what they are about.

        Args:
            stored: the image, of which this is the layout that `of` gave.
            name: what to call it.
            linear: whether the noise is that of numbers that are linear in light.
            learned: what the model was trained on.
        """
        found, pixels = {}, stored.pixels
        high = float(pixels.max())
        # Noise takes floats a little beyond white.
        above = 1.0 if pixels.dtype.kind in "iu" else FLOATS_ABOVE
        if self.white_level is not None and high > above * self.white_level:
            found["white"] = (
                f"the brightest pixel of {name} is {high:g}, above the white level "
                f"{self.white_level:g}: give the full scale of its numbers with --white-level."
            )
        for what in ("phase", "black_level", "white_level"):
            stated, used = getattr(stored.levels, what), getattr(self, what)
            if stated is not None and used is not None and stated != used:
                option = {"phase": "--bayer"}.get(what, f"--{what.replace('_', '-')}")
                found[what] = (
                    f"{name} states {_spelt(stated)} itself, and {option} says {_spelt(used)}, "
                    "which counts: leave the option out if the file is right."
                )
        colours = pixels.dtype == np.uint8 and pixels.shape[2] == 3
        photograph = stored.format in PHOTOGRAPHS or colours and self.white_level is None
        if linear and photograph:
            found["linear"] = (
                f"{name} looks like an sRGB photograph, whose numbers are not linear in light: "
                "this noise is that of raw, so undo the tone curve first."
            )
        full = full_scale(pixels.dtype)
        if self.white_level is None and pixels.dtype == np.uint16 and high < DARK * full:
            found["dark"] = (
                f"the brightest pixel of {name} is {high:g} of {full:g}: if full scale is lower, "
                "give --white-level."
            )
        return found | self._unlike(learned, high, name, photograph=photograph, full=full)

    def _unlike(
        self, learned: LearnedFrom, high: float, name: str, *, photograph: bool, full: float
    ) -> dict[str, str]:
        """Sentences on what differs from the images that a model was trained on."""
        found = {}
        if photograph and learned.stored not in ("", "uint8"):
            found["learned"] = (
                f"{name} has 8 bits, as sRGB photographs have, and the model was trained on "
                f"{learned.stored} numbers, which are mostly linear in light: give it images of "
                "the kind that it was trained on."
            )
        black = min(self.black_level or (0.0,))
        white = full if self.white_level is None else self.white_level
        reached = min((high - black) / (white - black), 1.0) if white > black else 0.0
        if reached > FAR_ABOVE * learned.brightest:
            found["brighter"] = (
                f"the brightest pixel of {name} is at {reached:.2g} of full scale, and the images "
                f"that the model was trained on reach {learned.brightest:.2g}: if these had "
                "another full scale, state theirs with --white-level."
            )
        return found

    def packed(self, pixels: np.ndarray) -> np.ndarray:
        """An image whose channels are colours.

        Args:
            pixels: as stored, shape (H, W, C); C = 1 for a mosaic.

        Returns:
            Packed raw of a mosaic, shape (H', W', 4); other images as they are.
        """
        return pixels if self.phase is None else mosaic_to_packed(pixels[..., 0], self.phase)

    def unpacked(self, image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """The inverse of `packed`.

        Args:
            image: shape (H', W', C), any unit.
            size: (H, W) of the image as stored.

        Returns:
            Shape (H, W, C); C = 1 for a mosaic.
        """
        if self.phase is None:
            return image
        return packed_to_mosaic(image, self.phase, size)[..., None]

    def levels(self, dtype: np.dtype) -> dict[str, Any]:
        """What `jaxnoise.raw.to_fraction` and its like need to know of packed images.

        Args:
            dtype: of the stored numbers.

        Returns:
            `black_level` and `white_level`, in the file's units.

        Raises:
            UsageError: there are several black levels for a mosaic, but not four.
        """
        black = self.black_level or (0.0,)
        if self.phase is not None and len(black) > 1:
            black = by_channel(black, self.phase)
        white = full_scale(dtype) if self.white_level is None else self.white_level
        return {"black_level": np.asarray(black), "white_level": white}

    def check_floats(self, pixels: np.ndarray, name: str, *, margin: float = 0.0) -> None:
        """Refuses floats that are of another full scale than 1, unless it is stated.

        Args:
            pixels: as stored, any type.
            name: what to call the image in errors.
            margin: how far beyond [0, 1] they may be.

        Raises:
            DataError: floats are beyond that without a stated white level.
        """
        if self.white_level is not None or pixels.dtype.kind != "f":
            return
        low, high = pixels.min(), pixels.max()
        if low < -margin or high > 1 + margin:
            raise DataError(
                f"{name} has values from {low:.4g} to {high:.4g}: scale floats to lie in [0, 1], "
                "or give --white-level."
            )

    def check_channels(
        self, pixels: np.ndarray, name: str, wanted: int | None, *, photographs: bool = False
    ) -> None:
        """Refuses an image that is no mosaic though one is spoken of, or not what a model takes.

        Args:
            pixels: as stored, shape (H, W, C).
            name: what to call the image in errors.
            wanted: channels of the model, of packed raw for mosaics; None for any.
            photographs: whether RGB images will do, too.

        Raises:
            UsageError: says which images to give.
        """
        channels = pixels.shape[2]
        if self.phase is not None:
            if channels != 1:
                raise UsageError(
                    f"{name} has {channels} channels and is no mosaic: leave out --bayer, or give "
                    "images of one channel."
                )
            channels = 4
        if wanted in (None, channels) or photographs and self.phase is None and channels == 3:
            return
        kind = {
            3: "RGB images",
            4: "packed raw (4 channels: R, Gr, Gb, B), or mosaics with --bayer",
        }.get(wanted, f"images of {wanted} channels")
        own = "the noise is of others" if photographs else "the model was trained on others"
        kind = f"RGB images, {kind}" if photographs else kind
        given = f"a mosaic by --bayer {self.phase}" if self.phase else f"{channels} channel(s)"
        raise UsageError(f"{name} has {given}, {own}: give it {kind}.")


class Fractions:
    """An image as fractions of full scale, of which only the rows that are asked for are made.

    Args:
        stored: the image, packed if it is a mosaic, shape (H, W, C).
        levels: from `Layout.levels`.
        clip: whether what lies beyond black and white is taken for black and white.
    """

    def __init__(self, stored: np.ndarray, levels: dict[str, Any], *, clip: bool):
        self._stored, self._levels, self._clip = stored, levels, clip
        self.shape = stored.shape

    def __getitem__(self, rows: slice) -> np.ndarray:
        fraction = to_fraction(self._stored[rows], **self._levels)
        return np.clip(fraction, 0.0, 1.0, out=fraction) if self._clip else fraction


def _spelt(stated: Any) -> str:
    parts = stated if isinstance(stated, tuple) else (stated,)
    return ",".join(part if isinstance(part, str) else f"{part:g}" for part in parts)
