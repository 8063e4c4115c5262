"""Losses: contrastive ones, those of the moments of noise, errors of denoisers and of features."""

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
from jaxnoise.losses.perceptual import perceptual

__all__ = [
    "absolute_error",
    "alignment",
    "contrastive",
    "half_sum_per_image",
    "info_nce",
    "noise2noise_error",
    "perceptual",
    "squared_error",
    "two_shot_mse",
]
