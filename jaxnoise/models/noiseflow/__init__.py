"""Noise Flow: the likelihood of camera noise by a conditional normalizing flow.

Source: Abdelhamed, Brubaker and Brown, "Noise Flow: Noise Modeling with Conditional Normalizing
Flows", ICCV 2019.
"""

from jaxnoise.bijectors.chain import counted
from jaxnoise.models.noiseflow.config import Config
from jaxnoise.models.noiseflow.image import sample_bands, sample_image
from jaxnoise.models.noiseflow.initialise import init, init_from_data
from jaxnoise.models.noiseflow.model import (
    describe,
    distribution,
    log_prob,
    nll_and_update,
    parameter_count,
    sample,
)

__all__ = [
    "Config",
    "counted",
    "describe",
    "distribution",
    "init",
    "init_from_data",
    "log_prob",
    "nll_and_update",
    "parameter_count",
    "sample",
    "sample_bands",
    "sample_image",
]
