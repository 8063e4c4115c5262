"""Guarded readers and writers of images and model folders."""

from jaxnoise.io.model_folder import LoadedModel, load_model, save_model

__all__ = ["LoadedModel", "load_model", "save_model"]
