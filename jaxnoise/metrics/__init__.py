"""Measures of how close synthetic noise is to real noise."""

from jaxnoise.metrics.correlation import channel_correlation, lag_one
from jaxnoise.metrics.histograms import (
    NOISE_EDGES,
    grouped_counts,
    kl_from_counts,
    ks,
    ks_from_counts,
    marginal_kl,
    noise_counts,
    patch_marginal_kl,
)
from jaxnoise.metrics.likelihood import (
    mean_nll_per_dim,
    nll_per_dim,
    paired_difference,
    relative_improvement,
    valid_dimensions,
)
from jaxnoise.metrics.psnr import psnr
from jaxnoise.metrics.sampling_floor import floor_from_counts, marginal_kl_floor
from jaxnoise.metrics.signal_dependence import (
    IntensityCurve,
    bright_over_dark,
    intensity_slope,
    square_by_intensity,
)
from jaxnoise.metrics.ssim import SSIM_PRESETS, SsimPreset, ssim

__all__ = [
    "NOISE_EDGES",
    "SSIM_PRESETS",
    "IntensityCurve",
    "SsimPreset",
    "bright_over_dark",
    "channel_correlation",
    "floor_from_counts",
    "grouped_counts",
    "intensity_slope",
    "kl_from_counts",
    "ks",
    "ks_from_counts",
    "lag_one",
    "marginal_kl",
    "marginal_kl_floor",
    "mean_nll_per_dim",
    "nll_per_dim",
    "noise_counts",
    "paired_difference",
    "patch_marginal_kl",
    "psnr",
    "relative_improvement",
    "square_by_intensity",
    "ssim",
    "valid_dimensions",
]
