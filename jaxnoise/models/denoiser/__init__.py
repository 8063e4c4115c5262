"""Denoisers: a network that estimates the clean image from a noisy one."""

from jaxnoise.models.denoiser.config import Config
from jaxnoise.models.denoiser.image import denoise_bands, denoise_image
from jaxnoise.models.denoiser.model import (
    denoise,
    denoise_and_update,
    features,
    init,
    last_layer,
    parameter_count,
)

__all__ = [
    "Config",
    "denoise",
    "denoise_and_update",
    "denoise_bands",
    "denoise_image",
    "features",
    "init",
    "last_layer",
    "parameter_count",
]
