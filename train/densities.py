"""A density over the patches of a data set: what validations and reports measure."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from jaxnoise.batch import NoiseBatch
from jaxnoise.protocols import Density, Sampler
from train.engine.evaluation import over_patches

FIELDS = ("clean", "noisy", "camera", "iso")
"""What a model of noise with known clean images needs of a batch."""


def to_noise_batch(batch: Mapping[str, Any]) -> NoiseBatch:
    """The fields of a data set's batch that models of noise take, as arrays of JAX.

    Args:
        batch: as `datasets.pipeline` makes it.

    Returns:
        The batch.
    """
    return NoiseBatch(**{name: jax.numpy.asarray(batch[name]) for name in FIELDS})


def nll_per_dimension(model: Density, config: Any, mesh: Mesh) -> Callable[..., np.ndarray]:
    """A model's negative log-likelihood of each patch.

    Args:
        model: states a density.
        config: its configuration.
        mesh: from `train.engine.devices.start_jax`.

    Returns:
        A function from (variables, batches) to shape (N,), nats per dimension.
    """
    return over_patches(partial(_nll, model, config), mesh, names=FIELDS)


def sampled_noise(
    model: Sampler, config: Any, mesh: Mesh, *, seed: int, temperature: float
) -> Callable[..., np.ndarray]:
    """One noise of a model for each patch's clean image.

    Args:
        model: makes noise.
        config: its configuration.
        mesh: from `train.engine.devices.start_jax`.
        seed: of the samples.
        temperature: of the latent noise.

    Returns:
        A function from (variables, batches) to shape (N, H, W, C), fraction of full scale.
    """
    sample = partial(_sample, model, config, seed, temperature)
    return over_patches(sample, mesh, names=FIELDS)


def _nll(
    model: Density, config: Any, variables: Any, patches: Mapping, number: jax.Array
) -> jax.Array:
    del number
    batch = to_noise_batch(patches)
    log_prob = model.log_prob(variables, config, batch.noise, batch.clean, batch.camera, batch.iso)
    return -log_prob / batch.clean[0].size


def _sample(
    model: Sampler,
    config: Any,
    seed: int,
    temperature: float,
    variables: Any,
    patches: Mapping,
    number: jax.Array,
) -> jax.Array:
    batch = to_noise_batch(patches)
    key = jax.random.fold_in(jax.random.key(seed), number)
    conditions = batch.clean, batch.camera, batch.iso
    return model.sample(key, variables, config, *conditions, temperature=temperature)
