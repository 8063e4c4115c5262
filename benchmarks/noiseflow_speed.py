"""How fast are training and sampling of Noise Flow next to plain PyTorch, on the same CPU?

The same network in both (S-Ax4-G-Ax4-CAM, reference parameterisation, width 4, batch norm), the
same weights, checked first to give the same likelihoods; then each measurement in a process of its
own, with the same number of cores and the same allocator setting, the two frameworks in turn.
"""

import argparse
import json
import sys
from functools import partial

from benchmarks.harness.in_turn import obstacle, row, run_worker, settle, take_turns, time_call
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


def main() -> int:
    """Run the comparison, print a table and write the record; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="cores to use")
    parser.add_argument("--batch-size", type=int, default=138)
    parser.add_argument("--steps", type=int, default=15, help="timed calls per process")
    parser.add_argument("--rounds", type=int, default=3, help="processes per framework")
    parser.add_argument("--worker", choices=("check", "jax", "torch"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if reason := obstacle(options.threads):
        print(f"noiseflow_speed: {reason}", file=sys.stderr)
        return 2
    if options.worker:
        settle(options.threads[0])
        worker = {"check": check, "jax": time_jax, "torch": time_torch}[options.worker]
        print(json.dumps(worker(options)))
        return 0
    compare(options)
    return 0


def compare(options: argparse.Namespace) -> None:
    """Check equality, measure both frameworks in turn, print and record."""
    from benchmarks.harness.record import write_record

    def run(worker: str, threads: int) -> dict:
        arguments = ["--batch-size", str(options.batch_size), "--steps", str(options.steps)]
        return run_worker("benchmarks.noiseflow_speed", worker, threads, arguments)

    difference = run("check", 1)
    print(f"same weights, same data: likelihoods differ by {difference['relative']:.1e} at most")
    rows = []
    for threads in options.threads:
        times = take_turns(partial(run, threads=threads), ("jax", "torch"), options.rounds)
        rows += [row(threads, name, times, options.batch_size) for name in times["jax"]]
    print(f"\n{'cores':>5} {'what':<10} {'JAX':>14} {'PyTorch':>14} {'JAX / PyTorch':>14}")
    for line in rows:
        jax, torch = line["jax_patches_per_second"], line["torch_patches_per_second"]
        print(f"{line['cores']:>5} {line['what']:<10} {jax:>10.0f} /s {torch:>12.0f} /s", end="")
        print(f" {jax / torch:>12.2f}")
    settings = {"batch_size": options.batch_size, "patch": [SIZE, SIZE, CHANNELS]}
    settings |= {"timed_calls": options.steps, "rounds": options.rounds}
    path = write_record(
        "noiseflow_speed", {"settings": settings, "likelihoods": difference, "rows": rows}
    )
    print(f"\npatches per second; written to {path}")


def check(options: argparse.Namespace) -> dict:
    """Largest relative difference of the likelihoods, in training and in evaluation mode."""
    import numpy as np
    import torch  # pyright: ignore[reportMissingImports]

    from benchmarks.peers.noiseflow_torch import NoiseFlow
    from benchmarks.peers.noiseflow_weights import copy_weights

    noiseflow, config, variables = jax_model()
    peer = NoiseFlow(cameras=CAMERAS, isos=len(ISOS))
    copy_weights(variables, config, peer)
    batch = data(options.batch_size)
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


def time_jax(options: argparse.Namespace) -> dict[str, list[float]]:
    """Seconds of JAX's training steps and sampling calls."""
    import jax
    import optax

    noiseflow, config, variables = jax_model()
    columns = jax_columns(data(options.batch_size))
    optimiser = optax.adam(LEARNING_RATE)

    def loss(params, rest, columns):
        nll, updated = noiseflow.nll_and_update({**rest, "params": params}, config, *columns)
        return nll.mean(), updated

    @jax.jit
    def step(variables, state, columns):
        gradient, updated = jax.grad(loss, has_aux=True)(variables["params"], variables, columns)
        change, state = optimiser.update(gradient, state)
        return {**updated, "params": optax.apply_updates(updated["params"], change)}, state

    @jax.jit
    def draw(key, variables, columns):
        return noiseflow.sample(key, variables, config, *columns[1:])

    key = jax.random.key(2)
    state = {"now": (variables, optimiser.init(variables["params"]))}

    def train():
        state["now"] = jax.block_until_ready(step(*state["now"], columns))

    def sample():
        draw(key, variables, columns).block_until_ready()

    return {
        "training": time_call(train, options.steps),
        "sampling": time_call(sample, options.steps),
    }


def time_torch(options: argparse.Namespace) -> dict[str, list[float]]:
    """Seconds of PyTorch's training steps and sampling calls."""
    import torch  # pyright: ignore[reportMissingImports]

    from benchmarks.peers.noiseflow_torch import NoiseFlow

    torch.set_num_threads(options.threads[0])
    peer = NoiseFlow(cameras=CAMERAS, isos=len(ISOS))
    columns = torch_columns(data(options.batch_size))
    optimiser = torch.optim.Adam(peer.parameters(), lr=LEARNING_RATE)

    def train():
        optimiser.zero_grad()
        peer(*columns).mean().backward()
        optimiser.step()

    seconds = {"training": time_call(train, options.steps)}
    peer.eval()
    seconds["sampling"] = time_call(lambda: peer.sample(*columns[1:]), options.steps)
    return seconds


if __name__ == "__main__":
    sys.exit(main())
