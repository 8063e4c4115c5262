"""What do the published sampler's settings do to the noise of the published Noise Flow weights?

The published sampler normalises its networks by the statistics of the batch that it draws, and
multiplies the latent by 0.6. Draws noise with and without each, for photographs and all cameras and
ISO numbers of the model, and compares its size and likelihood. Then, on grey images, how much the
four channels differ, which says what their order matters.

The checkpoint is the user's: the argument, or `reference/checkpoints/noiseflow_tf` in the folder
that the environment variable JAXNOISE_DATA names.
"""

import argparse
import os
import sys
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.harness.record import write_record
from datasets.camera_sim.photographs import SPLITS, raw_patch, reader
from jaxnoise.interop import noise_flow_tf
from jaxnoise.models import noiseflow

CHECKPOINT = Path("reference", "checkpoints", "noiseflow_tf")
SIZE = 32
SETTINGS = {
    "learned statistics, T = 1": (False, 1.0),
    "learned statistics, T = 0.6": (False, 0.6),
    "batch statistics, T = 1": (True, 1.0),
    "batch statistics, T = 0.6 (published)": (True, 0.6),
}


def main(arguments: list[str] | None = None) -> int:
    """Measures, prints a table and writes `results/noiseflow_published.json`.

    Args:
        arguments: by default those of the process.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("checkpoint", nargs="?", type=Path, help="as for jaxnoise convert")
    parser.add_argument("--patches", type=int, default=128, help="in each batch")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-record", action="store_true", help="only print")
    options = parser.parse_args(arguments)
    if options.checkpoint is None and "JAXNOISE_DATA" not in os.environ:
        parser.error("give a checkpoint, or set JAXNOISE_DATA")
    checkpoint = options.checkpoint or Path(os.environ["JAXNOISE_DATA"]) / CHECKPOINT
    config, variables = noise_flow_tf(checkpoint)
    results = {
        "patches": options.patches,
        "settings": _settings(variables, config, _patches(options.patches, options.seed)),
        "channels": _channels(variables, config),
    }
    _print(results)
    if not options.no_record:
        print(write_record("noiseflow_published", results))
    return 0


def _settings(variables, config, clean) -> dict[str, dict[str, float]]:
    """Size and likelihood of each setting's noise, means over cameras and ISO numbers."""
    rows = {name: [] for name in SETTINGS}
    for camera in range(len(config.cameras)):
        for column, iso in enumerate(config.isos):
            conditions = clean, jnp.full(len(clean), camera), jnp.full(len(clean), iso)
            key = jax.random.key(camera * len(config.isos) + column)
            usual = None
            for name, (batch, temperature) in SETTINGS.items():
                noise = _draw(config, batch, variables, key, temperature, *conditions)
                usual = noise.std() if usual is None else usual
                nats = [_nll(config, mode, variables, noise, *conditions) for mode in (False, True)]
                rows[name].append([noise.std() / usual, *nats])
    names = ("relative_std", "nll_learned_statistics", "nll_batch_statistics")
    return {
        setting: {
            name: float(value) for name, value in zip(names, np.mean(measured, axis=0), strict=True)
        }
        for setting, measured in rows.items()
    }


def _channels(variables, config) -> dict[str, float]:
    """How much channels differ in size and depend on each other, on grey images.

    Whatever the camera, ISO or intensity, this model's noise is the same up to one factor.
    """
    count = 256
    clean = jnp.full((count, SIZE, SIZE, config.channels), 0.25)
    conditions = clean, jnp.zeros(count, int), jnp.full(count, config.isos[0])
    noise = _draw(config, False, variables, jax.random.key(0), 1.0, *conditions)
    values = np.asarray(noise, np.float64).reshape(-1, config.channels)
    values /= values.std(0)
    correlation = values.T @ values / len(values) - np.eye(config.channels)
    spread = np.asarray(noise).std((0, 1, 2))
    return {
        "largest_std_over_smallest": float(spread.max() / spread.min()),
        "largest_correlation": float(np.abs(correlation).max()),
        "rounding_of_a_correlation": len(values) ** -0.5,
    }


@partial(jax.jit, static_argnums=(0, 1))
def _draw(config, batch, variables, key, temperature, clean, camera, iso):
    flow = noiseflow.distribution(variables, config, clean, camera, iso, batch_statistics=batch)
    return flow.bijector.forward(temperature * flow.distribution.sample(seed=key))


@partial(jax.jit, static_argnums=(0, 1))
def _nll(config, batch, variables, noise, clean, camera, iso):
    """Mean, nats per dimension."""
    flow = noiseflow.distribution(variables, config, clean, camera, iso, batch_statistics=batch)
    return -flow.log_prob(noise).mean() / noise[0].size


def _patches(count: int, seed: int):
    read, random = reader(), np.random.default_rng(seed)
    photographs = [photograph for split in SPLITS.values() for photograph in split]
    images = [read(photograph) for photograph in photographs]
    chosen = random.integers(len(images), size=count)
    return jnp.asarray(np.stack([raw_patch(images[k], SIZE, random)[0] for k in chosen]))


def _print(results: dict) -> None:
    print(f"{'':38}{'std':>8}{'NLL, learned':>15}{'NLL, batch':>13}   nats per dimension")
    for name, row in results["settings"].items():
        std, learned, batch = row.values()
        print(f"{name:38}{std:8.3f}{learned:15.4f}{batch:13.4f}")
    for name, value in results["channels"].items():
        print(f"{name.replace('_', ' ')}: {value:.3f}")


if __name__ == "__main__":
    sys.exit(main())
