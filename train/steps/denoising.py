"""Training a denoiser by its errors: against clean images, other shots, or with made noise."""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxnoise import models
from jaxnoise.batch import mean_valid
from jaxnoise.losses import (
    absolute_error,
    half_sum_per_image,
    noise2noise_error,
    squared_error,
)
from jaxnoise.protocols import TrainedDenoiser
from train.densities import MASK, mean_of_patches, validation_weights, with_mask
from train.engine.evaluation import over_patches
from train.engine.system import Run, Task, Validation
from train.steps.noise_sources import NoiseSource
from train.steps.optimisers import adam
from train.steps.option_groups import DenoiserOptions
from train.steps.start import training_batch

FIELDS = {
    "supervised": ("noisy", "clean"),
    "noise2noise": ("noisy", "noisy2"),
    "synthetic": ("clean", "camera", "iso"),
}
"""Ways to train a denoiser, with the fields of a batch that each needs."""
ERRORS = {"squared": (squared_error, 2), "absolute": (absolute_error, 1)}
"""What training may lower, and which power of the residual that is; validation is by the square."""
OTHER_SHOT = "_other_shot"
"""Ends the name of a PSNR against another noisy shot, which cannot reach that of a clean image."""
TOLERANCE = 1.0
"""By how many dB a denoiser may end worse than it started before training has failed."""

Denoise = Callable[[Any, jax.Array], tuple[jax.Array, Any]]
"""From (variables, noisy) to (estimate, variables)."""
Errors = Callable[[Denoise, Any, Any, Mapping, jax.Array], tuple[jax.Array, Any]]
"""From (denoise, variables, fixed, patches, key) to (errors, variables)."""


def denoiser_adam(
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
    return adam(highest, steps=steps, warm_up=config.warm_up)


def to_psnr(mse: float) -> float:
    """PSNR in dB of a mean squared error at full scale 1."""
    return -10.0 * math.log10(max(mse, 1e-20))


def supervised_errors(
    denoise: Denoise,
    variables: Any,
    fixed: Any,
    patches: Mapping,
    key: jax.Array,
    *,
    error: Callable[..., jax.Array] = squared_error,
) -> tuple[jax.Array, Any]:
    """Errors, by default squared, of the estimates against the clean images."""
    del fixed, key
    estimate, variables = denoise(variables, patches["noisy"])
    return error(estimate, patches["clean"]), variables


def noise2noise_errors(
    denoise: Denoise, variables: Any, fixed: Any, patches: Mapping, key: jax.Array
) -> tuple[jax.Array, Any]:
    """Squared errors of the estimates of both shots, each against the other shot."""
    del fixed, key
    first, variables = denoise(variables, patches["noisy"])
    second, variables = denoise(variables, patches["noisy2"])
    shots = patches["noisy"], patches["noisy2"]
    return noise2noise_error(first, second, *shots, valid=patches.get(MASK)), variables


def synthetic_errors(
    denoise: Denoise,
    variables: Any,
    fixed: Any,
    patches: Mapping,
    key: jax.Array,
    *,
    source: NoiseSource,
    clip_noisy: bool,
    error: Callable[..., jax.Array] = squared_error,
) -> tuple[jax.Array, Any]:
    """Errors of the estimates of clean images with noise that is made on the way.

    Args:
        denoise: the denoiser.
        variables: its variables.
        fixed: the variables of the source of noise.
        patches: clean images, cameras and ISO numbers.
        key: of the noise.
        source: makes the noise.
        clip_noisy: whether noisy images are clipped to [0, 1], as a sensor does.
        error: of each pixel.
    """
    clean = patches["clean"]
    noisy = clean + source.draw(fixed, key, clean, patches["camera"], patches["iso"])
    noisy = jnp.clip(noisy, 0.0, 1.0) if clip_noisy else noisy
    estimate, variables = denoise(variables, noisy)
    return error(estimate, clean), variables


def task(
    run: Run,
    *,
    loss: str,
    settings: Any,
    steps: int,
    title: str,
    learning_rate: float | None = None,
    source: NoiseSource | None = None,
    clip_noisy: bool = False,
    error: str = "squared",
    start: Mapping[str, Any] | None = None,
) -> Task:
    """What the training loop needs to know about a denoiser.

    Args:
        run: with the options of a denoiser.
        loss: one of `FIELDS`.
        settings: configuration of the denoiser.
        steps: length of the training.
        title: for the progress line.
        learning_rate: the highest one; None for that of the options.
        source: of the noise, for "synthetic".
        clip_noisy: whether noisy images that are made are clipped to [0, 1].
        error: one of `ERRORS`, to train by; "noise2noise" takes "squared" alone.
        start: variables to begin from; None for fresh ones.

    Returns:
        The task: its score is the mean squared error of the validation patches in dB, negative
        PSNR; against the other shot for "noise2noise", else against the clean image.
    """
    model, config = models.require("denoiser", TrainedDenoiser), run.config
    optimiser = denoiser_adam(config, steps=steps, learning_rate=learning_rate)
    errors: Errors = noise2noise_errors if loss == "noise2noise" else supervised_errors
    fixed: Any = ()
    if source is not None:
        errors, fixed = (
            partial(synthetic_errors, source=source, clip_noisy=clip_noisy),
            source.fixed,
        )
    measured = partial(
        _patch_error, model=model, settings=settings, errors=errors, seed=config.seed
    )
    data, fields = run.data["data"], FIELDS[loss]
    limits = {"batch_size": config.batch_size, "limit": config.validation_patches}
    weights = None
    if loss == "noise2noise":  # where a target is clipped, its mean is not the clean image
        fields, weights = with_mask(fields, data), validation_weights(data, **limits)
    measure = over_patches(measured, run.mesh, names=fields)
    lowered, power = ERRORS[error]
    trained = errors if power == 2 else partial(errors, error=lowered)
    name = "validation_psnr" + (OTHER_SHOT if loss == "noise2noise" else "")

    def evaluate(state: Any, fixed: Any) -> Validation:
        values = measure((state["variables"], fixed), data.batches("validation", **limits))
        psnr = to_psnr(float(mean_of_patches(values, weights)))
        return Validation(-psnr, {name: psnr})

    variables = model.init(jax.random.key(config.seed), settings) if start is None else start
    return Task(
        title=title,
        state={"variables": dict(variables), "optimiser": optimiser.init(variables["params"])},
        fixed=fixed,
        batch=partial(training_batch, run, fields),
        step=partial(
            denoising_step,
            model=model,
            settings=settings,
            optimiser=optimiser,
            errors=trained,
            power=power,
        ),
        evaluate=evaluate,
        export=lambda state: state["variables"],
        shown="error_db",
        tolerance=TOLERANCE,
    )


def denoising_step(
    state: dict,
    fixed: Any,
    patches: Mapping,
    key: jax.Array,
    *,
    model: TrainedDenoiser,
    settings: Any,
    optimiser: optax.GradientTransformation,
    errors: Errors,
    power: int = 2,
) -> tuple[dict, dict]:
    """The pure step that lowers the mean error of a denoiser.

    Args:
        state: "variables" of the denoiser and the state of its "optimiser".
        fixed: what the errors need beside, such as the variables of a noise model.
        patches: one of `FIELDS`.
        key: of noise that is made.
        model: the denoiser.
        settings: its configuration.
        optimiser: of its parameters.
        errors: of a batch, each of them at least 0.
        power: of the residual that these are: 2 for squared errors, 1 for absolute ones.

    Returns:
        The new state, and metrics: "mse" before the update, whatever the errors are, the same as
        "error_db", and "gradient_norm".
    """

    def denoise(variables: Any, noisy: jax.Array) -> tuple[jax.Array, Any]:
        return model.denoise_and_update(variables, settings, noisy)

    def objective(parameters: Any) -> tuple[jax.Array, Any]:
        variables = {**state["variables"], "params": parameters}
        error, updated = errors(denoise, variables, fixed, patches, key)
        valid = patches.get(MASK)
        mse = mean_valid(error if power == 2 else error**2, valid)
        return half_sum_per_image(error, valid=valid), (updated, mse)

    parameters = state["variables"]["params"]
    gradient, (updated, mse) = jax.grad(objective, has_aux=True)(parameters)
    updates, optimiser_state = optimiser.update(gradient, state["optimiser"], parameters)
    variables = {**updated, "params": optax.apply_updates(parameters, updates)}
    metrics = {"mse": mse, "error_db": 10 * jnp.log10(mse)}
    metrics["gradient_norm"] = optax.tree.norm(gradient)
    return {"variables": variables, "optimiser": optimiser_state}, metrics


def _patch_error(
    state: tuple[Any, Any],
    patches: Mapping,
    number: jax.Array,
    *,
    model: TrainedDenoiser,
    settings: Any,
    errors: Errors,
    seed: int,
) -> jax.Array:
    def denoise(variables: Any, noisy: jax.Array) -> tuple[jax.Array, Any]:
        return model.denoise(variables, settings, noisy), variables

    key = jax.random.fold_in(jax.random.key(seed), number)
    variables, fixed = state
    error = errors(denoise, variables, fixed, patches, key)[0]
    if MASK not in patches:
        return error.mean((1, 2, 3))
    count = patches[MASK].sum((1, 2, 3)) * error.shape[-1]
    return error.sum((1, 2, 3)) / jnp.maximum(count, 1)
