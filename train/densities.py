"""A density over the patches of a data set: what validations and reports measure."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from jaxnoise.batch import NoiseBatch
from jaxnoise.metrics import nll_per_dim
from jaxnoise.protocols import Density, Sampler, counted
from train.engine.evaluation import over_patches

FIELDS = ("clean", "noisy", "camera", "iso")
"""What a model of noise with known clean images needs of a batch."""


MASK = "valid"
"""The field that says which pixels count, of data sets whose pixels do not all."""


def with_mask(names: Sequence[str], data: Any) -> tuple[str, ...]:
    """Names of fields, and the mask where a data set has one.

    Args:
        names: of fields of its batches.
        data: a data set of `datasets.pipeline`.
    """
    return (*names, MASK) if data.has_clipping else tuple(names)


def validation_weights(data: Any, *, batch_size: int, limit: int) -> np.ndarray | None:
    """How many pixels of each validation patch count; None where all do.

    Args:
        data: a data set of `datasets.pipeline`.
        batch_size: patches at a time.
        limit: how many patches at most.
    """
    if not data.has_clipping:
        return None
    batches = data.batches("validation", batch_size=batch_size, limit=limit)
    counts = [batch[MASK].sum((1, 2, 3))[batch["mask"]] for batch in batches]
    return np.concatenate(counts).astype(np.float64)


def mean_of_patches(values: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """Mean over patches, in which each has as much say as it has pixels that count.

    Args:
        values: shape (N,) or (N, K), one row for each patch, such as means over its pixels.
        weights: from `validation_weights`.

    Returns:
        Shape () or (K,), float64.
    """
    if weights is None:
        return values.mean(0, dtype=np.float64)
    kept = weights > 0
    parts = weights[kept] / max(weights.sum(), 1.0)
    return np.tensordot(parts, values[kept].astype(np.float64), 1)


def to_noise_batch(batch: Mapping[str, Any]) -> NoiseBatch:
    """The fields of a data set's batch that models of noise take, as arrays of JAX.

    Args:
        batch: as `datasets.pipeline` makes it.

    Returns:
        The batch.
    """
    names = (*FIELDS, MASK) if MASK in batch else FIELDS
    return NoiseBatch(**{name: jax.numpy.asarray(batch[name]) for name in names})


def nll_per_dimension(
    model: Density, config: Any, mesh: Mesh, *, fields: Sequence[str] = FIELDS
) -> Callable[..., np.ndarray]:
    """A model's negative log-likelihood of each patch.

    Args:
        model: states a density.
        config: its configuration.
        mesh: from `train.engine.devices.start_jax`.
        fields: `FIELDS`, `with_mask` where the data have one.

    Returns:
        A function from (variables, batches) to shape (N,), nats per dimension that counts; 0 for a
        patch without any.
    """
    return over_patches(partial(_nll, model, config), mesh, names=fields)


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
    sample = partial(_sample, model, config, seed=seed, temperature=temperature)
    return over_patches(sample, mesh, names=FIELDS)


def _nll(
    model: Density, config: Any, variables: Any, patches: Mapping, number: jax.Array
) -> jax.Array:
    del number
    batch = to_noise_batch(patches)
    conditions = batch.clean, batch.camera, batch.iso
    log_prob = model.log_prob(variables, config, batch.noise, *conditions, valid=batch.valid)
    valid = counted(model, config, batch.valid)
    return jax.numpy.asarray(nll_per_dim(log_prob, batch.clean.shape[1:], valid))


def _sample(
    model: Sampler,
    config: Any,
    variables: Any,
    patches: Mapping,
    number: jax.Array,
    *,
    seed: int,
    temperature: float,
) -> jax.Array:
    batch = to_noise_batch(patches)
    key = jax.random.fold_in(jax.random.key(seed), number)
    conditions = batch.clean, batch.camera, batch.iso
    return model.sample(key, variables, config, *conditions, temperature=temperature)
