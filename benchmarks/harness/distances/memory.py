"""How far the peak of a process's memory grows while distances are computed; Linux."""

from pathlib import Path

import jax

from benchmarks.harness.distances.methods import ours
from benchmarks.harness.distances.problem import jax_program, make_problem, shape


def growth(distance: str, task: str, size: str) -> int:
    """Bytes by which the peak exceeds what the process held, compiled program and data included.

    Args:
        distance: "MMD", "EMD" or "Bhattacharyya".
        task: "value" or "gradient".
        size: "BxD".

    Returns:
        Outputs and temporaries that were in memory at one time, at least; pages that the allocator
        held already do not count. The allocator is left as it is, so it gives large blocks back.
    """
    problem = make_problem(*shape(size))
    program, arguments = jax_program(ours(distance, problem), problem, task)
    compiled = program.lower(*arguments).compile()
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
    jax.block_until_ready(compiled(*arguments))
    return max(0, _status("VmHWM") - before)


def _status(name: str) -> int:
    """A line of the kernel's account of this process, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(f"{name}:"))
    return 1024 * int(line.split()[1])
