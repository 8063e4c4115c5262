"""Readers of the published checkpoints that a user already has.

Nothing in a checkpoint is executed, and no code or weights of the authors come with jaxnoise.
"""

from jaxnoise.interop.denoisers import denoiser_torch
from jaxnoise.interop.encoders import open_encoder
from jaxnoise.interop.noise2noiseflow import noise2noiseflow_torch
from jaxnoise.interop.noise_flow import noise_flow_tf

__all__ = ["denoiser_torch", "noise2noiseflow_torch", "noise_flow_tf", "open_encoder"]
