"""Stores noise, terms and gradients of one batch on several numbers of devices; run by a test."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from jaxnoise.models import cono
from tests.jaxnoise.models.cono.conftest import moved

SHAPE = (8, 8, 10, 4)
KEYS = jax.random.split(jax.random.key(3))


def main(folder: str, *counts: str) -> None:
    """Writes `<count>.npz` for each number of devices."""
    for count in map(int, counts):
        np.savez(Path(folder) / f"{count}.npz", **on_the_first(count))


def on_the_first(count: int) -> dict[str, np.ndarray]:
    """Results by name, and on how many devices the noise lay."""
    devices = jax.devices()[:count]
    mesh = jax.make_mesh((count,), ("data",), axis_types=(AxisType.Auto,), devices=devices)
    split = NamedSharding(mesh, PartitionSpec("data"))
    random = np.random.default_rng(0)
    clean = [random.uniform(0, scale, SHAPE).astype(np.float32) for scale in (1.0, 0.8)]
    clean = [jax.device_put(images, split) for images in clean]
    sigma = jax.device_put(np.linspace(0.05, 0.1, len(SHAPE) * 2).astype(np.float32), split)
    config = cono.Config(blocks=2)
    variables = moved(cono.init(jax.random.key(0), config))
    found = {}
    for scope in ("patch", "batch"):

        def loss(params, first, second, sigma, scope=scope):
            own = {**variables, "params": params}
            queries, own = cono.sample_and_update(KEYS[0], own, config, first, sigma)
            candidates, own = cono.sample_and_update(KEYS[1], own, config, second, sigma)
            bins = {"clean": (first, second) if scope == "batch" else None}
            terms = cono.objective(queries, candidates, sigma, sigma, scope=scope, **bins)
            return terms.total, (terms, queries, own["batch_stats"])

        step = jax.jit(jax.value_and_grad(loss, has_aux=True))
        (_, (terms, noise, statistics)), gradient = step(variables["params"], *clean, sigma)
        found[f"{scope} terms"] = np.array(terms)
        found[f"{scope} noise"] = np.asarray(noise)
        for name, tree in (("statistics", statistics), ("gradient", gradient)):
            leaves = [jnp.ravel(leaf) for leaf in jax.tree.leaves(tree)]
            found[f"{scope} {name}"] = np.concatenate(leaves)
    return {**found, "devices": np.array(len(noise.sharding.device_set))}


if __name__ == "__main__":
    main(*sys.argv[1:])
