"""Stores distances and gradients of one batch on several numbers of devices; run by a test."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from jaxnoise.distances import pairwise_bhattacharyya, pairwise_emd, pairwise_mmd2
from jaxnoise.losses import contrastive

SETS, COUNT = 8, 100


def main(folder: str, *counts: str) -> None:
    """Writes every distance's matrix and gradients to `<count>.npz` for each number of devices."""
    for count in map(int, counts):
        np.savez(Path(folder) / f"{count}.npz", **on_the_first(count))


def on_the_first(count: int) -> dict[str, np.ndarray]:
    """Results by name, and on how many devices they lay."""
    devices = jax.devices()[:count]
    mesh = jax.make_mesh((count,), ("data",), axis_types=(AxisType.Auto,), devices=devices)
    random = np.random.default_rng(0)
    batch = [
        jax.device_put(
            (scale * random.normal(size=(SETS, COUNT))).astype(np.float32),
            NamedSharding(mesh, PartitionSpec("data")),
        )
        for scale in (1.0, 1.1)
    ]
    distances = {
        "mmd2": lambda xs, ys: pairwise_mmd2(xs, ys, bandwidth=2**0.5, nodes=16),
        "emd": pairwise_emd,
        "bhattacharyya": pairwise_bhattacharyya,
    }
    results = {"devices": np.array(len(batch[0].sharding.device_set))}
    for name, distance in distances.items():

        def loss(xs: jax.Array, ys: jax.Array, distance=distance) -> tuple[jax.Array, jax.Array]:
            matrix = distance(xs, ys)
            return contrastive(matrix, temperature=0.07), matrix

        step = jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))
        (_, matrix), gradients = step(*batch)
        results[name] = np.asarray(matrix)
        results[f"{name} gradients"] = np.asarray(jnp.stack(gradients))
    return results


if __name__ == "__main__":
    main(*sys.argv[1:])
