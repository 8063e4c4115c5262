"""A task in JAX, compiled for some devices as a trainer does it, and timed."""

import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
from jax import lax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from benchmarks.harness.in_turn import Turn, measure
from benchmarks.harness.xla_path import convolution_path, paths
from jaxnoise.nets import winograd

REPLACED = {
    "jaxnoise.nets.hidden": ("convolve",),
    "jaxnoise.nets.unet": ("convolve", "convolve_to_double"),
}
"""Functions of the networks' modules that are convolutions of `jaxnoise.nets.convolution`."""


@dataclass(frozen=True)
class Task:
    """A pure function with its first arguments.

    Attributes:
        function: of state, fixed and batch, one after the other. It returns the next state where
            there is one, otherwise one value per example.
        batch: arrays with an entry per example, spread over the devices.
        fixed: what each device has whole.
        state: likewise, from the call before.
    """

    function: Callable
    batch: tuple[Any, ...]
    fixed: tuple[Any, ...] = ()
    state: tuple[Any, ...] = ()


def mesh_for(batch_size: int, devices: int) -> Mesh:
    """A mesh of some devices: as many of them as divide the batch.

    Args:
        batch_size: examples.
        devices: how many there may be.

    Returns:
        The mesh, with the one axis "data".
    """
    used = next(count for count in range(devices, 0, -1) if batch_size % count == 0)
    return jax.make_mesh(
        (used,), ("data",), axis_types=(AxisType.Auto,), devices=jax.devices()[:used]
    )


def time_task(task: Task, devices: int, steps: int) -> Turn:
    """Compiles a task, and times its calls.

    Args:
        task: what is timed.
        devices: how many may share the batch.
        steps: calls that count.

    Returns:
        As `measure`, with the seconds that compiling took, `temporary_bytes` of the program on one
        device, who computes its convolutions and products, XLA's path and the number of devices.
    """
    mesh = mesh_for(len(jax.tree.leaves(task.batch)[0]), devices)
    split = NamedSharding(mesh, PartitionSpec("data"))
    whole = NamedSharding(mesh, PartitionSpec())
    kept = {"state": jax.device_put(task.state, whole)}
    rest = (*jax.device_put(task.fixed, whole), *jax.device_put(task.batch, split))
    jitted = jax.jit(task.function, out_shardings=whole if task.state else split)
    started = time.perf_counter()
    lowered = jitted.lower(*kept["state"], *rest)
    middle = time.perf_counter()
    program = lowered.compile()
    compiled = {"lower": middle - started, "compile": time.perf_counter() - middle}

    def call():
        result = jax.block_until_ready(program(*kept["state"], *rest))
        if task.state:
            kept["state"] = result

    temporary = getattr(program.memory_analysis(), "temp_size_in_bytes", None)
    return {
        **measure(call, steps),
        "compile_seconds": {name: round(value, 2) for name, value in compiled.items()},
        "temporary_bytes": temporary,
        "by": paths(program.as_text() or ""),
        "xla": convolution_path(),
        "devices": mesh.size,
    }


def use_library_convolutions() -> None:
    """Puts XLA's own convolutions, with its own gradients, into the networks of this process.

    Raises:
        RuntimeError: the networks have no such convolutions, so nothing was replaced.
    """

    def to_double(images, kernel):
        return lax.conv_general_dilated(
            images,
            kernel,
            (1, 1),
            ((1, 2), (1, 2)),
            lhs_dilation=(2, 2),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )

    for name, functions in REPLACED.items():
        module = importlib.import_module(name)
        for function in functions:
            if not hasattr(module, function):
                raise RuntimeError(f"{name} has no {function}: adapt REPLACED to what it has.")
            own = to_double if function == "convolve_to_double" else lax.conv_general_dilated
            setattr(module, function, own)
    winograd.pays = lambda *_: False
