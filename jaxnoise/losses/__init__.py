"""Losses: contrastive ones, those of the moments of noise, errors of estimates and of features."""

from jaxnoise.losses.alignment import alignment
from jaxnoise.losses.contrastive import contrastive
from jaxnoise.losses.denoising import (
    absolute_error,
    half_sum_per_image,
    noise2noise_error,
    squared_error,
    two_shot_mse,
)
from jaxnoise.losses.info_nce import info_nce
from jaxnoise.losses.mosaic2mosaic import mosaic2mosaic_error, packed_mosaic
from jaxnoise.losses.noise2self import filled_in, grid_mask, noise2self_error
from jaxnoise.losses.perceptual import perceptual

__all__ = [
    "absolute_error",
    "alignment",
    "contrastive",
    "filled_in",
    "grid_mask",
    "half_sum_per_image",
    "info_nce",
    "mosaic2mosaic_error",
    "noise2noise_error",
    "noise2self_error",
    "packed_mosaic",
    "perceptual",
    "squared_error",
    "two_shot_mse",
]
