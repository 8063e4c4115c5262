"""Densities to be compared: those that were trained, and simple ones fitted in closed form."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

import jax
import numpy as np
from jax.sharding import Mesh

from jaxnoise.batch import NoiseBatch
from jaxnoise.bijectors.chain import parse
from jaxnoise.curve import VARIANCE_FLOOR
from jaxnoise.protocols import Density, Fitted, Sampler
from train.densities import FIELDS, nll_per_dimension, sampled_noise, with_mask
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
        is_trained: whether it is what the run was to train, rather than something to compare.
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

    @property
    def family(self) -> str:
        """Architecture of a noise flow that can be whatever the model can be; "" for none."""
        if hasattr(self.config, "arch"):
            return self.config.arch if self.config.base == "normal" else ""
        # What predicts from neighbours is a noise curve and a causal filter.
        return f"N-K{self.config.radius}" if hasattr(self.config, "radius") else ""


def includes(family: str, other: str, *, channels: int) -> bool:
    """Whether a noise flow has all layers of another, in their order and at least as wide.

    Those that it has beside them can be the identity.

    Args:
        family: its architecture; "" for a model that is no noise flow.
        other: the architecture of the other.
        channels: of the images.
    """
    if not family:
        return False
    layers = iter(parse(family, channels))
    return all(
        any(
            (layer.kind, layer.channels) == (needed.kind, needed.channels)
            and layer.radius >= needed.radius
            for layer in layers
        )
        for needed in parse(other, channels)
    )


def fitted_baselines(
    data: Any, batch: NoiseBatch, *, variance_floor: float = VARIANCE_FLOOR
) -> list[Candidate]:
    """AWGN, noise-level function and autoregressive Gaussian, fitted in closed form.

    Args:
        data: a data set of `datasets.pipeline`; says which cameras and ISO numbers there are.
        batch: training patches.
        variance_floor: the smallest variance that they may find, squared unit of full scale.

    Returns:
        The fitted baselines.
    """
    candidates = []
    options: Any = {"valid": batch.valid, "variance_floor": variance_floor}
    for module, name in BASELINES.items():
        model = cast(Baseline, importlib.import_module(f"jaxnoise.noise.{module}"))
        config = model.Config(channels=data.channels, cameras=data.cameras, isos=data.isos)
        conditions = batch.clean, batch.camera, batch.iso
        variables = model.fit(config, batch.noise, *conditions, **options)
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
    fields = with_mask(FIELDS, data)
    nll = nll_per_dimension(candidate.model, candidate.config, mesh, fields=fields)
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
        family=candidate.family,
    )
