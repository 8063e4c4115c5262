"""The last layer of a network apart from all else of it."""

from collections.abc import Mapping
from typing import Any

from jaxnoise import models
from train.rcl.networks import RCL, Network

LAST = "head"
"""Label of the leaves of a last layer."""


def parted(network: Network, variables: Mapping[str, Any]) -> tuple[dict, dict]:
    """The last layer of a network, and all else of it.

    Args:
        network: the network.
        variables: of it.

    Returns:
        Two dictionaries with "params", which `merged` joins again.
    """
    module: Any = models.get(RCL)
    labels = module.last_layer_labels(network.model, network.settings, variables["params"])
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
