"""RCL: networks that learn from noisy images alone, by telling residuals of images apart.

Source: Dong, Maggioni, Yang, Pérez-Pellitero, Leonardis and McDonagh, "Residual Contrastive
Learning for Image Reconstruction", IJCAI 2022, doi 10.24963/ijcai.2022/406.
"""

from jaxnoise.models.rcl.objective import (
    DISTANCES,
    Terms,
    differences,
    gaps,
    objective,
    residual_distances,
    residual_loss,
)
from jaxnoise.models.rcl.raw_terms import FORMS, packed_mosaic, raw_consistency, raw_residual

__all__ = [
    "DISTANCES",
    "FORMS",
    "Terms",
    "differences",
    "gaps",
    "objective",
    "packed_mosaic",
    "raw_consistency",
    "raw_residual",
    "residual_distances",
    "residual_loss",
]
