"""Guarded readers and writers of images, model folders and noise profiles."""

from jaxnoise.io.image_writer import write_image
from jaxnoise.io.images import read_image
from jaxnoise.io.model_folder import LoadedModel, load_model, save_model
from jaxnoise.io.noise_profile import NoiseProfile, read_profile, write_profile

__all__ = [
    "LoadedModel",
    "NoiseProfile",
    "load_model",
    "read_image",
    "read_profile",
    "save_model",
    "write_image",
    "write_profile",
]
