"""Guarded readers and writers of images and model folders."""

from jaxnoise.io.image_writer import write_image
from jaxnoise.io.images import read_image
from jaxnoise.io.model_folder import LoadedModel, load_model, save_model

__all__ = ["LoadedModel", "load_model", "read_image", "save_model", "write_image"]
