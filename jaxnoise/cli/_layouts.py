"""How numbers of a file stand for light: mosaics, channels, and levels."""

from typing import Any, NamedTuple

import numpy as np

from jaxnoise.errors import DataError, UsageError
from jaxnoise.raw.levels import full_scale
from jaxnoise.raw.mosaic import by_channel, mosaic_to_packed, packed_to_mosaic

DARK = 0.25
"""A 16-bit raw image whose brightest pixel is below this fraction may have a lower full scale."""


class Layout(NamedTuple):
    """How numbers of a file stand for light.

    Attributes:
        phase: the pattern of mosaics; None for images whose channels are colours.
        black_level: in the file's units, one number or one for each channel or place.
        white_level: in the file's units; None for the full scale of the type.
    """

    phase: str | None
    black_level: tuple[float, ...]
    white_level: float | None

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
        black = self.black_level
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

    def check_channels(self, pixels: np.ndarray, name: str, wanted: int | None) -> None:
        """Refuses an image that is no mosaic though one is spoken of, or not what a model takes.

        Args:
            pixels: as stored, shape (H, W, C).
            name: what to call the image in errors.
            wanted: channels of the model, of packed raw for mosaics; None for any.

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
        if wanted in (None, channels):
            return
        kind = {
            3: "RGB images",
            4: "packed raw (4 channels: R, Gr, Gb, B), or mosaics with --bayer",
        }.get(wanted, f"images of {wanted} channels")
        given = f"a mosaic by --bayer {self.phase}" if self.phase else f"{channels} channel(s)"
        raise UsageError(f"{name} has {given}, the model was trained on others: give it {kind}.")

    def doubt(self, pixels: np.ndarray, name: str) -> str:
        """A sentence where raw numbers fill so little of their type that full scale may be lower.

        Args:
            pixels: as stored, shape (H, W, C).
            name: what to call the image.

        Returns:
            The sentence, or nothing.
        """
        raw = self.phase is not None or pixels.shape[2] in (1, 4)
        if not raw or self.white_level is not None or pixels.dtype != np.uint16:
            return ""
        high, full = pixels.max(), full_scale(pixels.dtype)
        if high >= DARK * full:
            return ""
        return (
            f"the brightest pixel of {name} is {high} of {full:g}: if full scale is lower, give "
            "--white-level."
        )
