"""CoNo: signal-dependent noise of any level, learnt from clean images alone.

Source: anonymous authors, "Unsupervised Contrastive Learning for Signal-Dependent Noise Synthesis",
submission to ICLR 2022.
"""

from jaxnoise.models.cono.config import Config
from jaxnoise.models.cono.image import sample_bands, sample_image
from jaxnoise.models.cono.model import (
    init,
    parameter_count,
    sample,
    sample_and_update,
    to_latent,
    to_noise,
)
from jaxnoise.models.cono.objective import Terms, Weights, noise_mmd2, objective

__all__ = [
    "Config",
    "Terms",
    "Weights",
    "init",
    "noise_mmd2",
    "objective",
    "parameter_count",
    "sample",
    "sample_and_update",
    "sample_bands",
    "sample_image",
    "to_latent",
    "to_noise",
]
