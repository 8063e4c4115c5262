"""What decoders of images give, and the limits that they all keep."""

import math
from typing import NamedTuple

import numpy as np

from jaxnoise.errors import DataError

MAX_PIXELS = 150_000_000
MAX_CHANNELS = 16
MAX_FILE_BYTES = 2 * 2**30
MAX_IMAGE_BYTES = 680_000_000
"""Of the decoded pixels, in the type that the file stores: 100 megapixels of 16-bit RGB and more.
All limits are for `MAX_PIXELS` and grow with the number of pixels that a caller allows."""
MAX_PARTS = 100_000
"""Strips or tiles of a TIFF, scans of a JPEG and the like: each costs time, however small it is."""
RAISE = "cut the image into parts, or raise the limit with --max-pixels (max_pixels= in code)"
KEEP = "save it as 8-bit, 16-bit or float32 PNG, TIFF or NPZ"

DTYPES = tuple(np.dtype(kind) for kind in (np.uint8, np.uint16, np.float16, np.float32, np.float64))


class Levels(NamedTuple):
    """What a file says that its numbers mean; None where it says nothing.

    Attributes:
        phase: colours of a mosaic's first 2x2 pixels in reading order.
        black_level: in the file's units, one number or one for each channel, for mosaics one for
            each of the first 2x2 pixels.
        white_level: in the file's units.
    """

    phase: str | None = None
    black_level: tuple[float, ...] | None = None
    white_level: float | None = None


class Decoded(NamedTuple):
    """Content of a file before it is made alike for all formats.

    Attributes:
        image: shape (H, W) or (H, W, C), as stored.
        array_name: of the array in an NPZ file.
        orientation: number from 1 to 8 as TIFF and EXIF count, 1 for upright.
        levels: what the file says of its numbers.
        alpha: whether the last channel says how opaque a pixel is.
    """

    image: np.ndarray
    array_name: str = "image"
    orientation: int = 1
    levels: Levels = Levels()
    alpha: bool = False


class Limits(NamedTuple):
    """How large an image may be.

    Attributes:
        pixels: height times width; what a file may have of everything else grows with it.
    """

    pixels: int = MAX_PIXELS

    def grown(self, limit: int) -> int:
        """A limit that is for `MAX_PIXELS`, for more pixels where they are allowed.

        Args:
            limit: of bytes or parts.
        """
        return max(limit, limit * self.pixels // MAX_PIXELS)

    def check(self, shape: tuple[int, ...], dtype: np.dtype, name: str) -> None:
        """Refuses what a file declares to be no image or too large a one, before it is decoded.

        Args:
            shape: of the stored array.
            dtype: of the stored array.
            name: what to call the file in errors.

        Raises:
            DataError: says what is too large.
        """
        if len(shape) not in (2, 3) or min(shape) < 1:
            raise DataError(
                f"{name} has shape {shape}: an image is (height, width) or (height, width, "
                "channels)."
            )
        if shape[0] * shape[1] > self.pixels:
            raise DataError(
                f"{name} has {shape[0]}x{shape[1]} pixels, more than {self.pixels:,}: {RAISE}."
            )
        if len(shape) == 3 and shape[2] > MAX_CHANNELS:
            raise DataError(
                f"{name} has {shape[2]} channels, more than {MAX_CHANNELS}: store channels last."
            )
        size, most = math.prod(shape) * dtype.itemsize, self.grown(MAX_IMAGE_BYTES)
        if size > most:
            raise DataError(f"{name} holds {size:,} bytes of pixels, more than {most:,}: {RAISE}.")

    def check_parts(self, count: int, what: str, name: str) -> None:
        """Refuses an image of too many parts, each of which takes time.

        Args:
            count: of the parts.
            what: to call them, in the plural.
            name: what to call the file in errors.

        Raises:
            DataError: if there are too many.
        """
        most = self.grown(MAX_PARTS)
        if count > most:
            raise DataError(f"{name} has {count:,} {what}, more than {most:,}: {RAISE}.")


def check_dtype(dtype: np.dtype, name: str) -> None:
    """Refuses numbers of a type that is not read.

    Args:
        dtype: of the stored array.
        name: what to call the file in errors.

    Raises:
        DataError: names the type and what to do.
    """
    if dtype.newbyteorder("=") not in DTYPES:
        raise DataError(f"{name} holds {dtype} values: {KEEP}.")


def upright(image: np.ndarray, orientation: int) -> np.ndarray:
    """An image turned and mirrored as its file says that it is to be shown.

    Args:
        image: shape (H, W) or (H, W, C).
        orientation: where the first row and column of the stored image lie in the scene, 1 to 8.

    Returns:
        A view, of shape (W, H, ...) for 5 to 8.

    Source: TIFF 6.0, tag 274; EXIF has the same.
    """
    if orientation in (5, 6, 7, 8):
        image = image.swapaxes(0, 1)
    rows = -1 if orientation in (3, 4, 7, 8) else 1
    columns = -1 if orientation in (2, 3, 6, 7) else 1
    return image[::rows, ::columns]
