"""The pure step of CoNo: contrastive, perceptual and alignment terms of the noise of two crops."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxnoise import models
from jaxnoise.distances import pairwise_mmd2
from jaxnoise.io.noise_profile import variance
from train.cono.levels import FULL_SCALE, Level, Levels
from train.engine.devices import shard
from train.engine.system import Run, Task, Validation
from train.steps.optimisers import ADAM_EPSILON, adam

TERMS = {
    "contrastive": "contrastive",
    "perceptual": "perceptual",
    "alignment": "alignment of moments",
}
"""Terms of the loss, as they are called in metrics.jsonl, with their headings."""
TOO_FAR = 0.2
"""Part of the standard deviation asked for by which a training that ends has failed."""
WORSE = 1.0
"""By how much the loss may rise over that of the start before training has failed."""


def level_map(clean: jax.Array, shot: jax.Array, read: jax.Array) -> jax.Array:
    """The standard deviation that is asked for at each pixel.

    Args:
        clean: (N, H, W, 4), fraction of full scale.
        shot: (N, 4), variance for each unit of `clean`.
        read: (N, 4), variance besides, in squared units of full scale.
    """
    return jnp.sqrt(variance(clean, shot, read))


def terms(
    variables: Any,
    fixed: Any,
    batch: Mapping,
    key: jax.Array,
    *,
    settings: Any,
    loss: Callable,
    train: bool,
) -> tuple[dict[str, jax.Array], Any]:
    """The terms of the loss before their weights.

    Args:
        variables: of the generator.
        fixed: of the encoder.
        batch: first, second, negatives of `datasets.raw_crops`, and shot and read.
        key: of the noise.
        settings: configuration of the generator.
        loss: ...
        train: whether batch normalisation takes the statistics of this batch.

    Returns:
        Terms by name, with "std_ratio" besides, and the variables with updated statistics.
    """
