"""The held-out patches that every model of a report is compared on."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

Adapt = Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]


@dataclass(eq=False)
class TestSet:
    """The held-out patches that every model is compared on.

    Attributes:
        clean: shape (N, P, P, C), fraction of full scale.
        noise: shape (N, P, P, C), real noise, same unit.
        camera: shape (N,), index into `cameras`.
        iso: shape (N,), ISO numbers; 0 means "not stated".
        cameras: the cameras' names.
        truth: shape (N,), true negative log-likelihood in nats per dimension, where it is known.
        noise2: shape (N, P, P, C), a second independent draw of the real noise, where there is one.
        shots: two noisy images of each patch, where no clean image is known; `clean` is then an
            estimate, and `noise` the difference of the shots over sqrt 2.
    """

    clean: np.ndarray
    noise: np.ndarray
    camera: np.ndarray
    iso: np.ndarray
    cameras: tuple[str, ...]
    truth: np.ndarray | None = None
    noise2: np.ndarray | None = None
    shots: tuple[np.ndarray, np.ndarray] | None = None

    __test__ = False


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
        noise2=joined["noisy2"] - clean if data.independent_draws else None,
        shots=(joined["shot1"], joined["shot2"]) if "shot1" in joined else None,
        cameras=tuple(data.cameras),
    )
