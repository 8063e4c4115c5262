"""Losses that pull similar pairs together and push the others apart."""

from jaxnoise.losses.contrastive import contrastive
from jaxnoise.losses.info_nce import info_nce

__all__ = ["contrastive", "info_nce"]
