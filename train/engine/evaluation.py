"""Functions of patches, over a whole split on all devices."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from train.engine.devices import shard


def over_patches(
    function: Callable, mesh: Mesh, *, names: Sequence[str]
) -> Callable[..., np.ndarray]:
    """Maps a batched function over padded batches on all devices and joins what it returns.

    Args:
        function: from (variables, fields of a batch, number of the batch) to an array with the
            patches on the first axis.
        mesh: from `train.engine.devices.start_jax`.
        names: the fields.

    Returns:
        A function from (variables, batches) to the values of the patches whose mask is True.
    """
    compiled = jax.jit(function, out_shardings=NamedSharding(mesh, PartitionSpec()))

    def run(variables: Any, batches: Iterable[Mapping[str, np.ndarray]]) -> np.ndarray:
        values = []
        for number, batch in enumerate(batches):
            fields = {name: batch[name] for name in names}
            value = compiled(variables, shard(mesh, fields), np.uint32(number))
            values.append(np.asarray(value)[batch["mask"]])
        return np.concatenate(values)

    return run
