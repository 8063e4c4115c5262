"""Densities to be compared: those that were trained, and simple ones fitted in closed form."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

import jax
import numpy as np
from jax.sharding import Mesh

from jaxnoise.batch import NoiseBatch
from jaxnoise.protocols import Density, Fitted, Sampler
from train.densities import nll_per_dimension, sampled_noise
from train.report.noise_numbers import ModelResult
from train.report.test_set import Adapt, test_batches

WHITE = "awgn"
BASELINES = {WHITE: "AWGN", "nlf": "NLF", "autoregressive": "autoregressive"}
"""Models of `jaxnoise.noise` that every noise model is compared with, and their names in tables."""


class DensityAndSampler(Density, Sampler, Protocol):
    """States how likely noise is, and makes some."""


class Baseline(DensityAndSampler, Fitted, Protocol):
    """The same, and fitted in one step."""


@dataclass(frozen=True)
class Candidate:
    """A density to be compared.

    Attributes:
        name: shown in the table.
        model: states a density and makes noise.
        config: its configuration.
        variables: its variables.
        is_white: whether it is the white noise that improvements are relative to.
        is_trained: whether this run trained it.
    """

    name: str
    model: DensityAndSampler
    config: Any
    variables: Mapping[str, Any]
    is_white: bool = False
    is_trained: bool = True

    @property
    def parameters(self) -> int:
        """How many numbers were fitted."""
        fitted = self.variables.get("params", self.variables)
        return sum(np.size(leaf) for leaf in jax.tree.leaves(fitted))


def fitted_baselines(data: Any, batch: NoiseBatch) -> list[Candidate]:
    """AWGN, noise-level function and autoregressive Gaussian, fitted in closed form.

    Args:
        data: a data set of `datasets.pipeline`; says which cameras and ISO numbers there are.
        batch: training patches.

    Returns:
        The fitted baselines.
    """
    candidates = []
    for module, name in BASELINES.items():
        model = cast(Baseline, importlib.import_module(f"jaxnoise.noise.{module}"))
        config = model.Config(channels=data.channels, cameras=data.cameras, isos=data.isos)
        variables = model.fit(config, batch.noise, batch.clean, batch.camera, batch.iso)
        white = module == WHITE
        candidates.append(
            Candidate(name, model, config, variables, is_white=white, is_trained=False)
        )
    return candidates


def test_result(
    candidate: Candidate,
    data: Any,
    *,
    mesh: Mesh,
    batch_size: int,
    limit: int,
    seed: int,
    temperature: float,
    adapt: Adapt | None = None,
) -> ModelResult:
    """A model's likelihood of the test noise, and noise that it samples for the test images.

    Args:
        candidate: the model.
        data: a data set of `datasets.pipeline`.
        mesh: from `train.engine.devices.start_jax`.
        batch_size: divisible by the number of devices.
        limit: how many patches at most.
        seed: of the samples.
        temperature: of the samples.
        adapt: as for `test_batches`.

    Returns:
        One row of the report.
    """
    nll = nll_per_dimension(candidate.model, candidate.config, mesh)
    sample = sampled_noise(
        candidate.model, candidate.config, mesh, seed=seed, temperature=temperature
    )
    options = {"batch_size": batch_size, "limit": limit, "adapt": adapt}
    passes = [test_batches(data, **options) for _ in range(2)]
    return ModelResult(
        name=candidate.name,
        parameters=candidate.parameters,
        nll=nll(candidate.variables, passes[0]),
        noise=sample(candidate.variables, passes[1]),
        is_white=candidate.is_white,
        is_trained=candidate.is_trained,
    )
