"""Two batches of noise tensors, and programs that compute distances between them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

TEMPERATURE = 0.07
"""Of the contrastive loss: CoNo's."""

Call = Callable[[], Any]


@dataclass(frozen=True, eq=False)
class Problem:
    """Two batches of noise tensors and what a kernel needs to know.

    Attributes:
        xs, ys: NumPy arrays (B, d), float32; the sets of one index are a positive pair.
        width: bandwidth delta of exp(-(u - v)^2 / delta^2).
        nodes: frequencies that `pairwise_mmd2` needs for them.
    """

    xs: Any = field(repr=False)
    ys: Any = field(repr=False)
    width: float
    nodes: int

    def first(self, sets: int) -> "Problem":
        """The same with the first sets only."""
        return Problem(self.xs[:sets], self.ys[:sets], self.width, self.nodes)


def make_problem(sets: int, samples: int) -> Problem:
    """Normal noise of levels within 20 %, positive pairs of one level, the median bandwidth."""
    import numpy as np

    from jaxnoise.distances import median_bandwidth, mmd2_nodes

    random = np.random.default_rng(0)
    level = 0.02 * random.uniform(1, 1.2, (sets, 1)).astype(np.float32)
    xs, ys = level * random.standard_normal((2, sets, samples), np.float32)
    width = float(median_bandwidth(xs.ravel(), ys.ravel()))
    return Problem(xs, ys, width, mmd2_nodes(xs, ys, bandwidth=width))


def shape(text: str) -> tuple[int, int]:
    """Number of tensors and of values from "64x4096"."""
    sets, samples = text.lower().split("x")
    return int(sets), int(samples)


def jax_program(distances: Callable, problem: Problem, task: str) -> tuple[Any, tuple]:
    """A jitted function of (xs, ys) for a task, and its arguments on the device."""
    import jax
    import jax.numpy as jnp

    from jaxnoise.losses import contrastive

    def loss(xs, ys):
        return contrastive(distances(xs, ys), temperature=TEMPERATURE)

    function = jax.value_and_grad(loss, argnums=(0, 1)) if task == "gradient" else distances
    return jax.jit(function), (jnp.asarray(problem.xs), jnp.asarray(problem.ys))


def jax_call(distances: Callable, problem: Problem, task: str) -> Call:
    """A call of the compiled program that waits for its result."""
    import jax

    program, arguments = jax_program(distances, problem, task)
    return lambda: jax.block_until_ready(program(*arguments))
