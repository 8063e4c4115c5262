"""Noise2NoiseFlow: a noise model and a denoiser learnt together from pairs of noisy shots.

Source: Maleky, Kousha, Brown and Brubaker, "Noise2NoiseFlow: Realistic Camera Noise Modeling
without Clean Images", CVPR 2022.
"""

from jaxnoise.models.noise2noiseflow.config import Config
from jaxnoise.models.noise2noiseflow.model import (
    denoise,
    denoise_bands,
    denoise_image,
    init,
    joint_loss,
    log_prob,
    parameter_count,
    sample,
    sample_bands,
    sample_image,
)
from jaxnoise.models.noise2noiseflow.objective import (
    OBJECTIVES,
    State,
    Terms,
    joint_terms,
    recorrupt,
)

__all__ = [
    "OBJECTIVES",
    "Config",
    "State",
    "Terms",
    "denoise",
    "denoise_bands",
    "denoise_image",
    "init",
    "joint_loss",
    "joint_terms",
    "log_prob",
    "parameter_count",
    "recorrupt",
    "sample",
    "sample_bands",
    "sample_image",
]
