"""How fast are training and sampling of Noise Flow next to plain PyTorch, on the same CPU?

The same network in both (S-Ax4-G-Ax4-CAM, reference parameterisation, width 4, batch norm), the
same weights, checked first to give the same likelihoods; then each measurement in a process of its
own, with the same number of cores and the same allocator setting, JAX and PyTorch in either of its
memory formats in turn. JAX also with one device on all cores.
"""

import argparse
import json
import sys
from typing import Any

from benchmarks.harness.comparison import (
    PEERS,
    add_options,
    compare,
    devices,
    settings,
)
from benchmarks.harness.in_turn import Turn, measure, obstacle, run_worker, settle
from benchmarks.harness.noise_flow import (
    CAMERAS,
    CHANNELS,
    ISOS,
    LEARNING_RATE,
    RELATIVE_TOLERANCE,
    SIZE,
    data,
    jax_columns,
    jax_model,
    torch_columns,
)

WHATS = ("training", "sampling")
FRAMEWORKS = ("jax", "jax_one_device", *PEERS)
MODULE = "benchmarks.noiseflow_speed"


def main() -> int:
    """Run the comparison, print a table and write the record; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_options(parser, whats=WHATS, steps=15)
    options = parser.parse_args()
    if reason := obstacle(options.threads):
        print(f"noiseflow_speed: {reason}", file=sys.stderr)
        return 2
    if options.worker:
        settle(options.threads[0], devices(options.worker, options.threads[0]))
        print(json.dumps(work(options)))
        return 0
    difference = run_worker(MODULE, "check", 1, ["--batch-sizes", str(max(options.batch_sizes))])
    print(f"same weights, same data: likelihoods differ by {difference['relative']:.1e} at most")
    rows = list(compare(MODULE, FRAMEWORKS, options, options.what))
    print("\npatches per second")
    if not options.no_record:
        from benchmarks.harness.record import write_record

        given = {"patch": [SIZE, SIZE, CHANNELS], **settings(options)}
        results = {"settings": given, "likelihoods": difference, "rows": rows}
        print(f"written to {write_record(options.name or 'noiseflow_speed', results)}")
    return 0


def work(options: argparse.Namespace) -> dict:
    """Measure one thing in one framework, or compare the numbers of both, in this process."""
    (batch_size,) = options.batch_sizes
    if options.worker == "check":
        return check(batch_size)
    (what,) = options.what
    if options.worker in PEERS:
        return time_torch(options, what, batch_size)
    import jax

    from benchmarks.harness.jax_task import time_task

    return time_task(jax_task(what, batch_size), jax.device_count(), options.steps)


def check(batch_size: int) -> dict:
    """Largest relative difference of the likelihoods, in training and in evaluation mode."""
    import numpy as np
    import torch  # pyright: ignore[reportMissingImports]

    from benchmarks.peers.noiseflow_torch import NoiseFlow
    from benchmarks.peers.noiseflow_weights import copy_weights

    noiseflow, config, variables = jax_model()
    peer = NoiseFlow(cameras=CAMERAS, isos=len(ISOS))
    copy_weights(variables, config, peer)
    batch = data(batch_size)
    columns = jax_columns(batch)
    ours = {
        "evaluation": -noiseflow.log_prob(variables, config, *columns),
        "training": noiseflow.nll_and_update(variables, config, *columns)[0],
    }
    relative = {}
    for mode, values in ours.items():
        with torch.no_grad():
            theirs = peer.train(mode == "training")(*torch_columns(batch)).numpy()
        relative[mode] = float(np.max(np.abs(np.asarray(values) / theirs - 1)))
    worst = max(relative.values())
    if not worst < RELATIVE_TOLERANCE:
        raise SystemExit(f"The two networks differ: {relative}.")
    return {"relative": worst, **relative}


def jax_task(what: str, batch_size: int) -> Any:
    """Training steps or samples of JAX."""
    import jax
    import optax

    from benchmarks.harness.jax_task import Task

    noiseflow, config, variables = jax_model()
    columns = jax_columns(data(batch_size))
    if what == "sampling":

        def draw(key, variables, *columns):
            return noiseflow.sample(key, variables, config, *columns)

        return Task(draw, columns[1:], (jax.random.key(2), variables))
    optimiser = optax.adam(LEARNING_RATE)

    def loss(params, rest, columns):
        nll, updated = noiseflow.nll_and_update({**rest, "params": params}, config, *columns)
        return nll.mean(), updated

    def step(variables, state, *columns):
        gradient, updated = jax.grad(loss, has_aux=True)(variables["params"], variables, columns)
        change, state = optimiser.update(gradient, state)
        return {**updated, "params": optax.apply_updates(updated["params"], change)}, state

    return Task(step, columns, state=(variables, optimiser.init(variables["params"])))


def time_torch(options: argparse.Namespace, what: str, batch_size: int) -> Turn:
    """PyTorch's training steps or samples, in the worker's memory format."""
    import torch  # pyright: ignore[reportMissingImports]

    from benchmarks.peers.noiseflow_torch import NoiseFlow

    torch.set_num_threads(options.threads[0])
    last = options.worker == "torch_channels_last"
    kind = torch.channels_last if last else torch.contiguous_format
    peer = NoiseFlow(cameras=CAMERAS, isos=len(ISOS)).to(memory_format=kind)
    columns = torch_columns(data(batch_size), kind)
    if what == "sampling":
        peer.eval()
        return measure(torch.inference_mode()(lambda: peer.sample(*columns[1:])), options.steps)
    optimiser = torch.optim.Adam(peer.parameters(), lr=LEARNING_RATE)

    def train():
        optimiser.zero_grad()
        peer(*columns).mean().backward()
        optimiser.step()

    return measure(train, options.steps)


if __name__ == "__main__":
    sys.exit(main())
