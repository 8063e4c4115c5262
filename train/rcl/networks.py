"""Networks for a task: what they make of inputs, and their last layer apart from all else."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax

from jaxnoise import models

LAST = "head"
"""Label of the leaves of a last layer."""


@dataclass(frozen=True)
class Network:
    """A network for one task; an ordinary denoiser where that is to denoise.

    Attributes:
        model: its name in the registry of models.
        settings: its configuration.
    """

    model: str
    settings: Any

    def estimate(self, variables: Any, inputs: jax.Array) -> jax.Array:
        """What it makes of inputs (N, h, w, c), (N, H, W, 3), in evaluation mode."""
        module: Any = models.get(self.model)
        made = module.denoise if self.model == "denoiser" else module.restore
        return made(variables, self.settings, inputs)

    def estimate_and_update(self, variables: Any, inputs: jax.Array) -> tuple[jax.Array, Any]:
        """The same in training mode, and the variables with updated batch statistics."""
        module: Any = models.get(self.model)
        if self.model == "denoiser":
            return module.denoise_and_update(variables, self.settings, inputs)
        return module.restore_and_update(variables, self.settings, inputs)

    def fresh(self, seed: int) -> dict[str, Any]:
        """Variables that nothing was learnt of yet."""
        return models.get(self.model).init(jax.random.key(seed), self.settings)

    def parameter_count(self, variables: Any) -> int:
        """Number of all parameters."""
        return models.get(self.model).parameter_count(variables)


def parted(network: Network, variables: Mapping[str, Any]) -> tuple[dict, dict]:
    """The last layer of a network, and all else of it.

    Args:
        network: the network.
        variables: of it.

    Returns:
        Two dictionaries with "params", which `merged` joins again.
    """
    module: Any = models.get("rcl")
    labels = module.last_layer_labels(variables["params"])
    own = {"params": _labelled(variables["params"], labels, last=True)}
    others = {"params": _labelled(variables["params"], labels, last=False)}
    return own, {**variables, **others}


def _labelled(tree: Mapping[str, Any], labels: Mapping[str, Any], *, last: bool) -> dict[str, Any]:
    """The leaves of a tree that are of the last layer, or those that are not."""
    found = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            value = _labelled(value, labels[name], last=last)
            if value:
                found[name] = value
        elif (labels[name] == LAST) == last:
            found[name] = value
    return found


def merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Two trees as one; what both have is that of the second.

    Args:
        one: nested dictionaries.
        other: nested dictionaries.
    """
    found = dict(one)
    for name, value in other.items():
        both = isinstance(value, Mapping) and isinstance(found.get(name), Mapping)
        found[name] = merged(found[name], value) if both else value
    return found
