"""The ways of computing a matrix of distances that `distances` times: ours and plain JAX."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from benchmarks.harness.distances.problem import Call, Problem, jax_call


@dataclass(frozen=True)
class Method:
    """One way of computing one distance.

    Attributes:
        distance: "MMD", "EMD" or "Bhattacharyya".
        name: as the tables have it.
        prepare: (problem, task) -> a call that returns when its result is there: for the task
            "value" the (B, B) matrix, for "gradient" the contrastive loss of it and the gradients
            with respect to all tensors.
        packages: what has to be installed.
        tasks: what it can do.
        accelerators: where it runs.
        variants: names of settings that are tried in turn, the fastest counts; `prepare` takes one
            as its third argument.
        own_terms: whether the kernels within each set are computed once for all pairs.
        in_full: whether it does all pairs of a problem that `Budget.kernels` allows.
        once_each: whether most of its work is done once for each tensor: such a method always does
            all of them, since its time does not grow with the number of pairs.
        most_samples: beyond which one pair takes more memory, or more time, than one has.
    """

    distance: str
    name: str
    prepare: Callable[..., Call]
    packages: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ("value", "gradient")
    accelerators: tuple[str, ...] = ("cpu",)
    variants: tuple[Any, ...] = (None,)
    own_terms: bool = False
    in_full: bool = False
    once_each: bool = False
    most_samples: int = 2**31

    def is_installed(self) -> bool:
        """Whether its packages can be imported."""
        return all(find_spec(package) is not None for package in self.packages)


def ours(distance: str, problem: Problem) -> Callable:
    """The function of jaxnoise.distances as one calls it under jit."""
    from jaxnoise import distances

    if distance == "MMD":
        options = {"bandwidth": problem.width, "nodes": problem.nodes}
        return partial(distances.pairwise_mmd2, **options)
    return {"EMD": distances.pairwise_emd, BD: distances.pairwise_bhattacharyya}[distance]


def _ours(distance: str) -> Callable[..., Call]:
    return lambda problem, task: jax_call(ours(distance, problem), problem, task)


def _exact(problem: Problem, task: str) -> Call:
    from jaxnoise.distances import pairwise_mmd2_exact

    return jax_call(partial(pairwise_mmd2_exact, bandwidth=problem.width), problem, task)


def _plain(name: str) -> Callable[..., Call]:
    def prepare(problem: Problem, task: str) -> Call:
        from benchmarks.peers import distances_dense

        return jax_call(getattr(distances_dense, name), problem, task)

    return prepare


def _peer(module: str, name: str) -> Callable[..., Call]:
    """`prepare` of a function in benchmarks.peers whose packages may be missing."""

    def prepare(*arguments: Any) -> Call:
        return getattr(import_module(f"benchmarks.peers.{module}"), name)(*arguments)

    return prepare


_torch, _other = partial(_peer, "distances_torch"), partial(_peer, "distances_packages")
ANYWHERE = ("cpu", "gpu", "tpu")
OURS = "jaxnoise"
CHUNKS = (2**16, 2**18, 2**20, 2**22)
BD = "Bhattacharyya"

DENSE: Any = {"own_terms": True, "in_full": True, "most_samples": 16384}
TORCH: Any = {"packages": ("torch",)}
GEOMLOSS: Any = {
    "packages": ("torch", "geomloss"),
    "variants": ("tensorized",),
    "most_samples": 4096,
}
KEOPS: Any = {
    "packages": ("torch", "geomloss", "pykeops"),
    "variants": ("online",),
    "most_samples": 16384,
}
POT: Any = {"packages": ("ot",), "tasks": ("value",)}
SCIPY: Any = {"packages": ("scipy",), "tasks": ("value",)}
SKLEARN: Any = {
    "packages": ("sklearn",),
    "tasks": ("value",),
    "own_terms": True,
    "most_samples": 4096,
}
OTT: Any = {"packages": ("ott",), "accelerators": ANYWHERE}

METHODS = (
    Method("MMD", OURS, _ours("MMD"), accelerators=ANYWHERE),
    Method("MMD", "double sum in JAX", _exact, accelerators=ANYWHERE, **DENSE),
    Method("MMD", "dense PyTorch", _torch("dense_mmd2"), variants=CHUNKS, **DENSE, **TORCH),
    Method("MMD", "geomloss", _torch("geomloss_mmd2"), **GEOMLOSS),
    Method("MMD", "geomloss, KeOps", _torch("geomloss_mmd2"), **KEOPS),
    Method("MMD", "scikit-learn rbf_kernel", _other("sklearn_mmd2"), **SKLEARN),
    Method("EMD", OURS, _ours("EMD"), accelerators=ANYWHERE),
    Method("EMD", "plain JAX", _plain("sorted_emd"), accelerators=ANYWHERE, once_each=True),
    Method("EMD", "PyTorch sort", _torch("sorted_emd"), once_each=True, **TORCH),
    Method("EMD", "POT wasserstein_1d", _other("pot_batched"), **POT),
    Method("EMD", "POT emd2_1d", _other("pot_pairs"), **POT),
    Method("EMD", "SciPy", _other("scipy_emd"), **SCIPY),
    Method("EMD", "OTT", _other("ott_emd"), **OTT),
    Method(BD, OURS, _ours(BD), accelerators=ANYWHERE),
    Method(BD, "plain JAX", _plain("moments_bhattacharyya"), accelerators=ANYWHERE, once_each=True),
    Method(BD, "PyTorch", _torch("bhattacharyya"), once_each=True, **TORCH),
)
"""Ours and the peers, of which some may not be installed."""


def yardsticks(problem: Problem) -> dict[str, Call]:
    """Calls that any implementation could hardly do without, over the same 2B tensors.

    Returns:
        Name to call: one exponential for each value and node, with a sum; and the sorts.
    """
    import jax
    import jax.numpy as jnp
    import numpy as np

    both = np.concatenate([problem.xs, problem.ys])
    on_device = jnp.asarray(both)

    @jax.jit
    def exponentials(values):
        # Sums over the nodes first, so that what is left of each value is elementwise.
        scales = [1 + node / problem.nodes for node in range(problem.nodes)]
        return sum(jnp.exp(values * scale) for scale in scales).sum()  # pyright: ignore

    sort, argsort = jax.jit(partial(jnp.sort, axis=1)), jax.jit(partial(jnp.argsort, axis=1))
    return {
        "one jnp.exp per value and node": lambda: exponentials(on_device).block_until_ready(),
        "numpy.sort": lambda: np.sort(both, axis=1),
        "numpy.argsort": lambda: np.argsort(both, axis=1),
        "jnp.sort": lambda: sort(on_device).block_until_ready(),
        "jnp.argsort": lambda: argsort(on_device).block_until_ready(),
    }
