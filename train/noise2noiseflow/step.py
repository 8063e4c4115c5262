"""The joint training of a noise model and a denoiser on pairs of noisy shots."""

from collections.abc import Callable, Hashable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxnoise import models
from jaxnoise.models.noise2noiseflow.config import PARTS
from jaxnoise.protocols import Described
from train.densities import MASK, mean_of_patches, validation_weights, with_mask
from train.engine.evaluation import over_patches
from train.engine.system import Run, Task, Validation
from train.steps import shot_pairs
from train.steps.denoising import denoiser_adam, to_psnr
from train.steps.likelihood import TOLERANCE, adam_of
from train.steps.start import training_batch

FIELDS = ("noisy", "noisy2", "camera", "iso")
"""What the joint loss needs of a batch."""
LOWEST = {
    True: "the lowest that the noise of these shots allows",
    False: "the lowest estimated for the noise of these shots",
}
"""What a likelihood is compared with, by whether the data set knows the true one."""
_KEPT = (
    "the estimate of a shot keeps noise of that shot, which the noise model is then spared; use "
    "--objective cross or a larger --weight"
)
_SHARED = "look whether both shots share noise, as a fixed pattern or JPEG artefacts would be"
CAUSES = {"self": _KEPT, "r2r": _KEPT, "cross": _SHARED, "difference": _SHARED}
"""What may be behind a likelihood that is too good, by objective."""


def optimiser_of(config: Any) -> optax.GradientTransformation:
    """One Adam for each of the two models.

    The gradients of the noise model are clipped by their own norm, next to which those of the
    denoising loss are huge.

    Args:
        config: the run's options.

    Returns:
        The optimiser of {"noise_model": ..., "denoiser": ...}.
    """
    of_part: dict[Hashable, optax.GradientTransformation] = {
        "noise_model": adam_of(config),
        "denoiser": denoiser_adam(config, steps=config.steps)
        if config.train_denoiser
        else optax.set_to_zero(),
    }
    return optax.partition(of_part, {name: name for name in PARTS})


def loss_of(config: Any, settings: Any) -> Callable:
    """The joint loss that options state.

    Args:
        config: the run's options.
        settings: configuration of both models.

    Returns:
        A function from (variables, patches, key, train=) to (terms, variables).
    """
    options = {
        "objective": config.objective,
        "weight": config.weight,
        "recorruption_scale": config.recorruption_scale,
        "recorruption_std": config.recorruption_std,
        "train_denoiser": config.train_denoiser,
    }
    return partial(_loss, settings, options)


def _loss(
    settings: Any,
    options: Mapping,
    variables: Any,
    patches: Mapping,
    key: jax.Array,
    *,
    train: bool,
) -> tuple[Any, Any]:
    shots = (patches[name] for name in FIELDS)
    model = models.get("noise2noiseflow")
    mask = patches.get(MASK)
    return model.joint_loss(
        variables, settings, *shots, train=train, key=key, valid=mask, **options
    )


def trained(variables: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of both models."""
    return {part: variables[part]["params"] for part in PARTS}


def with_trained(variables: Mapping[str, Any], parameters: Any) -> dict[str, Any]:
    """Variables with other parameters."""
    return {part: {**variables[part], "params": parameters[part]} for part in PARTS}


def joint_step(
    state: dict,
    fixed: Any,
    patches: Mapping,
    key: jax.Array,
    *,
    loss: Callable,
    optimiser: optax.GradientTransformation,
) -> tuple[dict, dict]:
    """The pure step that lowers the joint loss.

    Args:
        state: "variables" of both models and the state of their "optimiser".
        fixed: nothing.
        patches: `FIELDS` of a data set's batch.
        key: of recorrupted shots.
        loss: from `loss_of`.
        optimiser: from `optimiser_of`.

    Returns:
        The new state, and metrics: the terms of the loss and "gradient_norm".
    """
    del fixed

    def objective(parameters: Any) -> tuple[jax.Array, Any]:
        variables = with_trained(state["variables"], parameters)
        terms, updated = loss(variables, patches, key, train=True)
        return terms.total, (terms, updated)

    parameters = trained(state["variables"])
    gradient, (terms, updated) = jax.grad(objective, has_aux=True)(parameters)
    updates, optimiser_state = optimiser.update(gradient, state["optimiser"], parameters)
    moved = with_trained(updated, optax.apply_updates(parameters, updates))
    metrics = {**terms._asdict(), "gradient_norm": optax.tree.norm(gradient)}
    return {"variables": moved, "optimiser": optimiser_state}, metrics


def task(run: Run, *, settings: Any, variables: Mapping[str, Any]) -> Task:
    """What the training loop needs to know about the joint training.

    Args:
        run: with the options of Noise2NoiseFlow and data with pairs.
        settings: configuration of both models.
        variables: of both models, to start from.

    Returns:
        The task: its score is the loss of the validation pairs in evaluation mode; where the
        denoiser is trained, a likelihood below the lowest possible one counts against it.
    """
    config, optimiser = run.config, optimiser_of(run.config)
    loss = loss_of(config, settings)
    return Task(
        title=config.arch,
        state={"variables": dict(variables), "optimiser": optimiser.init(trained(variables))},
        batch=partial(training_batch, run, with_mask(FIELDS, run.data["data"])),
        step=partial(joint_step, loss=loss, optimiser=optimiser),
        evaluate=_evaluation(run, settings, loss, variables),
        export=lambda state: state["variables"],
        shown="nll",
    )


def _pair_terms(
    loss: Callable, seed: int, variables: Any, patches: Mapping, number: jax.Array
) -> jax.Array:
    """The terms of the loss of each pair by itself, in evaluation mode."""
    key = jax.random.fold_in(jax.random.key(seed), number)

    def of_pair(pair: Mapping, own: jax.Array) -> jax.Array:
        terms, _ = loss(variables, jax.tree.map(lambda x: x[None], pair), own, train=False)
        return jnp.stack(terms)

    return jax.vmap(of_pair)(patches, jax.random.split(key, len(patches["iso"])))


def _estimates(settings: Any, variables: Any, patches: Mapping, number: jax.Array) -> jax.Array:
    """Mean absolute change of each patch, and its squared error where there is a clean one."""
    del number
    noisy = patches["noisy"]
    estimate = models.get("noise2noiseflow").denoise(variables, settings, noisy).clip(0.0, 1.0)
    changes = jnp.abs(estimate - noisy), (estimate - patches.get("clean", estimate)) ** 2
    return jnp.stack([change.mean((1, 2, 3)) for change in changes], -1)


def _evaluation(run: Run, settings: Any, loss: Callable, start: Any) -> Callable:
    """The validation of both models on pairs, which also looks for likelihoods too good."""
    config, data = run.config, run.data["data"]
    limits = {"batch_size": config.batch_size, "limit": config.validation_patches}
    possible = shot_pairs.likeliest(data, patches=config.start_patches, seed=config.seed, **limits)
    with_clean = "validation" in data.clean_splits
    names = ("noisy", "clean") if with_clean else ("noisy",)
    fields = with_mask(FIELDS, data)
    measure = over_patches(partial(_pair_terms, loss, config.seed), run.mesh, names=fields)
    compare = over_patches(partial(_estimates, settings), run.mesh, names=names)
    noise_model = models.get(settings.noise_model_name)

    weights = validation_weights(data, **limits)

    def means(of: Callable, variables: Any, weights: np.ndarray | None = None) -> list[float]:
        values = of(variables, data.batches("validation", **limits))
        return mean_of_patches(values, weights).tolist()

    def evaluate(state: Any, fixed: Any) -> Validation:
        del fixed
        total, nll, mse = means(measure, state["variables"], weights)
        moved, error = means(compare, state["variables"])
        values: dict[str, Any] = {"validation_total": total, "validation_nll": nll}
        values["validation_mse"] = mse
        values |= {"lowest_possible_nll": possible, "moved": moved}
        if with_clean:
            values["validation_psnr"] = to_psnr(error)
        if isinstance(noise_model, Described):
            values["parameters"] = noise_model.describe(
                state["variables"]["noise_model"], settings.noise_model
            )
        warning = None
        if nll < possible:
            warning = (
                f"the NLL of {nll:.4f} is below {possible:.4f}, {LOWEST[data.has_truth]}: "
                f"{CAUSES[config.objective]}."
            )
        # Below the bound, an estimate keeps noise that it should remove: what this wins is taken
        # back twice, so that no such state beats an honest one. A frozen denoiser cannot collapse.
        excess = max(possible - nll, 0.0) if config.train_denoiser else 0.0
        failed = None
        if not nll <= possible + TOLERANCE:
            first = means(measure, start, weights)[1]
            if not nll <= first + TOLERANCE:
                failed = (
                    f"the NLL of {nll:.4g} nats per dimension is far above the {first:.4g} that "
                    "training started from; train with smaller learning rates in a new --workdir."
                )
        return Validation(total + 2 * excess, values, warning, failed)

    return evaluate
