"""What does a pre-training step of RCL cost, and how much of it each distance between residuals?

The step as the trainer takes it, the same without the contrastive term, and value and gradient of
parts alone, at the size of `--preset cpu` and at that of the paper; a process for each size and
distance.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.harness.record import write_record
from benchmarks.harness.resident import Growth

SIZES = ("cpu", "paper")
DISTANCES = ("emd", "bhattacharyya", "mmd")


def main(arguments: list[str] | None = None) -> int:
    """Measures each size and distance and writes `results/rcl_cost.json`.

    Args:
        arguments: by default those of the process.

    Returns:
        The exit code, 0.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--distances", nargs="+", choices=DISTANCES, default=list(DISTANCES))
    parser.add_argument("--rounds", type=int, default=5, help="timings, of which the median counts")
    parser.add_argument("--worker", nargs=2, metavar=("SIZE", "DISTANCE"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.worker:
        print(json.dumps(measured(*options.worker, rounds=options.rounds)))
        return 0
    results: dict[str, Any] = {}
    for size in options.sizes:
        results[size] = {}
        for distance in options.distances:
            row = _process(size, distance, options.rounds)
            results[size][distance] = row
            print(f"{size}, {distance}: {row['pairs']} pairs of {row['side']} x {row['side']} x 3")
            for part, seconds in row["seconds"].items():
                share = seconds / row["seconds"]["step"]
                print(f"  {part:14s}{1e3 * seconds:10.1f} ms{100 * share:8.1f} % of the step")
            memory, compiling = row["growth_mebibytes"], row["compile_seconds"]
            print(f"  memory: {memory} MiB, compiled in {compiling:.1f} s", flush=True)
    print(write_record("rcl_cost", results))
    return 0


def _process(size: str, distance: str, rounds: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.rcl_cost", "--worker", size, distance]
    command += ["--rounds", str(rounds)]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(run.stdout.splitlines()[-1])


def measured(size: str, distance: str, *, rounds: int) -> dict[str, Any]:
    """Seconds of a step, of the same without distances and of parts alone, and memory.

    Args:
        size: one of `SIZES`, a preset of the trainer.
        distance: one of `DISTANCES`.
        rounds: timings of each.
    """
    import jax
    import jax.numpy as jnp

    from jaxnoise.interop import open_encoder
    from jaxnoise.losses import perceptual
    from jaxnoise.models import rcl
    from train.rcl.config import PRETRAIN_PRESETS, PretrainConfig
    from train.rcl.networks import network_of
    from train.rcl.pretrain import loss_of, optimiser_of
    from train.rcl.step import training_step

    config = PretrainConfig(**PRETRAIN_PRESETS[size], distance=distance)
    pairs, side = config.batch_size, config.patch_size or 128
    batch = {name: jnp.asarray(values) for name, values in _crops(pairs, side).items()}
    network, optimiser = network_of(config), optimiser_of(config)
    variables = network.init(config.seed)
    state = {"variables": variables, "optimiser": optimiser.init(variables["params"])}
    encoder, weights = open_encoder(config.encoder)
    took: dict[str, float] = {}

    def compiled_step(config: Any) -> Any:
        step = partial(training_step, loss=loss_of(config, network)[0], optimiser=optimiser)
        return jax.jit(step).lower(state, weights, batch, jax.random.key(0)).compile()

    started = time.perf_counter()
    step = compiled_step(config)
    compiling = time.perf_counter() - started
    grown = Growth()
    took["step"] = _timed(lambda: step(state, weights, batch, jax.random.key(0)), rounds)
    growth = grown.bytes()
    bare = compiled_step(PretrainConfig(**PRETRAIN_PRESETS[size], alpha=0.0))
    took["without them"] = _timed(lambda: bare(state, weights, batch, jax.random.key(0)), rounds)
    contrast = {"distance": distance, "negatives": batch["negatives"]}
    parts: dict[str, Callable[[Any], Any]] = {
        "distances": lambda noise: rcl.residual_loss(noise[0::2], noise[1::2], **contrast),
        "consistency": lambda noise: perceptual(encoder, weights, noise, noise[::-1]),
    }
    noise = jnp.concatenate([batch["first"], batch["second"]]) - 0.5
    for name, part in parts.items():
        took[name] = _timed(partial(jax.jit(jax.value_and_grad(part)), noise), rounds)
    memory: Any = step.memory_analysis()
    return {
        "pairs": pairs,
        "side": side,
        "features": config.features or 48,
        "seconds": took,
        "growth_mebibytes": None if growth is None else round(growth / 2**20),
        "temporary_mebibytes": round(memory.temp_size_in_bytes / 2**20),
        "compile_seconds": compiling,
    }


def _crops(pairs: int, side: int) -> dict[str, np.ndarray]:
    """Flat crops with noise of their own strength by image."""
    random = np.random.default_rng(0)
    sigma = np.linspace(2, 20, pairs, dtype=np.float32)[:, None, None, None] / 255
    shape = (pairs, side, side, 3)
    crops = {
        name: 0.5 + sigma * random.standard_normal(shape, np.float32)
        for name in ("first", "second")
    }
    return {**crops, "negatives": ~np.eye(pairs, dtype=bool)}


def _timed(call: Callable[[], Any], rounds: int) -> float:
    """Median of the seconds of a call, after one that warms up."""
    import jax

    jax.block_until_ready(call())
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        jax.block_until_ready(call())
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


if __name__ == "__main__":
    sys.exit(main())
