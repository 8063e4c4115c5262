"""From a file's bytes to an image of the data set's number of channels."""

import io
import warnings

import numpy as np

from jaxnoise.errors import DataError
from jaxnoise.io.images import MAX_PIXELS, decode_image

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".npz")
_JPEG = b"\xff\xd8\xff"


def decode(data: bytes, name: str) -> np.ndarray:
    """Image of a PNG, TIFF, NPZ or JPEG file; a JPEG as a viewer would turn it.

    Args:
        data: content of the file; its first bytes, not its name, tell the format.
        name: what to call the file in errors.

    Returns:
        Shape (H, W, C), C = 1 for grey; uint8 (full scale 255), uint16 (65535) or float32 in
        [0, 1].

    Raises:
        DataError: if the bytes are no such image.
    """
    image = _decode_jpeg(data, name) if data.startswith(_JPEG) else decode_image(data, name)
    if image.dtype.kind == "f" and not (image.min() >= 0 and image.max() <= 1):
        raise DataError(
            f"{name} has values from {image.min():.4g} to {image.max():.4g}: scale floats to lie "
            "in [0, 1]."
        )
    return image


def _decode_jpeg(data: bytes, name: str) -> np.ndarray:
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=["JPEG"]) as file:
                if file.width * file.height > MAX_PIXELS:
                    raise Image.DecompressionBombError
                if file.mode not in ("L", "RGB"):
                    raise DataError(f"{name} is neither grey nor RGB: save it as 8-bit RGB.")
                image = np.array(ImageOps.exif_transpose(file))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"{name} has too many pixels: cut the image into parts.") from error
    except (OSError, SyntaxError, ValueError, EOFError, UnidentifiedImageError) as error:
        raise DataError(
            f"{name} cannot be decoded: copy it again from its source or leave it out."
        ) from error
    return image if image.ndim == 3 else image[..., None]


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
