"""Training a denoiser by squared errors: against clean images, other shots, or with made noise."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh

from jaxnoise import models
from train import likelihood
from train.likelihood import ADAM_EPSILON, columns, over_patches, schedule_of
from train.loop import Task
from train.training_options import DenoiserOptions, denoiser_config

LOSSES = {
    "supervised": ("noisy", "clean"),
    "noise2noise": ("noisy", "noisy2"),
    "synthetic": ("clean", "camera", "iso"),
}
"""Ways to train a denoiser, with the columns of a batch that each needs."""
OTHER_SHOT = "_other_shot"
"""Ends the name of a PSNR against another noisy shot, which cannot reach that of a clean image."""

Sampler = Callable[[jax.Array, jax.Array, jax.Array, jax.Array], jax.Array]
"""From (key, clean, camera, iso) to noise."""


def adam(
    config: DenoiserOptions, *, steps: int, learning_rate: float | None = None
) -> optax.GradientTransformation:
    """Adam for a denoiser, with a linear warm-up and a cosine decay to zero.

    Args:
        config: the run's options.
        steps: length of the schedule.
        learning_rate: the highest one; None for that of the options.

    Returns:
        The optimiser.
    """
    highest = config.denoiser_learning_rate if learning_rate is None else learning_rate
    rate = schedule_of(highest, steps=steps, warm_up=config.warm_up)
    return optax.adam(rate, eps=ADAM_EPSILON)


def to_psnr(mse: float) -> float:
    """PSNR in dB of a mean squared error at full scale 1."""
    return -10.0 * math.log10(max(mse, 1e-20))


def task(
    config: DenoiserOptions,
    data: Any,
    *,
    loss: str,
    mesh: Mesh,
    steps: int,
    title: str,
    learning_rate: float | None = None,
    sampler: Sampler | None = None,
    clip_noisy: bool = False,
) -> Task:
    """What the training loop needs to know about a denoiser.

    Args:
        config: the run's options.
        data: a data set of `datasets.pipeline`.
        loss: one of `LOSSES`.
        mesh: from `train.devices.start_jax`.
        steps: length of the training.
        title: for the progress line.
        learning_rate: the highest one; None for that of the options.
        sampler: of the noise, for "synthetic".
        clip_noisy: whether noisy images that are made are clipped to [0, 1], as a sensor does.

    Returns:
        The task: its score is the mean squared error of the validation patches in dB, negative
        PSNR; against the other shot for "noise2noise", else against the clean image.
    """
    model, settings = models.get("denoiser"), denoiser_config(config, channels=data.channels)
    optimiser = adam(config, steps=steps, learning_rate=learning_rate)

    def batch(step: int) -> Any:
        made = data.batch("train", seed=config.seed, step=step, batch_size=config.batch_size)
        return columns(made, LOSSES[loss])

    def errors(denoise: Callable, variables: Any, patches: Mapping, key: jax.Array) -> tuple:
        if loss == "noise2noise":
            first, variables = denoise(variables, patches["noisy"])
            second, variables = denoise(variables, patches["noisy2"])
            error = 0.5 * (first - patches["noisy2"]) ** 2 + 0.5 * (second - patches["noisy"]) ** 2
            return error, variables
        clean = patches["clean"]
        if loss == "supervised":
            noisy = patches["noisy"]
        else:
            assert sampler is not None
            noisy = clean + sampler(key, clean, patches["camera"], patches["iso"])
            noisy = jnp.clip(noisy, 0.0, 1.0) if clip_noisy else noisy
        estimate, variables = denoise(variables, noisy)
        return (estimate - clean) ** 2, variables

    def denoise_and_update(variables: Any, noisy: jax.Array) -> tuple:
        return model.denoise_and_update(variables, settings, noisy)

    def denoise(variables: Any, noisy: jax.Array) -> tuple:
        return model.denoise(variables, settings, noisy), variables

    def step(state: dict, patches: Mapping, key: jax.Array) -> tuple[dict, dict]:
        def objective(parameters: Any) -> tuple[jax.Array, Any]:
            variables = {**state["variables"], "params": parameters}
            error, updated = errors(denoise_and_update, variables, patches, key)
            # Half the squared error of an image, so that Adam's epsilon is small next to gradients.
            return 0.5 * jnp.mean(error) * error[0].size, (updated, jnp.mean(error))

        parameters = state["variables"]["params"]
        gradient, (updated, mse) = jax.grad(objective, has_aux=True)(parameters)
        updates, optimiser_state = optimiser.update(gradient, state["optimiser"], parameters)
        variables = {**updated, "params": optax.apply_updates(parameters, updates)}
        metrics = {"mse": mse, "error_db": 10 * jnp.log10(mse)}
        metrics["gradient_norm"] = optax.tree.norm(gradient)
        return {"variables": variables, "optimiser": optimiser_state}, metrics

    def patch_error(variables: Any, patches: Mapping, number: jax.Array) -> jax.Array:
        key = jax.random.fold_in(jax.random.key(config.seed), number)
        return errors(denoise, variables, patches, key)[0].mean((1, 2, 3))

    measure = over_patches(patch_error, mesh, names=LOSSES[loss])

    def evaluate(state: Any) -> tuple[float, dict[str, Any]]:
        batches = data.batches(
            "validation", batch_size=config.batch_size, limit=config.validation_patches
        )
        psnr = to_psnr(float(measure(state["variables"], batches).mean(dtype=np.float64)))
        name = "validation_psnr" + (OTHER_SHOT if loss == "noise2noise" else "")
        return -psnr, {name: psnr}

    return Task(
        title=title,
        state=likelihood.initial_state(
            model.init(jax.random.key(config.seed), settings), optimiser
        ),
        batch=batch,
        step=step,
        evaluate=evaluate,
        keep=lambda state: state["variables"],
        shown="error_db",
    )
