"""Losses that pull similar pairs together and push others apart; errors of denoisers."""

from jaxnoise.losses.contrastive import contrastive
from jaxnoise.losses.denoising import (
    absolute_error,
    half_sum_per_image,
    noise2noise_error,
    squared_error,
    two_shot_mse,
)
from jaxnoise.losses.info_nce import info_nce

__all__ = [
    "absolute_error",
    "contrastive",
    "half_sum_per_image",
    "info_nce",
    "noise2noise_error",
    "squared_error",
    "two_shot_mse",
]
