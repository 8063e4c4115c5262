"""What does a training step of CoNo cost, how much of it the distances, and what does its noise?

The step as the trainer takes it, and value and gradient of its parts alone, at the size of
`--preset cpu` and at that of the paper; and seconds for noise of a megapixel beside those of a
noise level function.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from benchmarks.harness.record import write_record
from benchmarks.harness.resident import Growth

SIZES = {"cpu": (16, 32), "paper": (64, 64)}
"""Pairs of a batch, and side of a crop in packed pixels, by preset."""
SIDE = 1000
"""Of the image whose noise is timed, in packed pixels: four megapixels of a mosaic."""


def main(arguments: list[str] | None = None) -> int:
    """Measures each size in a process of its own and writes `results/cono_cost.json`.

    Args:
        arguments: by default those of the process.

    Returns:
        The exit code, 0.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--rounds", type=int, default=7, help="timings, of which the median counts")
    parser.add_argument("--worker", choices=(*SIZES, "sampling"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.worker:
        import json

        measure = sampling if options.worker == "sampling" else partial(training, options.worker)
        print(json.dumps(measure(rounds=options.rounds)))
        return 0
    results = {name: _process(name, options.rounds) for name in (*options.sizes, "sampling")}
    for name in options.sizes:
        row = results[name]
        print(f"{name}: {row['pairs']} pairs of {row['side']} x {row['side']} x 4")
        for part, seconds in row["seconds"].items():
            share = seconds / row["seconds"]["step"]
            print(f"  {part:12s}{1e3 * seconds:10.1f} ms{100 * share:8.1f} % of the step")
        print(
            f"  memory: {row['growth_mebibytes']} MiB, compiled in {row['compile_seconds']:.1f} s"
        )
    for name, seconds in results["sampling"].items():
        print(f"noise by {name:20s}{1e3 * seconds:8.1f} ms a megapixel")
    print(write_record("cono_cost", results))
    return 0


def _process(worker: str, rounds: int) -> dict[str, Any]:
    import json

    command = [sys.executable, "-m", "benchmarks.cono_cost", "--worker", worker]
    command += ["--rounds", str(rounds)]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(run.stdout.splitlines()[-1])


def training(size: str, *, rounds: int) -> dict[str, Any]:
    """Seconds of a step and of value and gradient of its parts, and memory.

    Args:
        size: one of `SIZES`.
        rounds: timings of each.
    """
    import jax
    import jax.numpy as jnp

    from jaxnoise.interop import open_encoder
    from jaxnoise.losses import alignment, perceptual
    from jaxnoise.models import cono
    from jaxnoise.raw.rendering import packed_to_rgb
    from train.cono.config import PRESETS, Config
    from train.cono.step import level_map, loss_of, optimiser_of, options_of, training_step
    from train.cono.system import fresh, settings_of

    pairs, side = SIZES[size]
    config = Config(**PRESETS[size])
    settings, variables, optimiser = settings_of(config), fresh(config), optimiser_of(config)
    encoder, weights = open_encoder(config.encoder)
    rng = np.random.default_rng(0)
    batch = {
        name: rng.uniform(size=(pairs, side, side, 4)).astype(np.float32)
        for name in ("first", "second")
    }
    batch["negatives"] = ~np.eye(pairs, dtype=bool)
    batch |= {"shot": np.zeros((pairs, 4), np.float32)}
    batch |= {"read": np.full((pairs, 4), (20 / 255) ** 2, np.float32)}
    batch = jax.tree.map(jnp.asarray, batch)
    loss = partial(
        loss_of, settings=settings, options=options_of(config), encoder=encoder, gamma=1.0
    )
    state = {"variables": variables, "optimiser": optimiser.init(variables["params"])}
    step = jax.jit(partial(training_step, loss=loss, optimiser=optimiser))
    grown = Growth()
    started = time.perf_counter()
    compiled = step.lower(state, weights, batch, jax.random.key(0)).compile()
    seconds_of_compiling = time.perf_counter() - started
    took = {"step": _timed(lambda: compiled(state, weights, batch, jax.random.key(0)), rounds)}
    growth = grown.bytes()
    clean = batch["first"]
    level = level_map(clean, batch["shot"], batch["read"])
    noise = level * jax.random.normal(jax.random.key(1), clean.shape)
    parts: Mapping[str, Callable[[Any], Any]] = {
        "distances": lambda n: cono.noise_mmd2(n, n[::-1], level, level).sum(),
        "alignment": lambda n: 2 * alignment(n, level),
        "perceptual": lambda n: (
            2 * perceptual(encoder, weights, packed_to_rgb(clean + n), packed_to_rgb(clean))
        ),
    }
    for name, part in parts.items():
        slope = jax.jit(jax.value_and_grad(part))
        took[name] = _timed(partial(slope, noise), rounds)
    memory: Any = compiled.memory_analysis()
    return {
        "pairs": pairs,
        "side": side,
        "seconds": took,
        "growth_mebibytes": None if growth is None else round(growth / 2**20),
        "temporary_mebibytes": round(memory.temp_size_in_bytes / 2**20),
        "compile_seconds": seconds_of_compiling,
    }


def sampling(*, rounds: int) -> dict[str, float]:
    """Seconds for noise of a megapixel of a mosaic, by CoNo and by a noise level function.

    Args:
        rounds: timings of each.
    """
    import jax
    import jax.numpy as jnp

    from jaxnoise.models import cono
    from jaxnoise.noise import at_sigma

    config = cono.Config()
    variables = cono.init(jax.random.key(0), config)
    clean = jnp.full((1, SIDE, SIDE, 4), 0.5)
    sigma = jnp.full((1,), 20 / 255)
    # Images are arguments: what a function closes over is worked out while it is compiled.
    samplers = {
        "CoNo": jax.jit(
            lambda key, clean, sigma: cono.sample(key, variables, config, clean, sigma)
        ),
        "NLF": jax.jit(partial(at_sigma.sample, kind="nlf")),
    }
    megapixels = 4 * SIDE**2 / 1e6
    return {
        name: _timed(partial(sampler, jax.random.key(1), clean, sigma), rounds) / megapixels
        for name, sampler in samplers.items()
    }


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
