"""Raw images: Bayer mosaics, their levels, and the steps between linear raw and sRGB."""

from jaxnoise.raw.bayer import align, mosaic_rgb, pack, unpack
from jaxnoise.raw.demosaicing import demosaic
from jaxnoise.raw.levels import add_noise, from_fraction, to_fraction
from jaxnoise.raw.mosaic import by_channel, mosaic_to_packed, packed_to_mosaic

__all__ = [
    "add_noise",
    "align",
    "by_channel",
    "demosaic",
    "from_fraction",
    "mosaic_rgb",
    "mosaic_to_packed",
    "pack",
    "packed_to_mosaic",
    "to_fraction",
    "unpack",
]
