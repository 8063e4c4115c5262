"""What pairs of noisy shots say about noise without a clean image."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from jaxnoise.batch import NoiseBatch
from jaxnoise.errors import DataError
from jaxnoise.metrics import nll_per_dim
from jaxnoise.noise import autoregressive
from train.densities import mean_of_patches, to_noise_batch, validation_weights
from train.steps.checks import ROUNDING
from train.steps.start import first_patches, variance_floor

MARGIN = 0.2
"""Nats per dimension by which noise that is not Gaussian may be likelier than its Gaussian fit."""
MARGIN_OF_TRUTH = 0.01
"""Nats per dimension by which chance may favour a model over the true density."""


def halved(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The difference of two shots over sqrt 2."""
    return np.float32(0.5**0.5) * (first - second)


def halved_difference(batch: Mapping[str, Any]) -> NoiseBatch:
    """Noise without a clean image: the difference of two shots over sqrt 2, on their mean.

    The difference of independent noises of one clean image has twice their covariance, whatever
    their distribution, and the mean of the shots is a clean image with half of it.

    Args:
        batch: `noisy`, `noisy2`, `camera`, `iso` of a data set's batch, and its mask, if any.

    Returns:
        A batch whose `noise` has the variance and correlation of the noise of one shot.
    """
    first, second = batch["noisy"], batch["noisy2"]
    clean = np.clip(0.5 * (first + second), 0.0, 1.0)
    return to_noise_batch({**batch, "clean": clean, "noisy": clean + halved(first, second)})


def on_estimates(denoise: Callable[[np.ndarray], Any]) -> Callable[[dict], dict]:
    """A function that gives a batch of pairs what it lacks where no clean image is known.

    Args:
        denoise: from noisy images to estimates.

    Returns:
        From a batch to one with the mean of both estimates as `clean`, with the difference of the
        shots over sqrt 2 added to it as `noisy`, and with the shots as `shot1` and `shot2`.
    """

    def adapt(batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        shots = batch["noisy"], batch["noisy2"]
        first, second = (np.asarray(denoise(shot)).clip(0, 1) for shot in shots)
        clean = 0.5 * (first + second)
        noise = halved(*shots)
        kept = {name: value for name, value in batch.items() if name != "noisy2"}
        return kept | {
            "clean": clean, "noisy": clean + noise, "shot1": shots[0], "shot2": shots[1]
        }  # fmt: skip

    return adapt


def likeliest(data: Any, *, patches: int, seed: int, limit: int, batch_size: int) -> float:
    """What no noise model can go below on the noise of independent shots, in nats per dimension.

    Args:
        data: a data set of `datasets.pipeline` with pairs.
        patches: how many training patches an autoregressive Gaussian is fitted to at most.
        seed: decides which.
        limit: how many validation patches are looked at.
        batch_size: how many of them at a time.

    Returns:
        The mean true negative log-likelihood of the validation patches where the data set has it,
        else that of the autoregressive Gaussian on halved differences, each less a margin.
    """
    batches = data.batches("validation", batch_size=batch_size, limit=limit)
    if data.has_truth:
        values = [batch["truth"][batch["mask"]] / batch["noisy"][0].size for batch in batches]
        return float(np.concatenate(values).mean(dtype=np.float64)) - MARGIN_OF_TRUTH
    train = halved_difference(first_patches(data, patches=patches, seed=seed))
    config = autoregressive.Config(channels=data.channels, cameras=data.cameras, isos=data.isos)
    conditions = train.clean, train.camera, train.iso
    options: Any = {"valid": train.valid, "variance_floor": variance_floor(data)}
    variables = autoregressive.fit(config, train.noise, *conditions, **options)
    density = jax.jit(autoregressive.log_prob, static_argnums=1)
    values = []
    for batch in batches:
        held = halved_difference(batch)
        conditions = held.clean, held.camera, held.iso
        nats = density(variables, config, held.noise, *conditions, valid=held.valid)
        nll = nll_per_dim(nats, held.clean.shape[1:], held.valid)
        values.append(np.asarray(nll)[batch["mask"]])
    weights = validation_weights(data, batch_size=batch_size, limit=limit)
    return float(mean_of_patches(np.concatenate(values), weights)) - MARGIN


def check_pairs(data: Any, batch: Mapping[str, Any]) -> None:
    """Raises where a data set has no second shots, or shots that are the same.

    Args:
        data: a data set of `datasets.pipeline`.
        batch: training patches of it.

    Raises:
        DataError: says what is missing.
    """
    if "noisy2" not in batch:
        raise DataError(
            f"{data.name} has one shot of each scene and pairs of noisy shots are needed: give "
            "pairs with a column noisy2 in index.csv, or use --dataset camera_sim/exact."
        )
    difference = batch["noisy"] - batch["noisy2"]
    if not np.isfinite(difference).all():
        raise DataError(
            f"{data.name} has noisy images that are not finite: look for broken images."
        )
    if (np.ptp(difference, axis=(0, 1, 2)) < ROUNDING).any():
        raise DataError(
            f"the two shots of {data.name} do not differ in their noise: give two exposures of "
            "each scene."
        )
