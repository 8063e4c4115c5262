"""The devices of a run: accelerator, mesh, and arrays sharded over it."""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from jaxnoise.errors import UsageError
from jaxnoise.process import keep_compiled_programs, keep_freed_memory

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


def start_jax(accelerator: str, *, distributed: bool = False) -> "Mesh":
    """Sets JAX up for a run and returns the mesh of all its devices, with the one axis "data".

    Args:
        accelerator: "auto", "cpu", "gpu" or "tpu".
        distributed: join the other processes of this run; done without asking under Slurm and
            Open MPI when they state more than one task.

    Returns:
        The mesh.

    Raises:
        UsageError: JAX finds no such accelerator.
    """
    set_flags(accelerator)
    import jax
    from jax.sharding import AxisType

    if accelerator == "cpu":
        jax.config.update("jax_platforms", "cpu")
    keep_compiled_programs()
    if distributed or any(int(os.environ.get(name, "1")) > 1 for name in MULTIPLE_HOSTS):
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
        below = batch_size // devices * devices
        nearest = [str(size) for size in (below, below + devices) if size]
        raise UsageError(
            f"--batch-size {batch_size} does not divide over {devices} devices: "
            f"use {' or '.join(nearest)}."
        )


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
