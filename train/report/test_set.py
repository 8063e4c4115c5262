"""The held-out patches that every model of a report is compared on."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from jaxnoise.errors import DataError

Adapt = Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]


@dataclass(eq=False)
class TestSet:
    """The held-out patches that every model is compared on.

    Attributes:
        clean: shape (N, P, P, C), fraction of full scale.
        noise: shape (N, P, P, C), the noise of the data, same unit.
        camera: shape (N,), index into `cameras`.
        iso: shape (N,), ISO numbers; 0 means "not stated".
        cameras: the cameras' names.
        truth: shape (N,), true negative log-likelihood in nats per dimension, where it is known.
        noise2: shape (N, P, P, C), a second independent draw of the noise, where there is one.
        shots: two noisy images of each patch, where no clean image is known; `clean` is then an
            estimate, and `noise` the difference of the shots over sqrt 2.
        valid: shape (N, P, P, 1), True where a pixel counts; None where all do. A likelihood is
            then one per dimension that counts.
        simulated: whether a simulation has drawn the noise.
        families: architectures of noise flows whose families contain that simulation.
    """

    clean: np.ndarray
    noise: np.ndarray
    camera: np.ndarray
    iso: np.ndarray
    cameras: tuple[str, ...]
    truth: np.ndarray | None = None
    noise2: np.ndarray | None = None
    shots: tuple[np.ndarray, np.ndarray] | None = None
    valid: np.ndarray | None = None
    simulated: bool = False
    families: tuple[str, ...] = ()

    __test__ = False

    @property
    def origin(self) -> str:
        """What the noise of the data is called."""
        return "simulated noise" if self.simulated else "real noise"

    @property
    def clean_name(self) -> str:
        """What the clean images are called."""
        return "clean" if self.shots is None else "mean estimate"

    @property
    def weights(self) -> np.ndarray | None:
        """How many values of each patch count, shape (N,); None where all do."""
        if self.valid is None:
            return None
        return self.valid.sum(axis=(1, 2, 3), dtype=np.float64) * self.noise.shape[-1]

    @property
    def left_out(self) -> float:
        """The share of pixels that do not count."""
        return 0.0 if self.valid is None else 1 - float(np.mean(self.valid, dtype=np.float64))

    def values(self, images: np.ndarray, patches: Any = slice(None)) -> np.ndarray:
        """The values that count, of all or some patches, in one row.

        Args:
            images: shape (N, P, P, C), one for each patch.
            patches: an index of the first axis.
        """
        chosen = images[patches]
        if self.valid is None:
            return chosen.ravel()
        return chosen[np.broadcast_to(self.valid[patches], chosen.shape)]

    def mean(self, nats: np.ndarray) -> float:
        """Mean over all dimensions that count of what each patch has per dimension.

        Args:
            nats: shape (N,).
        """
        weights = self.weights
        if weights is None:
            return float(np.mean(nats, dtype=np.float64))
        kept = weights > 0
        return float(np.average(nats[kept].astype(np.float64), weights=weights[kept]))

    def part(self, patches: np.ndarray) -> "TestSet":
        """Some of the patches, without their likelihoods, shots and second draws."""
        return replace(
            self,
            clean=self.clean[patches],
            noise=self.noise[patches],
            camera=self.camera[patches],
            iso=self.iso[patches],
            truth=None,
            noise2=None,
            shots=None,
            valid=None if self.valid is None else self.valid[patches],
        )

    def notes(self) -> list[str]:
        """Sentences on what the patches are."""
        found = []
        if self.shots is not None:
            found.append(
                "No clean image of the test patches is known: an estimate stands for it, and noise "
                "is the difference of two shots over the root of 2."
            )
        if self.left_out:
            found.append(
                f"{100 * self.left_out:.2g} % of the test pixels do not count, as the sensor "
                "clipped them; they are left out of every number and figure but SSIM. Likelihoods "
                "are per dimension that counts."
            )
        return found


def iso_label(iso: float) -> str:
    """The words for an ISO number, of which 0 means that none was stated."""
    return "ISO not stated" if iso == 0 else f"ISO {iso:g}"


def camera_label(test: TestSet, camera: int) -> str:
    """The name of a camera of the test set."""
    return test.cameras[camera] if 0 <= camera < len(test.cameras) else f"camera {camera}"


def test_batches(
    data: Any, *, batch_size: int, limit: int, adapt: Adapt | None = None
) -> Iterator[dict[str, np.ndarray]]:
    """One pass over the test patches.

    Args:
        data: a data set of `datasets.pipeline`.
        batch_size: divisible by the number of devices.
        limit: how many patches at most.
        adapt: gives batches the clean images that they lack, as
            `train.steps.shot_pairs.on_estimates` does.

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
        The patches, with their true likelihood, their second draw and which of their pixels count
        where the data set has them.

    Raises:
        DataError: no pixel counts.
    """
    columns: dict[str, list[np.ndarray]] = {}
    for batch in test_batches(data, batch_size=batch_size, limit=limit, adapt=adapt):
        for name, values in batch.items():
            columns.setdefault(name, []).append(np.asarray(values)[batch["mask"]])
    joined = {name: np.concatenate(values) for name, values in columns.items()}
    clean, valid = joined["clean"], joined.get("valid")
    dimensions: Any = clean[0].size
    if valid is not None:
        dimensions = np.maximum(valid.sum((1, 2, 3)), 1) * clean.shape[-1]
    if valid is not None and not valid.any():
        raise DataError(f"no test pixel of {data.name} counts: the sensor clipped all of them.")
    return TestSet(
        clean=clean,
        noise=joined["noisy"] - clean,
        camera=joined["camera"],
        iso=joined["iso"],
        truth=joined["truth"] / dimensions if data.has_truth else None,
        # In bursts one shot may belong to two pairs; only simulated draws are surely of their own.
        noise2=joined["noisy2"] - clean if data.independent_draws else None,
        shots=(joined["shot1"], joined["shot2"]) if "shot1" in joined else None,
        cameras=tuple(data.cameras),
        valid=valid,
        simulated=data.simulated,
        families=data.families,
    )
