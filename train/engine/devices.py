"""The devices of a run: accelerator, mesh, and arrays sharded over it."""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from jaxnoise.errors import UsageError
from jaxnoise.process import (
    cpu_devices_are_chosen,
    keep_compiled_programs,
    keep_freed_memory,
    make_cpu_devices,
    usable_cores,
)

if TYPE_CHECKING:
    from jax.sharding import Mesh

ACCELERATORS = ("auto", "cpu", "gpu", "tpu")
INSTALL = {"gpu": "install jaxnoise[cuda]", "tpu": "install jaxnoise[tpu]"}
BATCHES_IN_MEMORY = 8
"""How many times a batch must fit into memory."""
MULTIPLE_HOSTS = ("SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE")


def set_flags(accelerator: str) -> None:
    """Sets what JAX reads from the environment; before it is imported.

    Args:
        accelerator: as for `start_jax`.
    """
    keep_freed_memory()
    if accelerator != "cpu" and "xla_gpu_deterministic_ops" not in os.environ.get("XLA_FLAGS", ""):
        # A resumed run must repeat the straight one bit for bit.
        flags = os.environ.get("XLA_FLAGS", "")
        os.environ["XLA_FLAGS"] = f"{flags} --xla_gpu_deterministic_ops=true".strip()


def start_jax(
    accelerator: str,
    *,
    distributed: bool = False,
    cpu_devices: int | None = None,
    usual_cpu_devices: int = 1,
) -> "Mesh":
    """Sets JAX up for a run and returns the mesh of all its devices, with the one axis "data".

    Args:
        accelerator: "auto", "cpu", "gpu" or "tpu".
        distributed: join the other processes of this run; done without asking under Slurm and
            Open MPI when they state more than one task.
        cpu_devices: devices to make of the CPU, of each process; None where nobody asked.
        usual_cpu_devices: how many where neither that nor the environment says.

    Returns:
        The mesh.

    Raises:
        UsageError: JAX finds no such accelerator, or has started with another number of devices.
    """
    set_flags(accelerator)
    import jax
    from jax.sharding import AxisType

    if accelerator == "cpu":
        jax.config.update("jax_platforms", "cpu")
    keep_compiled_programs()
    make_cpu_devices(cpu_devices, usual=usual_cpu_devices)
    if joins_processes(distributed):
        try:
            jax.distributed.initialize()
        except (ValueError, RuntimeError) as error:
            raise UsageError(
                f"the processes of this run do not find each other ({error}): start them by srun, "
                "mpirun or on a TPU pod, or leave out --distributed."
            ) from error
    found = jax.default_backend()
    if accelerator not in ("auto", found):
        raise UsageError(
            f"--accelerator {accelerator} was asked for and JAX finds only {found} here: "
            f"{INSTALL[accelerator]} on a machine that has one, or use --accelerator auto."
        )
    return jax.make_mesh((jax.device_count(),), ("data",), axis_types=(AxisType.Auto,))


def joins_processes(distributed: bool) -> bool:
    """Whether a run has several processes.

    Args:
        distributed: whether its options say so; else Slurm and Open MPI may.
    """
    return distributed or any(int(os.environ.get(name, "1")) > 1 for name in MULTIPLE_HOSTS)


def usual_cpu_devices(
    batch_size: int, *, begun_with: int | None, distributed: bool
) -> tuple[int, str]:
    """How many devices a run makes of the CPU where nobody says, and a sentence where not all can.

    One for each core that this process may use, or the largest number below that divides a batch;
    where a run goes on, as many as it was begun with, so that its bits stay the same, if there are
    as many cores. One where a run has several processes, which may share the cores.

    Args:
        batch_size: examples per step.
        begun_with: CPU devices that the run was begun with; None for a new one.
        distributed: as for `joins_processes`.

    Returns:
        The number, and the sentence or "".
    """
    if cpu_devices_are_chosen() or joins_processes(distributed):
        return 1, ""
    cores = usable_cores()
    if begun_with is not None and begun_with <= cores:
        return begun_with, ""
    number = next(n for n in range(min(cores, batch_size), 0, -1) if batch_size % n == 0)
    if number == cores:
        return number, ""
    return number, (
        f"--batch-size {batch_size} does not divide over {cores} cores: {number} CPU "
        f"{'device is' if number == 1 else 'devices are'} used; {_nearest(batch_size, cores)} "
        "would use all."
    )


def usual_steps_per_call() -> int:
    """Steps to hand to the devices at a time: starting one costs a GPU more than a small step."""
    import jax

    return 1 if jax.default_backend() == "cpu" else 10


def check_batch_size(batch_size: int, devices: int) -> None:
    """Raises when the devices cannot share a batch evenly.

    Args:
        batch_size: examples per step, over all devices.
        devices: how many devices there are.

    Raises:
        UsageError: names the nearest batch sizes that work.
    """
    if batch_size % devices:
        raise UsageError(
            f"--batch-size {batch_size} does not divide over {devices} devices: "
            f"use {_nearest(batch_size, devices)}."
        )


def _nearest(batch_size: int, devices: int) -> str:
    """The nearest batch sizes that devices can share."""
    below = batch_size // devices * devices
    return " or ".join(str(size) for size in (below, below + devices) if size)


@runtime_checkable
class Patches(Protocol):
    """A data set that gives batches of patches by the number of a step."""

    sizes: Mapping[str, int]

    def batch(self, split: str, *, seed: int, step: int, batch_size: int) -> Mapping[str, Any]:
        """The batch of a step."""
        ...


def check_batch_bytes(batch_size: int, data: Mapping[str, Any], *, seed: int) -> None:
    """Raises when a batch would not fit into the memory of this machine.

    Args:
        batch_size: examples per step, over all devices.
        data: open data sets, by role.
        seed: of the run.

    Raises:
        UsageError: says how many examples would fit.
    """
    one = sum(
        np.asarray(values).nbytes
        for opened in data.values()
        if isinstance(opened, Patches) and opened.sizes.get("train")
        for values in opened.batch("train", seed=seed, step=0, batch_size=1).values()
    )
    # The next batch is made while this one is used, and a step takes several times its room.
    room = usable_memory() // (BATCHES_IN_MEMORY * max(one, 1))
    if batch_size > room:
        raise UsageError(
            f"--batch-size {batch_size} takes {batch_size * one / 2**30:.1f} GiB for one batch, "
            f"which is too much for this machine: use at most {room}."
        )


def usable_memory() -> int:
    """Bytes of memory that this machine, or the container, has in all."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):
            memory = min(memory, int(Path(path).read_text()))
    return memory


def shard(mesh: "Mesh", batch: Any, *, axis: int = 0) -> Any:
    """Puts a batch on the devices, one axis split over them.

    Args:
        mesh: from `start_jax`.
        batch: pytree of numpy arrays; every process holds the whole batch and places its own part.
        axis: the axis of the examples, which the devices divide.

    Returns:
        The same pytree of global arrays.
    """
    return _place(mesh, batch, (*[None] * axis, "data"))


def replicate(mesh: "Mesh", tree: Any) -> Any:
    """Puts a copy of every leaf on each device.

    Args:
        mesh: from `start_jax`.
        tree: pytree of arrays.

    Returns:
        The same pytree of global arrays.
    """
    return _place(mesh, tree, ())


def _place(mesh: "Mesh", tree: Any, axes: tuple[str | None, ...]) -> Any:
    import jax
    from jax.sharding import NamedSharding, PartitionSpec

    sharding = NamedSharding(mesh, PartitionSpec(*axes))
    if jax.process_count() == 1:
        # A copy, since the state is donated and its source may be the caller's own array.
        return jax.device_put(tree, sharding, may_alias=False)

    def place(leaf: Any) -> Any:
        array = np.asarray(leaf)
        return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])

    return jax.tree.map(place, tree)
