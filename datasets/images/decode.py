"""From a file's bytes to an image of the data set's number of channels."""

import numpy as np

from jaxnoise.errors import DataError
from jaxnoise.io.images import MAX_PIXELS, decode_image

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".npz")


def decode(data: bytes, name: str, *, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Image of a PNG, TIFF, NPZ, JPEG or WebP file, as a viewer would turn it.

    Args:
        data: content of the file; its first bytes, not its name, tell the format.
        name: what to call the file in errors.
        max_pixels: images with more are refused.

    Returns:
        Shape (H, W, C), C = 1 for grey; uint8 (full scale 255), uint16 (65535) or float32 in
        [0, 1].

    Raises:
        DataError: if the bytes are no such image.
    """
    image = decode_image(data, name, max_pixels=max_pixels)
    if image.dtype.kind == "f" and not (image.min() >= 0 and image.max() <= 1):
        raise DataError(
            f"{name} has values from {image.min():.4g} to {image.max():.4g}: scale floats to lie "
            "in [0, 1]."
        )
    return image


def with_channels(image: np.ndarray, channels: int, name: str) -> np.ndarray:
    """Image with a number of channels; grey becomes colour by repetition.

    Args:
        image: shape (H, W, C).
        channels: number of channels of the data set.
        name: what to call the file in errors.

    Raises:
        DataError: if the image has another number that cannot be turned into it.
    """
    if image.shape[-1] == channels:
        return image
    if image.shape[-1] == 1 and channels == 3:
        return np.repeat(image, 3, axis=-1)
    raise DataError(
        f"{name} has {image.shape[-1]} channel(s) and the first image of the folder {channels}: "
        "put grey, colour and raw images into folders of their own."
    )
