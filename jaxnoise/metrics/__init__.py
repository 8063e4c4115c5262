"""Measures of how close synthetic noise is to real noise."""

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
from jaxnoise.metrics.ssim import SSIM_PRESETS, SsimPreset, ssim

__all__ = [
    "NOISE_EDGES",
    "SSIM_PRESETS",
    "SsimPreset",
    "floor_from_counts",
    "grouped_counts",
    "kl_from_counts",
    "ks",
    "ks_from_counts",
    "marginal_kl",
    "marginal_kl_floor",
    "mean_nll_per_dim",
    "nll_per_dim",
    "noise_counts",
    "paired_difference",
    "patch_marginal_kl",
    "psnr",
    "relative_improvement",
    "ssim",
    "valid_dimensions",
]
