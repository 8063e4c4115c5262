"""Maximum likelihood: the task of every model that states a density."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxnoise.metrics import mean_nll_per_dim
from jaxnoise.protocols import Described, TrainedDensity, counted
from train.densities import (
    FIELDS,
    mean_of_patches,
    nll_per_dimension,
    to_noise_batch,
    validation_weights,
    with_mask,
)
from train.engine.system import Run, Task, Validation
from train.steps.optimisers import noise_model_adam
from train.steps.option_groups import NoiseModelOptions
from train.steps.start import training_batch

TOLERANCE = 1.0
"""Nats per dimension by which a density may end above its start before training has failed."""


def task(run: Run, *, title: str, model: TrainedDensity, settings: Any, variables: Any) -> Task:
    """What the training loop needs to know about a density.

    Args:
        run: with the options of a noise model, and data with clean images.
        title: for the progress line.
        model: the density.
        settings: its configuration.
        variables: to start from.

    Returns:
        The task: its score is the mean negative log-likelihood of the validation patches in nats
        per dimension.
    """
    optimiser = adam_of(run.config)
    state = {"variables": dict(variables), "optimiser": optimiser.init(variables["params"])}
    data, config = run.data["data"], run.config
    fields = with_mask(FIELDS, data)
    nll = nll_per_dimension(model, settings, run.mesh, fields=fields)
    limits = {"batch_size": config.batch_size, "limit": config.validation_patches}
    weights = validation_weights(data, **limits)

    def evaluate(state: Any, fixed: Any) -> Validation:
        del fixed
        found = nll(state["variables"], data.batches("validation", **limits))
        score = float(mean_of_patches(found, weights))
        values: dict[str, Any] = {"validation_nll": score}
        if isinstance(model, Described):
            values["parameters"] = model.describe(state["variables"], settings)
        return Validation(score, values)

    return Task(
        title=title,
        state=state,
        batch=partial(training_batch, run, fields),
        step=partial(likelihood_step, model=model, settings=settings, optimiser=optimiser),
        evaluate=evaluate,
        export=lambda state: state["variables"],
        shown="nll",
        tolerance=TOLERANCE,
    )


def adam_of(config: NoiseModelOptions) -> optax.GradientTransformation:
    """The optimiser of a noise model that options state."""
    return noise_model_adam(
        steps=config.steps,
        learning_rate=config.learning_rate,
        moments_learning_rate=config.moments_learning_rate,
        warm_up=config.warm_up,
        clip=config.clip,
    )


def likelihood_step(
    state: dict,
    fixed: Any,
    batch: Mapping,
    key: jax.Array,
    *,
    model: TrainedDensity,
    settings: Any,
    optimiser: optax.GradientTransformation,
) -> tuple[dict, dict]:
    """The pure step that lowers the mean negative log-likelihood per dimension.

    Args:
        state: "variables" of the model and the state of its "optimiser".
        fixed: nothing.
        batch: `FIELDS` of a data set's batch, and the mask where it has one.
        key: not used; a likelihood needs no randomness.
        model: the density.
        settings: its configuration.
        optimiser: of its parameters.

    Returns:
        The new state, and metrics: "nll" in nats per dimension before the update, and
        "gradient_norm".
    """
    del fixed, key
    shots = to_noise_batch(batch)

    def loss(parameters: Any) -> tuple[jax.Array, Any]:
        variables = {**state["variables"], "params": parameters}
        conditions = shots.clean, shots.camera, shots.iso
        nll, updated = model.nll_and_update(
            variables, settings, shots.noise, *conditions, valid=shots.valid
        )
        if shots.valid is None:
            return jnp.mean(nll) / shots.clean[0].size, updated
        valid = counted(model, settings, shots.valid)
        return jnp.asarray(mean_nll_per_dim(-nll, shots.clean.shape[1:], valid)), updated

    parameters = state["variables"]["params"]
    (nll, updated), gradient = jax.value_and_grad(loss, has_aux=True)(parameters)
    updates, optimiser_state = optimiser.update(gradient, state["optimiser"], parameters)
    variables = {**updated, "params": optax.apply_updates(parameters, updates)}
    metrics = {"nll": nll, "gradient_norm": optax.tree.norm(gradient)}
    return {"variables": variables, "optimiser": optimiser_state}, metrics
