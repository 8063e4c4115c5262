"""How fast are a denoiser and the joint step of Noise2NoiseFlow next to PyTorch, on the same CPU?

The same DnCNN of 9 layers and 64 features and, for the joint step, the same noise flow as in
`benchmarks/noiseflow_speed.py`, with the same weights, checked first to give the same numbers; then
each measurement in a process of its own, JAX and PyTorch in either of its memory formats in turn.
JAX also with XLA's own gradient to the kernels, to see what ours is worth.
"""

import argparse
import json
import sys
from functools import partial
from typing import Any

from benchmarks.harness.in_turn import obstacle, row, run_worker, settle, take_turns, time_call
from benchmarks.harness.noise_flow import (
    CAMERAS,
    CHANNELS,
    ISOS,
    LEARNING_RATE,
    RELATIVE_TOLERANCE,
    SIZE,
    data,
    jax_model,
)

WEIGHT = 2.0**18
PEERS = ("torch", "torch_channels_last")
FRAMEWORKS = ("jax", "jax_xla_gradient", *PEERS)
TITLES = {
    "jax": "JAX",
    "jax_xla_gradient": "XLA's gradient",
    "torch": "PyTorch",
    "torch_channels_last": "channels last",
}


def main() -> int:
    """Run the comparison, print a table and write the record; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="cores to use")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[32, 138])
    parser.add_argument("--steps", type=int, default=5, help="timed calls per process")
    parser.add_argument("--rounds", type=int, default=3, help="processes per framework")
    parser.add_argument("--worker", choices=("check", *FRAMEWORKS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if reason := obstacle(options.threads):
        print(f"noise2noiseflow_speed: {reason}", file=sys.stderr)
        return 2
    if options.worker:
        settle(options.threads[0])
        print(json.dumps(work(options)))
        return 0
    compare(options)
    return 0


def compare(options: argparse.Namespace) -> None:
    """Check equality, measure the frameworks in turn, print and record."""
    from benchmarks.harness.record import write_record

    def run(worker: str, threads: int, batch_size: int) -> dict:
        arguments = ["--batch-sizes", str(batch_size), "--steps", str(options.steps)]
        return run_worker("benchmarks.noise2noiseflow_speed", worker, threads, arguments)

    differences = run("check", 1, min(options.batch_sizes))
    print("same weights, same data: largest relative differences")
    for name, value in differences.items():
        print(f"    {name:<32} {value:.1e}")
    print(f"\n{'batch':>5} {'cores':>5} {'what':<10}", end="")
    print("".join(f" {TITLES[name]:>16}" for name in FRAMEWORKS), "  JAX / faster PyTorch")
    rows = []
    for batch_size in options.batch_sizes:
        for threads in options.threads:
            turn = partial(run, threads=threads, batch_size=batch_size)
            times = take_turns(turn, FRAMEWORKS, options.rounds)
            for name in times["jax"]:
                line = {"batch_size": batch_size, **row(threads, name, times, batch_size)}
                rates = {kind: line[f"{kind}_patches_per_second"] for kind in FRAMEWORKS}
                print(f"{batch_size:>5} {threads:>5} {name:<10}", end="")
                print("".join(f" {rate:>13.1f} /s" for rate in rates.values()), end="")
                faster = max(rates[kind] for kind in PEERS)
                print(f" {rates['jax'] / faster:>10.2f}", flush=True)
                rows.append(line)
    settings = {"patch": [SIZE, SIZE, CHANNELS], "weight": WEIGHT}
    settings |= {"timed_calls": options.steps, "rounds": options.rounds}
    path = write_record(
        "noise2noiseflow_speed", {"settings": settings, "differences": differences, "rows": rows}
    )
    print(f"\npatches per second, for joint steps pairs; written to {path}")


def work(options: argparse.Namespace) -> dict:
    """Measure one framework, or compare the numbers of both, in this process."""
    from jaxnoise.process import keep_compiled_programs

    # Compiling is not timed, and most of what a process would do.
    keep_compiled_programs()
    (batch_size,) = options.batch_sizes
    if options.worker == "check":
        return check(batch_size)
    if options.worker in PEERS:
        return time_torch(batch_size, options.steps, options.worker == "torch_channels_last")
    if options.worker == "jax_xla_gradient":
        from jaxnoise.nets import convolution

        convolution._kernel_gradient = convolution._library_kernel_gradient
    return time_jax(batch_size, options.steps)


def shots(batch_size: int) -> dict[str, Any]:
    """A batch of two noisy shots of the same clean patches, mixed cameras and ISO numbers."""
    import numpy as np

    batch = data(batch_size)
    clean = batch["clean"]
    second = np.random.default_rng(1).standard_normal(clean.shape, np.float32)
    second = second * np.sqrt(1e-4 + 1e-3 * clean, dtype=np.float32)
    return {**batch, "noisy1": clean + batch["noise"], "noisy2": clean + second}


def jax_models() -> tuple[Any, Any, Any]:
    """The joint model's module, configuration and variables, none of them as they start.

    The network predicts a noise of about the true size, through normalisations that are no
    identities, so that a layer in the wrong place would show.
    """
    import jax
    import jax.numpy as jnp
    import numpy as np

    from jaxnoise import models

    model = models.get("noise2noiseflow")
    _, flow, flow_variables = jax_model()
    config = model.Config(noise_model=flow)
    denoiser = models.get("denoiser").init(jax.random.key(3), config.denoiser)
    random = np.random.default_rng(4)
    about = {"scale": 1.0, "bias": 0.0, "mean": 0.0, "var": 1.0}

    def draw(path: Any, leaf: Any) -> Any:
        name = path[-1].key
        if name == "kernel":
            return leaf * (0.02 if leaf.shape[-1] == CHANNELS else 1)
        return jnp.asarray(about[name] + random.uniform(-0.3, 0.3, leaf.shape), leaf.dtype)

    denoiser = jax.tree_util.tree_map_with_path(draw, denoiser)
    return model, config, {"noise_model": flow_variables, "denoiser": denoiser}


def torch_models(variables: Any, config: Any, *, channels_last: bool = False) -> tuple[Any, Any]:
    """The peers of denoiser and noise flow, with the same weights."""
    import torch  # pyright: ignore[reportMissingImports]

    from benchmarks.peers.denoiser_torch import DnCNN, copy_weights
    from benchmarks.peers.noiseflow_torch import NoiseFlow
    from benchmarks.peers.noiseflow_weights import copy_weights as copy_flow

    denoiser, flow = DnCNN(), NoiseFlow(cameras=CAMERAS, isos=len(ISOS))
    copy_weights(variables["denoiser"], denoiser)
    copy_flow(variables["noise_model"], config.noise_model, flow)
    kind = torch.channels_last if channels_last else torch.contiguous_format
    return denoiser.to(memory_format=kind), flow


def torch_columns(batch: dict[str, Any], *, channels_last: bool = False) -> tuple[Any, Any, tuple]:
    """The two shots, and camera, ISO and its index, as tensors."""
    import torch  # pyright: ignore[reportMissingImports]

    kind = torch.channels_last if channels_last else torch.contiguous_format
    images = [
        torch.from_numpy(batch[name].transpose(0, 3, 1, 2).copy()).contiguous(memory_format=kind)
        for name in ("noisy1", "noisy2")
    ]
    return *images, tuple(torch.from_numpy(batch[name]) for name in ("camera", "iso", "iso_index"))


def check(batch_size: int) -> dict[str, float]:
    """Largest relative differences between JAX and PyTorch; exits where one is too large."""
    import jax.numpy as jnp
    import numpy as np
    import torch  # pyright: ignore[reportMissingImports]

    from benchmarks.peers.denoiser_torch import joint_loss
    from jaxnoise import models

    model, config, variables = jax_models()
    batch = shots(batch_size)
    noisy = jnp.asarray(batch["noisy1"])
    names = ("noisy1", "noisy2", "camera", "iso")
    terms, _ = model.joint_loss(variables, config, *(jnp.asarray(batch[name]) for name in names))
    ours = {
        "evaluation": model.denoise(variables, config, noisy),
        "training": models.get("denoiser").denoise_and_update(
            variables["denoiser"], config.denoiser, noisy
        )[0],
    }
    differences = {}
    for channels_last in (False, True):
        name = PEERS[channels_last]
        noisy1, noisy2, conditions = torch_columns(batch, channels_last=channels_last)
        for mode, estimate in ours.items():
            denoiser, _ = torch_models(variables, config, channels_last=channels_last)
            with torch.no_grad():
                theirs = denoiser.train(mode == "training")(noisy1).permute(0, 2, 3, 1).numpy()
            removed = np.abs(theirs - batch["noisy1"]).max()
            differences[f"{name} {mode}"] = float(np.abs(estimate - theirs).max() / removed)
        peers = torch_models(variables, config, channels_last=channels_last)
        with torch.no_grad():
            loss, nll = (
                joint_loss(*peers, noisy1, noisy2, conditions, weight).item()
                for weight in (WEIGHT, 0.0)
            )
        differences[f"{name} joint"] = abs(float(terms.total) / loss - 1)
        # By itself too: beside the denoising loss an error of it would hardly show.
        differences[f"{name} likelihood"] = abs(float(terms.nll) / nll - 1)
    if not max(differences.values()) < RELATIVE_TOLERANCE:
        raise SystemExit(f"The networks differ: {differences}.")
    return differences


def time_jax(batch_size: int, steps: int) -> dict[str, list[float]]:
    """Seconds of JAX's training steps, estimates and joint steps."""
    import jax
    import jax.numpy as jnp
    import optax

    from jaxnoise import models

    model, config, variables = jax_models()
    network = models.get("denoiser")
    batch = {name: jnp.asarray(value) for name, value in shots(batch_size).items()}
    columns = [batch[name] for name in ("noisy1", "noisy2", "camera", "iso")]
    optimiser = optax.adam(LEARNING_RATE)

    def denoising_loss(params, variables, noisy1, noisy2, *_):
        own = {**variables["denoiser"], "params": params["denoiser"]}
        estimate, updated = network.denoise_and_update(own, config.denoiser, noisy1)
        return ((estimate - noisy2) ** 2).sum(), {"denoiser": updated}

    def joint_loss(params, variables, *columns):
        own = {part: {**variables[part], "params": params[part]} for part in params}
        terms, updated = model.joint_loss(own, config, *columns, weight=WEIGHT)
        return terms.total, updated

    def training(loss, variables):
        @jax.jit
        def step(params, state, variables, *columns):
            gradient, updated = jax.grad(loss, has_aux=True)(params, variables, *columns)
            change, state = optimiser.update(gradient, state)
            return optax.apply_updates(params, change), state, updated

        params = {part: own["params"] for part, own in variables.items()}
        kept = {"now": (params, optimiser.init(params), variables)}

        def train():
            kept["now"] = jax.block_until_ready(step(*kept["now"], *columns))

        return train

    denoise = jax.jit(lambda variables, noisy: model.denoise(variables, config, noisy))

    def estimate():
        denoise(variables, columns[0]).block_until_ready()

    alone = {"denoiser": variables["denoiser"]}
    return {
        "training": time_call(training(denoising_loss, alone), steps),
        "inference": time_call(estimate, steps),
        "joint": time_call(training(joint_loss, variables), steps),
    }


def time_torch(batch_size: int, steps: int, channels_last: bool) -> dict[str, list[float]]:
    """Seconds of PyTorch's training steps, estimates and joint steps."""
    import torch  # pyright: ignore[reportMissingImports]

    from benchmarks.peers.denoiser_torch import joint_loss

    _, config, variables = jax_models()
    denoiser, flow = torch_models(variables, config, channels_last=channels_last)
    noisy1, noisy2, conditions = torch_columns(shots(batch_size), channels_last=channels_last)

    def training(loss, *modules):
        params = [parameter for module in modules for parameter in module.parameters()]
        optimiser = torch.optim.Adam(params, lr=LEARNING_RATE)

        def train():
            optimiser.zero_grad()
            loss().backward()
            optimiser.step()

        return train

    @torch.no_grad()
    def estimate():
        denoiser(noisy1)

    alone = training(lambda: (denoiser(noisy1) - noisy2).square().sum(), denoiser)
    seconds = {"training": time_call(alone, steps)}
    denoiser.eval()
    seconds["inference"] = time_call(estimate, steps)
    denoiser.train()
    both = training(
        lambda: joint_loss(denoiser, flow, noisy1, noisy2, conditions, WEIGHT), denoiser, flow
    )
    return {**seconds, "joint": time_call(both, steps)}


if __name__ == "__main__":
    sys.exit(main())
