"""What does a pre-training step of RCL cost, and how much of it each distance between residuals?

The step as the trainer takes it, the same without the contrastive term, and value and gradient of
parts alone, at the size of `--preset cpu` and at that of the paper; a process for each size and
distance. A step of the paper's size wants tens of gigabytes: it is taken with `--whole` alone.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any, cast

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
    parser.add_argument("--rounds", type=int, default=5, help="timings, of which the least counts")
    parser.add_argument("--whole", action="store_true", help="also a step of the paper's size")
    parser.add_argument("--worker", nargs=2, metavar=("SIZE", "DISTANCE"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.worker:
        size, distance = options.worker
        print(json.dumps(measured(size, distance, rounds=options.rounds, whole=options.whole)))
        return 0
    results: dict[str, Any] = {}
    for size in options.sizes:
        whole = options.whole or size == "cpu"
        results[size] = {}
        for distance in options.distances:
            row = results[size][distance] = _process(size, distance, options.rounds, whole)
            print(f"{size}, {distance}: {row['pairs']} pairs of {row['side']} x {row['side']} x 3")
            for part, found in row["parts"].items():
                share = found["seconds"] / row["parts"]["step"]["seconds"] if whole else None
                said = "" if share is None else f"{100 * share:8.1f} % of the step"
                memory = f"{found['temporary_mebibytes']:8d} MiB"
                print(f"  {part:14s}{1e3 * found['seconds']:10.1f} ms{memory}{said}", flush=True)
    print(write_record("rcl_cost", results))
    return 0


def _process(size: str, distance: str, rounds: int, whole: bool) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.rcl_cost", "--worker", size, distance]
    command += ["--rounds", str(rounds), *(["--whole"] if whole else [])]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(run.stdout.splitlines()[-1])


def measured(size: str, distance: str, *, rounds: int, whole: bool) -> dict[str, Any]:
    """Seconds and memory of a step, of the same without distances and of parts alone.

    Args:
        size: one of `SIZES`, a preset of the trainer.
        distance: one of `DISTANCES`.
        rounds: timings of each.
        whole: whether to take steps, and not parts alone.
    """
    import jax
    import jax.numpy as jnp

    from jaxnoise.interop import open_encoder
    from jaxnoise.losses import perceptual
    from jaxnoise.models import rcl
    from train.rcl.config import PRETRAIN_PRESETS, PretrainConfig

    config = PretrainConfig(**{**PRETRAIN_PRESETS[size], "distance": distance})
    pairs, side = config.batch_size, config.patch_size or 128
    batch = {name: jnp.asarray(values) for name, values in _crops(pairs, side).items()}
    encoder, weights = open_encoder(config.encoder)
    contrast = {"distance": distance, "negatives": batch["negatives"]}

    def distances(noise):
        return rcl.residual_loss(noise[0::2], noise[1::2], **contrast)

    def consistency(noise, weights):
        return perceptual(encoder, weights, noise, noise[::-1], form=config.consistency)

    noise = jnp.concatenate([batch["first"], batch["second"]]) - 0.5
    parts = {
        "distances": _cost(jax.value_and_grad(distances), (noise,), rounds),
        "consistency": _cost(jax.value_and_grad(consistency), (noise, weights), rounds),
    }
    if whole:
        bare = PretrainConfig(**{**PRETRAIN_PRESETS[size], "alpha": 0.0})
        parts["step"] = _cost(*_step(config, weights, batch), rounds)
        parts["without them"] = _cost(*_step(bare, weights, batch), rounds)
    features = config.features or 48
    device = jax.devices()[0].device_kind
    found = {"pairs": pairs, "side": side, "features": features, "device": device}
    return {**found, "parts": parts}


def _step(config: Any, weights: Any, batch: Any) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """A training step and its arguments."""
    import jax

    from train.rcl.networks import network_of
    from train.rcl.pretrain import loss_of, optimiser_of
    from train.rcl.step import training_step

    network, optimiser = network_of(config), optimiser_of(config)
    variables = network.init(config.seed)
    state = {"variables": variables, "optimiser": optimiser.init(variables["params"])}
    step = partial(training_step, loss=loss_of(config, network)[0], optimiser=optimiser)
    return step, (state, weights, batch, jax.random.key(0))


def _cost(function: Callable[..., Any], arguments: tuple[Any, ...], rounds: int) -> dict[str, Any]:
    """Seconds of a call, the least after a first one, and of compiling; memory beside arguments
    and results, as the compiler plans it; growth of the process where the system tells.
    """
    import jax

    started = time.perf_counter()
    compiled = jax.jit(function).lower(*arguments).compile()
    compiling = time.perf_counter() - started
    grown, taken = Growth(), []
    for _ in range(1 + rounds):
        started = time.perf_counter()
        jax.block_until_ready(compiled(*arguments))
        taken.append(time.perf_counter() - started)
    growth, planned = grown.bytes(), cast(Any, compiled.memory_analysis())
    return {
        "seconds": min(taken[1:]),
        "temporary_mebibytes": round(planned.temp_size_in_bytes / 2**20),
        "growth_mebibytes": None if growth is None else round(growth / 2**20),
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


if __name__ == "__main__":
    sys.exit(main())
