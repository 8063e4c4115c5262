"""Stores terms, gradients and estimates of a batch on several numbers of devices, for a test."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from jaxnoise.models import rcl

SHAPE = (8, 8, 12, 4)
CONFIG = rcl.Config(task="jdd", denoiser={"net": "dncnn", "features": 6, "depth": 3})


def main(folder: str, *counts: str) -> None:
    """Writes `<count>.npz` for each number of devices."""
    for count in map(int, counts):
        np.savez(Path(folder) / f"{count}.npz", **on_the_first(count))


def on_the_first(count: int) -> dict[str, np.ndarray]:
    """Results by name, and on how many devices the estimates lay."""
    devices = jax.devices()[:count]
    mesh = jax.make_mesh((count,), ("data",), axis_types=(AxisType.Auto,), devices=devices)
    split = NamedSharding(mesh, PartitionSpec("data"))
    random = np.random.default_rng(0)
    levels = np.linspace(0.02, 0.2, SHAPE[0])[:, None, None, None]
    noisy = [np.float32(0.5 + levels * random.normal(size=SHAPE)) for _ in range(2)]
    noisy = [jax.device_put(images, split) for images in noisy]
    image = jax.device_put(np.arange(SHAPE[0]) // 2, split)
    variables = rcl.init(jax.random.key(0), CONFIG)
    found = {}
    for distance in rcl.DISTANCES:

        def loss(params, first, second, image, distance=distance):
            own = {**variables, "params": params}
            residuals, tied = [], []
            for images, key in zip((first, second), (1, 2), strict=True):
                estimate, own = rcl.restore_and_update(own, CONFIG, images)
                residuals.append(rcl.raw_residual(images, estimate))
                tied.append(rcl.raw_consistency(images, estimate, key=jax.random.key(key)))
            terms = rcl.objective(
                *residuals,
                consistency=(tied[0] + tied[1]) / 2,
                alpha=1.0,
                negatives=image[:, None] != image,
                distance=distance,
            )
            return terms.total, (terms, estimate, own["batch_stats"])

        step = jax.jit(jax.value_and_grad(loss, has_aux=True))
        (_, (terms, estimate, statistics)), gradient = step(variables["params"], *noisy, image)
        found[f"{distance} terms"] = np.array(terms)
        found[f"{distance} estimate"] = np.asarray(estimate)
        for name, tree in (("statistics", statistics), ("gradient", gradient)):
            leaves = [jnp.ravel(leaf) for leaf in jax.tree.leaves(tree)]
            found[f"{distance} {name}"] = np.concatenate(leaves)
    return {**found, "devices": np.array(len(estimate.sharding.device_set))}


if __name__ == "__main__":
    main(*sys.argv[1:])
