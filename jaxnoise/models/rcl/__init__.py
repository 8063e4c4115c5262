"""RCL: networks that learn from noisy images alone, by telling residuals of images apart.

Source: Dong, Maggioni, Yang, Pérez-Pellitero, Leonardis and McDonagh, "Residual Contrastive
Learning for Image Reconstruction", IJCAI 2022, doi 10.24963/ijcai.2022/406.
"""

from jaxnoise.models.rcl.config import Config
from jaxnoise.models.rcl.model import init, parameter_count, restore, restore_and_update
from jaxnoise.models.rcl.objective import (
    DISTANCES,
    Terms,
    differences,
    gaps,
    objective,
    residual_distances,
    residual_loss,
)
from jaxnoise.models.rcl.raw_terms import FORMS, raw_consistency, raw_residual
from jaxnoise.models.rcl.transfer import (
    backbone_of,
    last_layer_labels,
    with_fresh_head,
    with_fresh_last,
)

__all__ = [
    "DISTANCES",
    "FORMS",
    "Config",
    "Terms",
    "backbone_of",
    "differences",
    "gaps",
    "init",
    "last_layer_labels",
    "objective",
    "parameter_count",
    "raw_consistency",
    "raw_residual",
    "residual_distances",
    "residual_loss",
    "restore",
    "restore_and_update",
    "with_fresh_head",
    "with_fresh_last",
]
