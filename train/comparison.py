"""The held-out comparison of a trained model with the simple ones."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from datasets.pipeline import SIMULATED
from train.likelihood import nll_per_dimension, sampled_noise, to_noise_batch
from train.noisy_pairs import halved_difference
from train.report import ModelResult, TestSet
from train.start import first_patches

Adapt = Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]
BASELINES = {"AWGN": "awgn", "NLF": "nlf", "autoregressive": "autoregressive"}


@dataclass(frozen=True)
class Candidate:
    """A density to be compared.

    Attributes:
        name: shown in the table.
        model: module with `log_prob` and `sample`.
        config: its configuration.
        variables: its variables.
    """

    name: str
    model: Any
    config: Any
    variables: Mapping[str, Any]

    @property
    def parameters(self) -> int:
        """How many numbers were fitted."""
        fitted = self.variables.get("params", self.variables)
        return sum(np.size(leaf) for leaf in jax.tree.leaves(fitted))


def fitted_baselines(data: Any, *, patches: int, seed: int) -> list[Candidate]:
    """AWGN, noise-level function and autoregressive Gaussian, fitted to training patches.

    Args:
        data: a data set of `datasets.pipeline`.
        patches: how many training patches they see at most.
        seed: decides which.

    Returns:
        The fitted baselines.
    """
    import importlib

    first = first_patches(data, patches=patches, seed=seed)
    # Without clean images the difference of two shots has the moments of the noise.
    batch = to_noise_batch(first) if "clean" in first else halved_difference(first)
    candidates = []
    for name, module in BASELINES.items():
        model = importlib.import_module(f"jaxnoise.noise.{module}")
        config = model.Config(channels=data.channels, cameras=data.cameras, isos=data.isos)
        variables = model.fit(config, batch.noise, batch.clean, batch.camera, batch.iso)
        candidates.append(Candidate(name, model, config, variables))
    return candidates


def test_batches(
    data: Any, *, batch_size: int, limit: int, adapt: Adapt | None = None
) -> Iterator[dict[str, np.ndarray]]:
    """One pass over the test patches.

    Args:
        data: a data set of `datasets.pipeline`.
        batch_size: divisible by the number of devices.
        limit: how many patches at most.
        adapt: gives batches the clean images that they lack, as `noisy_pairs.on_estimates` does.

    Yields:
        Padded batches with a mask.
    """
    for batch in data.batches("test", batch_size=batch_size, limit=limit):
        yield batch if adapt is None else adapt(batch)


def test_set(data: Any, *, batch_size: int, limit: int, adapt: Adapt | None = None) -> TestSet:
    """The test patches as the report takes them.

    Args:
        data: a data set of `datasets.pipeline`.
        batch_size: as for `test_batches`.
        limit: how many patches at most.
        adapt: as for `test_batches`.

    Returns:
        The patches, with their true likelihood and second draw where the data set has them.
    """
    columns: dict[str, list[np.ndarray]] = {}
    for batch in test_batches(data, batch_size=batch_size, limit=limit, adapt=adapt):
        for name, values in batch.items():
            columns.setdefault(name, []).append(np.asarray(values)[batch["mask"]])
    joined = {name: np.concatenate(values) for name, values in columns.items()}
    clean = joined["clean"]
    return TestSet(
        clean=clean,
        noise=joined["noisy"] - clean,
        camera=joined["camera"],
        iso=joined["iso"],
        truth=joined["truth"] / clean[0].size if data.has_truth else None,
        # In bursts one shot may belong to two pairs; only simulated draws are surely of their own.
        noise2=joined["noisy2"] - clean if data.name in SIMULATED else None,
        shots=(joined["shot1"], joined["shot2"]) if "shot1" in joined else None,
        cameras=tuple(data.cameras),
    )


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
        mesh: from `train.devices.start_jax`.
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
    )


def run_folder_of(workdir: Path, arch: str) -> Path:
    """Returns the folder where a run trains another architecture for comparison.

    Args:
        workdir: the run's folder.
        arch: the other architecture.
    """
    return workdir / "compare" / arch
