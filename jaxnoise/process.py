"""What command-line programs set for their whole process, and the folder where they keep things.

The library itself calls none of this.
"""

import ctypes
import os
import platform
import sys
from pathlib import Path

M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8


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
