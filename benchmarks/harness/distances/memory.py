"""How far the peak of a process's memory grows while distances are computed; Linux."""

import jax

from benchmarks.harness.distances.methods import ours
from benchmarks.harness.distances.problem import jax_program, make_problem, shape
from benchmarks.harness.resident import Growth


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
    grown = Growth()
    jax.block_until_ready(compiled(*arguments))
    return grown.bytes() or 0
