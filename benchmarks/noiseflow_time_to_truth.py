"""How long from the start of a process until a noise flow is 0.05 nats above the truth?

On camera_sim/exact, whose true likelihood is known: the default of `train.noiseflow`, the paper's
architecture trained our way, and the published recipe (published initial values, batch norm, Adam
at 1e-4, batches of 138) in plain PyTorch and in jaxnoise. Time starts with the process, imports and
compilation included, the preparation of the data not; each is stopped at a limit.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

STARTED = time.perf_counter()
GOAL = 0.05
PATCHES = 512
BATCH_SIZE = 138
LEARNING_RATE = 1e-4
PAPER = "S-Ax4-G-Ax4-CAM"
CONTESTANTS = ("default", "paper's architecture", "recipe in jaxnoise", "recipe in PyTorch")


def main() -> int:
    """Run each contestant in a process of its own, print a table, write the record."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=15.0, help="limit of each")
    parser.add_argument("--no-record", action="store_true", help="write no record")
    parser.add_argument("--worker", choices=CONTESTANTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        print(json.dumps(run(options.worker, 60 * options.minutes)))
        return 0
    from datasets.pipeline import open_dataset

    open_dataset("camera_sim/exact")
    rows = []
    print(f"{'':<22} {'to 0.05 nats':>12} {'steps':>7} {'at the end':>11} {'after':>8}")
    for name in CONTESTANTS:
        if name.endswith("PyTorch") and find_spec("torch") is None:
            print(f"{name:<22} PyTorch is not installed")
            continue
        command = [sys.executable, "-m", "benchmarks.noiseflow_time_to_truth"]
        command += ["--worker", name, "--minutes", str(options.minutes)]
        finished = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        row = {"name": name, **json.loads(finished.stdout.splitlines()[-1])}
        rows.append(row)
        reached = "not reached" if row["seconds"] is None else f"{row['seconds']:.1f} s"
        print(f"{name:<22} {reached:>12} {row['steps']:>7} {row['above_truth']:>11.4f}", end="")
        print(f" {row['last_seconds']:>6.0f} s", flush=True)
    if not options.no_record:
        from benchmarks.harness.record import write_record

        settings = {"goal": GOAL, "minutes": options.minutes, "validation_patches": PATCHES}
        print(write_record("noiseflow_time_to_truth", {"settings": settings, "rows": rows}))
    return 0


def run(name: str, limit: float) -> dict[str, Any]:
    """Train until the goal or the limit; seconds count from the start of this process."""
    from jaxnoise.process import keep_freed_memory

    keep_freed_memory()
    contestant = in_torch if name.endswith("PyTorch") else in_jaxnoise
    history: list[list[float]] = []
    every = 1
    for step, above_truth in contestant(name):
        if step % every == 0:
            above = above_truth()
            seconds = time.perf_counter() - STARTED
            history.append([step, round(seconds, 2), round(above, 5)])
            every = max(1, step // 20)  # looking costs up to a tenth of the time
            if above < GOAL or seconds > limit:
                break
    step, seconds, above = history[-1]
    return {
        "seconds": seconds if above < GOAL else None,
        "steps": step,
        "above_truth": above,
        "last_seconds": seconds,
        "history": history,
    }


Progress = Iterator[tuple[int, Callable[[], float]]]


def in_jaxnoise(name: str) -> Progress:
    """Steps of a trainer, each with a function that measures the distance to the truth."""
    from train.engine.devices import start_jax

    mesh = start_jax("auto")
    import jax
    import numpy as np
    import optax

    from datasets.pipeline import open_dataset
    from jaxnoise import models
    from train.densities import FIELDS, nll_per_dimension
    from train.engine.system import Run
    from train.noiseflow import system
    from train.noiseflow.config import PRESETS, Config
    from train.steps.likelihood import likelihood_step

    data = open_dataset("camera_sim/exact")
    arch = Config.arch if name == "default" else PAPER
    config = Config(**{**PRESETS["cpu"], "arch": arch})
    model: Any = models.get("noiseflow")
    settings = system.settings_of(config, data, arch=arch)
    if name.startswith("recipe"):
        settings = model.Config(
            arch=PAPER,
            parameterisation="reference",
            normalisation="batch",
            cameras=settings.cameras,
            isos=settings.isos,
        )
        optimiser = optax.adam(LEARNING_RATE)
        variables = model.init(jax.random.key(0), settings)
        state = {"variables": variables, "optimiser": optimiser.init(variables["params"])}
        options = {"model": model, "settings": settings, "optimiser": optimiser}
        step, size = partial(likelihood_step, **options), BATCH_SIZE
    else:
        run = Run(config=config, data={"data": data}, mesh=mesh, workdir=Path())
        task = system.task(run, arch, {})
        state, step, size = task.state, task.step, config.batch_size
    step = jax.jit(step, donate_argnums=0)
    nll = nll_per_dimension(model, settings, mesh)
    truth, batches = validation(data, size)

    def above_truth() -> float:
        return float(np.mean(nll(state["variables"], batches) - truth))

    taken = 0
    while True:
        yield taken, above_truth
        batch = data.batch("train", seed=0, step=taken, batch_size=size)
        fields = {name: batch[name] for name in FIELDS}
        state, _ = step(state, (), fields, jax.random.key(0))
        taken += 1


def in_torch(name: str) -> Progress:
    """The published recipe in plain PyTorch."""
    import numpy as np
    import torch  # pyright: ignore[reportMissingImports]

    from benchmarks.peers.noiseflow_torch import NoiseFlow
    from datasets.pipeline import open_dataset

    data = open_dataset("camera_sim/exact")
    torch.manual_seed(0)
    peer = NoiseFlow(cameras=len(data.cameras), isos=len(data.isos))
    optimiser = torch.optim.Adam(peer.parameters(), lr=LEARNING_RATE)
    isos = np.asarray(data.isos)
    truth, batches = validation(data, BATCH_SIZE)

    def columns(batch: dict) -> list:
        noise = batch["noisy"] - batch["clean"]
        images = [image.transpose(0, 3, 1, 2).copy() for image in (noise, batch["clean"])]
        index = np.searchsorted(isos, batch["iso"])
        conditions = [batch["camera"].astype(np.int64), batch["iso"], index]
        return [torch.from_numpy(np.asarray(value)) for value in (*images, *conditions)]

    def above_truth() -> float:
        peer.eval()
        with torch.no_grad():
            values = [peer(*columns(batch)).numpy()[batch["mask"]] for batch in batches]
        peer.train()
        size = batches[0]["clean"][0].size
        return float(np.mean(np.concatenate(values) / size - truth))

    taken = 0
    while True:
        yield taken, above_truth
        batch = data.batch("train", seed=0, step=taken, batch_size=BATCH_SIZE)
        optimiser.zero_grad()
        peer(*columns(batch)).mean().backward()
        optimiser.step()
        taken += 1


def validation(data: Any, batch_size: int) -> tuple[Any, list[dict]]:
    """True likelihoods of some validation patches, nats per dimension, and their batches."""
    import numpy as np

    batches = list(data.batches("validation", batch_size=batch_size, limit=PATCHES))
    size = batches[0]["clean"][0].size
    return np.concatenate([batch["truth"][batch["mask"]] for batch in batches]) / size, batches


if __name__ == "__main__":
    sys.exit(main())
