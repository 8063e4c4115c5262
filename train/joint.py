"""The joint training of a noise model and a denoiser on pairs of noisy shots."""

from collections.abc import Hashable, Mapping
from typing import Any

import jax
import numpy as np
import optax
from jax.sharding import Mesh

from jaxnoise import models
from jaxnoise.models.noise2noiseflow.config import PARTS
from train import denoising, likelihood, noisy_pairs
from train.likelihood import PAIR_COLUMNS, columns, over_patches
from train.loop import Fitted, Task

NAME = "noise2noiseflow"
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
        config: options with those of a noise model, a denoiser and `train_denoiser`.

    Returns:
        The optimiser of {"noise_model": ..., "denoiser": ...}.
    """
    of_part: dict[Hashable, optax.GradientTransformation] = {
        "noise_model": likelihood.adam(
            steps=config.steps,
            learning_rate=config.learning_rate,
            moments_learning_rate=config.moments_learning_rate,
            warm_up=config.warm_up,
            clip=config.clip,
        ),
        "denoiser": denoising.adam(config, steps=config.steps)
        if config.train_denoiser
        else optax.set_to_zero(),
    }
    return optax.partition(of_part, {name: name for name in PARTS})


def trained(variables: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of both models."""
    return {part: variables[part]["params"] for part in PARTS}


def with_trained(variables: Mapping[str, Any], parameters: Any) -> dict[str, Any]:
    """Variables with other parameters."""
    return {part: {**variables[part], "params": parameters[part]} for part in PARTS}


def task(
    config: Any, data: Any, *, settings: Any, variables: Mapping[str, Any], mesh: Mesh
) -> Task:
    """What the training loop needs to know about the joint training.

    Args:
        config: options of `train.noise2noiseflow`.
        data: a data set of `datasets.pipeline` with pairs.
        settings: configuration of both models.
        variables: of both models, to start from.
        mesh: from `train.devices.start_jax`.

    Returns:
        The task; see `train.noise2noiseflow.task`.
    """
    model, optimiser = models.get(NAME), optimiser_of(config)
    options = {
        "objective": config.objective,
        "weight": config.weight,
        "recorruption_scale": config.recorruption_scale,
        "recorruption_std": config.recorruption_std,
    }
    possible = noisy_pairs.likeliest(
        data,
        patches=config.start_patches,
        seed=config.seed,
        limit=config.validation_patches,
        batch_size=config.batch_size,
    )

    def batch(step: int) -> Any:
        made = data.batch("train", seed=config.seed, step=step, batch_size=config.batch_size)
        return columns(made, PAIR_COLUMNS)

    def loss(variables: Any, patches: Mapping, key: jax.Array, *, train: bool) -> tuple:
        shots = (patches[name] for name in PAIR_COLUMNS)
        return model.joint_loss(
            variables,
            settings,
            *shots,
            train=train,
            train_denoiser=config.train_denoiser,
            key=key,
            **options,
        )

    def step(state: dict, patches: Mapping, key: jax.Array) -> tuple[dict, dict]:
        def objective(parameters: Any) -> tuple[jax.Array, Any]:
            terms, updated = loss(
                with_trained(state["variables"], parameters), patches, key, train=True
            )
            return terms.total, (terms, updated)

        parameters = trained(state["variables"])
        gradient, (terms, updated) = jax.grad(objective, has_aux=True)(parameters)
        updates, optimiser_state = optimiser.update(gradient, state["optimiser"], parameters)
        moved = with_trained(updated, optax.apply_updates(parameters, updates))
        metrics = {**terms._asdict(), "gradient_norm": optax.tree.norm(gradient)}
        return {"variables": moved, "optimiser": optimiser_state}, metrics

    def pair_terms(variables: Any, patches: Mapping, number: jax.Array) -> jax.Array:
        key = jax.random.fold_in(jax.random.key(config.seed), number)

        def of_pair(pair: Mapping, own: jax.Array) -> jax.Array:
            terms, _ = loss(variables, jax.tree.map(lambda x: x[None], pair), own, train=False)
            return jax.numpy.stack(terms)

        return jax.vmap(of_pair)(patches, jax.random.split(key, len(patches["iso"])))

    with_clean = "validation" in data.clean_splits

    def estimates(variables: Any, patches: Mapping, number: jax.Array) -> jax.Array:
        """Mean absolute change of each patch, and its squared error where there is a clean one."""
        del number
        noisy = patches["noisy"]
        estimate = model.denoise(variables, settings, noisy).clip(0.0, 1.0)
        clean = patches["clean"] if with_clean else estimate
        changes = jax.numpy.abs(estimate - noisy), (estimate - clean) ** 2
        return jax.numpy.stack([change.mean((1, 2, 3)) for change in changes], -1)

    measure = over_patches(pair_terms, mesh, names=PAIR_COLUMNS)
    names = ("noisy", "clean") if with_clean else ("noisy",)
    compare = over_patches(estimates, mesh, names=names)

    def evaluate(state: Any) -> tuple[float, dict[str, Any]]:
        def batches() -> Any:
            return data.batches(
                "validation", batch_size=config.batch_size, limit=config.validation_patches
            )

        terms = measure(state["variables"], batches()).mean(0, dtype=np.float64).tolist()
        total, nll, mse = terms
        values = {"validation_total": total, "validation_nll": nll, "validation_mse": mse}
        values["lowest_possible_nll"] = possible
        moved, error = compare(state["variables"], batches()).mean(0, dtype=np.float64).tolist()
        values["moved"] = moved
        if with_clean:
            values["validation_psnr"] = denoising.to_psnr(error)
        if nll < possible:
            values["warning"] = (
                f"the NLL of {nll:.4f} is below {possible:.4f}, {LOWEST[data.has_truth]}: "
                f"{CAUSES[config.objective]}."
            )
        noise_model = models.get(settings.noise_model_name)
        if hasattr(noise_model, "describe"):
            values["parameters"] = noise_model.describe(
                state["variables"]["noise_model"], settings.noise_model
            )
        # Below the bound, an estimate keeps noise that it should remove: what this wins is taken
        # back twice, so that no such state beats an honest one. A frozen denoiser cannot collapse.
        excess = max(possible - nll, 0.0) if config.train_denoiser else 0.0
        return total + 2 * excess, values

    return Task(
        title=config.arch,
        state={"variables": dict(variables), "optimiser": optimiser.init(trained(variables))},
        batch=batch,
        step=step,
        evaluate=evaluate,
        keep=lambda state: state["variables"],
    )


def notes(config: Any, data: Any, fitted: Mapping[str, Fitted]) -> list[str]:
    """Sentences for the report.

    Args:
        config: options of `train.noise2noiseflow`.
        data: its data set.
        fitted: what its trainings found, the joint one last.
    """
    sentences, last = [], list(fitted.values())[-1]
    for name, found in fitted.items():
        steps = config.steps if found is last else config.pretraining_steps
        skipped = f"; {found.skipped} non-finite steps were skipped" if found.skipped else ""
        sentences.append(
            f"{name}: best of {steps} steps at step {found.step} by validation{skipped}."
        )
    sentences.append(
        "The training curve is the likelihood of what the objective has the noise model explain, "
        "which may hold the denoiser's error beside the noise."
    )
    if config.temperature != 1:
        sentences.append(f"Samples were drawn at temperature {config.temperature}.")
    pairs = "Training and the choice of the best step looked at pairs of noisy shots only"
    if data.has_truth:
        pairs += ", and at the true likelihood as the lowest possible one"
    if "test" in data.clean_splits:
        sentences.append(
            f"{pairs}; clean images serve these tables and, if training has them, the baselines."
        )
    else:
        sentences.append(
            f"{pairs}, and there are no clean test images: noise is the difference of two shots "
            "over the root of 2, on the mean of their estimates, and a denoiser's error is that "
            "against the other shot, less that shot's noise."
        )
    return sentences
