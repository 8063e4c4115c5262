"""How fast are a denoiser and the joint step of Noise2NoiseFlow next to PyTorch, on the same CPU?

The same DnCNN of 9 layers and 64 features, the same U-Net and, for the joint step, the same noise
flow as in `benchmarks/noiseflow_speed.py`, with the same weights, checked first to give the same
numbers; then each measurement in a process of its own, JAX and PyTorch in either of its memory
formats in turn. JAX also with XLA's own convolutions, to see what ours are worth.
"""

import argparse
import json
import sys

from benchmarks.harness.comparison import (
    PEERS,
    TITLES,
    add_options,
    compare,
    devices,
    settings,
)
from benchmarks.harness.in_turn import measure, obstacle, run_worker, settle

WHATS = ("training", "inference", "joint", "U-Net training", "U-Net inference")
MODULE = "benchmarks.noise2noiseflow_speed"


def main() -> int:
    """Run the comparison, print a table and write the record; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_options(parser, whats=WHATS, steps=5)
    options = parser.parse_args()
    if reason := obstacle(options.threads):
        print(f"noise2noiseflow_speed: {reason}", file=sys.stderr)
        return 2
    if options.worker:
        settle(options.threads[0], devices(options.worker, options.threads[0]))
        print(json.dumps(work(options)))
        return 0
    differences = run_worker(MODULE, "check", 1, ["--batch-sizes", str(min(options.batch_sizes))])
    print("same weights, same data: largest relative differences")
    for name, value in differences.items():
        print(f"    {name:<32} {value:.1e}")
    rows = list(compare(MODULE, TITLES, options, options.what))
    print("\npatches per second, for joint steps pairs")
    if not options.no_record:
        from benchmarks.harness.denoisers import WEIGHT
        from benchmarks.harness.noise_flow import CHANNELS, SIZE
        from benchmarks.harness.record import write_record

        given = {"patch": [SIZE, SIZE, CHANNELS], "weight": WEIGHT, **settings(options)}
        results = {"settings": given, "differences": differences, "rows": rows}
        name = options.name or "noise2noiseflow_speed"
        print(f"written to {write_record(name, results)}")
    return 0


def work(options: argparse.Namespace) -> dict:
    """Measure one thing in one framework, or compare the numbers of both, in this process."""
    (batch_size,), threads = options.batch_sizes, options.threads[0]
    if options.worker == "check":
        return check(batch_size)
    (what,) = options.what
    if options.worker in PEERS:
        import torch  # pyright: ignore[reportMissingImports]

        from benchmarks.peers.denoiser_tasks import torch_call

        torch.set_num_threads(threads)
        return measure(torch_call(what, batch_size, formats()[options.worker]), options.steps)
    import jax

    from benchmarks.harness.denoisers import jax_task
    from benchmarks.harness.jax_task import time_task, use_library_convolutions

    if options.worker == "jax_xla":
        use_library_convolutions()
    return time_task(jax_task(what, batch_size), jax.device_count(), options.steps)


def formats() -> dict:
    """PyTorch's memory formats by the peers' names."""
    import torch  # pyright: ignore[reportMissingImports]

    return dict(zip(PEERS, (torch.contiguous_format, torch.channels_last), strict=True))


def check(batch_size: int) -> dict[str, float]:
    """Largest relative differences between JAX and PyTorch; exits where one is too large."""
    import jax.numpy as jnp
    import torch  # pyright: ignore[reportMissingImports]

    from benchmarks.harness.denoisers import COLUMNS, WEIGHT, jax_models, shots, unet
    from benchmarks.harness.noise_flow import RELATIVE_TOLERANCE
    from benchmarks.peers import denoiser_tasks as peers
    from benchmarks.peers.denoiser_torch import joint_loss
    from jaxnoise import models

    model, config, variables = jax_models()
    batch = shots(batch_size)
    noisy = jnp.asarray(batch["noisy1"])
    terms, _ = model.joint_loss(variables, config, *(jnp.asarray(batch[name]) for name in COLUMNS))
    network = models.get("denoiser")
    unet_config, unet_variables = unet()
    ours = {
        "evaluation": model.denoise(variables, config, noisy),
        "training": network.denoise_and_update(variables["denoiser"], config.denoiser, noisy)[0],
        "U-Net": network.denoise(unet_variables, unet_config, noisy),
    }
    differences = {}
    for name, kind in formats().items():
        noisy1, noisy2, conditions = peers.torch_columns(batch, kind)
        for mode, estimate in ours.items():
            denoiser, _ = peers.torch_models(variables, config, kind)
            if mode == "U-Net":
                denoiser = peers.torch_unet(unet_variables, kind)
            with torch.no_grad():
                theirs = denoiser.train(mode == "training")(noisy1)
            differences[f"{name} {mode}"] = peers.difference(estimate, theirs, batch["noisy1"])
        both = peers.torch_models(variables, config, kind)
        with torch.no_grad():
            loss, nll = (
                joint_loss(*both, noisy1, noisy2, conditions, weight).item()
                for weight in (WEIGHT, 0.0)
            )
        differences[f"{name} joint"] = abs(float(terms.total) / loss - 1)
        # By itself too: beside the denoising loss an error of it would hardly show.
        differences[f"{name} likelihood"] = abs(float(terms.nll) / nll - 1)
    if not max(differences.values()) < RELATIVE_TOLERANCE:
        raise SystemExit(f"The networks differ: {differences}.")
    return differences


if __name__ == "__main__":
    sys.exit(main())
