"""What command-line programs set for their whole process, and the folder where they keep things.

The library itself calls none of this.
"""

import ctypes
import os
import platform
import sys
from collections import namedtuple
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from jaxnoise.errors import UsageError

M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8
CPU_DEVICES = "xla_force_host_platform_device_count"
"""The flag of XLA that says how many devices the CPU is."""


def cache_folder() -> Path:
    """Folder of what can be made again, such as prepared records: `jaxnoise` in the user's cache.

    Returns:
        A path that need not exist. XDG_CACHE_HOME counts where it is absolute, as its standard
        says.
    """
    chosen = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(chosen):
        return Path(chosen) / "jaxnoise"
    usual = ("Library", "Caches") if sys.platform == "darwin" else (".cache",)
    return Path.home().joinpath(*usual, "jaxnoise")


def keep_freed_memory() -> None:
    """Tells glibc to keep the memory it is given back; does nothing elsewhere.

    XLA allocates one large temporary per step on the CPU. By default glibc returns it to the
    system each time, and the page faults that follow double the time of a step.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    mallopt = ctypes.CDLL(None).mallopt
    for option, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, 2**31 - 1), (M_ARENA_MAX, 1)):
        mallopt(option, value)


def keep_compiled_programs() -> None:
    """Lets JAX keep what it compiles in `cache_folder()`, unless a folder is chosen already."""
    import jax

    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        jax.config.update("jax_compilation_cache_dir", str(cache_folder() / "compiled"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


def usable_cores(root: Path = Path("/")) -> int:
    """Cores that this process may keep busy, by its affinity and the limits of its control groups.

    Args:
        root: where `proc` and `sys` are.

    Returns:
        1 or more; a limit of two and a half cores counts as 2.
    """
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return max(1, min([cores, *_quotas(root)]))


def _quotas(root: Path) -> Iterator[int]:
    """Whole cores that the control groups of this process, and those above them, allow."""
    try:
        memberships = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in memberships:
        _, controllers, group = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        top = root / "sys/fs/cgroup" / ("cpu" if controllers else "")
        own = top / group.lstrip("/")
        # A container may see its group as the top one, under which its path does not exist.
        for folder in (own, *own.parents):
            with suppress(OSError, ValueError):
                if controllers:
                    quota = (folder / "cpu.cfs_quota_us").read_text()
                    period = (folder / "cpu.cfs_period_us").read_text()
                else:
                    quota, period = (folder / "cpu.max").read_text().split()
                if int(quota) > 0:  # -1 where there is no limit; version 2 says "max"
                    yield int(quota) // int(period)
            if folder == top:
                break


def cpu_devices_are_chosen() -> bool:
    """Whether the environment says how many devices the CPU is."""
    return CPU_DEVICES in os.environ.get("XLA_FLAGS", "") or bool(
        os.environ.get("JAX_NUM_CPU_DEVICES")
    )


def make_cpu_devices(number: int | None, *, usual: int | None = None) -> None:
    """Makes several devices of the CPU, before JAX looks for any.

    XLA computes many convolutions and batched products on one thread of a device, so with one
    device other cores are idle for much of a network.

    Args:
        number: as an option asks for, 1 or more; None where it is not given.
        usual: how many to make where neither the option nor the environment says, unless JAX has
            looked for devices already; None for one for each of `usable_cores`.

    Raises:
        UsageError: JAX has looked already and found another number than the one asked for.
    """
    if number is None and cpu_devices_are_chosen():
        return
    import jax

    try:
        jax.config.update("jax_num_cpu_devices", number or usual or usable_cores())
    except RuntimeError as error:
        if number is not None and len(jax.local_devices(backend="cpu")) != number:
            raise UsageError(
                f"--cpu-devices {number} comes too late, since this process has used JAX already: "
                "give it to a process of its own."
            ) from error


def forget_interrupt() -> None:
    """Lets a process end with its own exit code after a Ctrl-C that was handled.

    CPython remembers a KeyboardInterrupt that leaves a text which is executed, as those are that
    make data classes and named tuples, and ends by the signal then, whoever has handled it since.
    Executing any other text makes it forget, and a named tuple is made of one.
    """
    namedtuple("Forgotten", ())
