"""What is kept of a trained model for another task, and the fresh layer that is put on it."""

from typing import Any

import jax
import numpy as np
from jaxtyping import Array, PyTree

from jaxnoise import models
from jaxnoise.checks import check_key
from jaxnoise.errors import UsageError
from jaxnoise.models.rcl.config import Config
from jaxnoise.models.rcl.model import Variables, fresh_head, init, without
from jaxnoise.protocols import Backbone

HEAD, BACKBONE = "head", "backbone"
"""Labels of parameters."""


def backbone_of(name: str, config: Any, variables: dict[str, Any]) -> tuple[Any, Variables]:
    """All but the last layer of the denoiser of a model.

    Args:
        name: the model's, as in `jaxnoise.models.get(name)`: "denoiser", "noise2noiseflow", whose
            denoiser it is, or "rcl".
        config: that model's `Config`.
        variables: its variables.

    Returns:
        The denoiser's configuration, and its `params` without those of the last layer and its
        `batch_stats`.

    Raises:
        UsageError: the model has no denoiser.
    """
    if isinstance(config, Config):
        params = variables["params"]["backbone"]
        return config.denoiser, {"params": params, "batch_stats": variables["batch_stats"]}
    if isinstance(models.get(name), Backbone):
        denoiser, settings, own = models.get(name), config, variables
    elif hasattr(config, "denoiser_name") and "denoiser" in variables:
        denoiser = models.require(config.denoiser_name, Backbone)
        settings, own = config.denoiser, variables["denoiser"]
    else:
        raise UsageError(
            f"this model is a {name}, which has no denoiser to start from: give a denoiser, "
            "noise2noiseflow or rcl model."
        )
    params = without(own["params"], denoiser.last_layer(settings))
    return settings, {"params": params, "batch_stats": own["batch_stats"]}


def with_fresh_head(key: Array, config: Config, backbone: Variables) -> Variables:
    """A model of a task on top of what another model has learnt.

    Args:
        key: a `jax.random.key`, for the last layer.
        config: the configuration, with the denoiser that the backbone is of.
        backbone: as from `backbone_of`.

    Returns:
        Variables as `init` returns them.

    Raises:
        UsageError: the backbone is that of another denoiser.
    """
    check_key(key)
    wanted = jax.eval_shape(lambda: init(jax.random.key(0), config))
    parts = {"params": wanted["params"]["backbone"], "batch_stats": wanted["batch_stats"]}
    _check_fits(backbone, parts)
    head = fresh_head(key, config)
    return {**backbone, "params": {"backbone": backbone["params"], "head": head}}


def with_fresh_last(
    key: Array, config: Any, variables: Variables, *, name: str = "denoiser"
) -> Variables:
    """A denoiser whose last layer is as fresh as `init` makes it.

    Args:
        key: a `jax.random.key`, for the last layer.
        config: the denoiser's configuration.
        variables: of a denoiser, or as from `backbone_of`.
        name: of the denoiser, as in `jaxnoise.models.get(name)`.

    Returns:
        Variables as the denoiser's `init` returns them.

    Raises:
        UsageError: the variables are those of another denoiser, or the model has no last layer.
    """
    check_key(key)
    last = models.require(name, Backbone).last_layer(config)
    fresh = models.get(name).init(key, config)
    kept = {**variables, "params": without(variables["params"], last)}
    _check_fits(kept, {**fresh, "params": without(fresh["params"], last)})
    return {**kept, "params": {**kept["params"], last: fresh["params"][last]}}


def last_layer_labels(name: str, config: Any, params: PyTree[Any]) -> PyTree[str]:
    """Which parameters are those of the last layer, as `optax.multi_transform` wants it told.

    Args:
        name: of the model, "rcl" or a denoiser.
        config: that model's `Config`.
        params: its `params`.

    Returns:
        The same tree with "head" for each parameter of the last layer and "backbone" for others.

    Raises:
        UsageError: the model has no last layer of its own.
    """
    last = HEAD if isinstance(config, Config) else models.require(name, Backbone).last_layer(config)
    return {
        part: jax.tree.map(lambda _, part=part: HEAD if part == last else BACKBONE, own)
        for part, own in params.items()
    }


def _check_fits(given: PyTree[Any], wanted: PyTree[Any]) -> None:
    def shapes(tree: PyTree[Any]) -> dict[str, tuple[int, ...]]:
        return {
            jax.tree_util.keystr(path, simple=True, separator="/"): tuple(np.shape(leaf))
            for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
        }

    found, right = shapes(given), shapes(wanted)
    for path in sorted({*found, *right}):
        if found.get(path) != right.get(path):
            raise UsageError(
                f"{path} has shape {found.get(path, 'nothing')} and the configuration asks for "
                f"{right.get(path, 'nothing')}: give the denoiser's own configuration."
            )
