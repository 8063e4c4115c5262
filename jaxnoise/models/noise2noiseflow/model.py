"""The two models as one: joint loss, likelihood and samples of noise, estimates of clean images."""

from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Num, PyTree

from jaxnoise import models
from jaxnoise.checks import check_key
from jaxnoise.conditions import check_given
from jaxnoise.image_protocols import ImageDenoiser, ImageSampler
from jaxnoise.models.noise2noiseflow.config import PARTS, Config
from jaxnoise.models.noise2noiseflow.objective import WEIGHT, State, Terms, joint_terms
from jaxnoise.protocols import TrainedDenoiser, TrainedDensity, counted

Variables = dict[str, PyTree[Array]]


def noise_model_of(config: Config) -> TrainedDensity:
    """The module of the noise model."""
    return models.require(config.noise_model_name, TrainedDensity)


def denoiser_of(config: Config) -> TrainedDenoiser:
    """The module of the denoiser."""
    return models.require(config.denoiser_name, TrainedDenoiser)


def init(key: Array, config: Config) -> Variables:
    """Fresh variables of both models.

    Args:
        key: a `jax.random.key`.
        config: the configuration.

    Returns:
        `noise_model` and `denoiser`, each as the `init` of its model returns them.

    Source: Noise2NoiseFlow, Appendix A.
    """
    check_key(key)
    keys = jax.random.split(key)
    return {
        part: models.get(getattr(config, name)).init(own, getattr(config, part))
        for (part, name), own in zip(PARTS.items(), keys, strict=True)
    }


def joint_loss(
    variables: Variables,
    config: Config,
    noisy1: Float[Array, "n h w c"],
    noisy2: Float[Array, "n h w c"],
    camera: Num[Array, " n"],
    iso: Num[Array, " n"],
    *,
    objective: str = "cross",
    weight: float | Array = WEIGHT,
    train: bool = True,
    train_denoiser: bool = True,
    key: Array | None = None,
    valid: Bool[Array, "n h w 1"] | None = None,
    **recorruption: float,
) -> tuple[Terms, Variables]:
    """The joint loss on pairs of noisy shots, and the variables with updated batch statistics.

    Args:
        variables: from `init` or a trained model.
        config: the configuration.
        noisy1: shape (N, H, W, C), fraction of full scale.
        noisy2: a second, independent shot of the same scenes, same shape and unit.
        camera: shape (N,), index into `config.cameras`.
        iso: shape (N,), ISO numbers.
        objective: "cross", "self", "r2r" or "difference": see `objective.OBJECTIVES`.
        weight: lambda, of the denoising loss.
        train: training mode, in which batch normalisation takes the statistics of this batch, of
            each shot by itself; else evaluation mode.
        train_denoiser: whether the denoiser learns; else it is in evaluation mode, and no gradient
            reaches it.
        key: a `jax.random.key`; only "r2r" needs it.
        valid: shape (N, H, W, 1), True where a pixel counts in both shots; None: all do. Both
            terms are means over the values that count, in whole cells where the noise model
            squeezes pixels. The denoiser sees the shots as they are.
        recorruption: `recorruption_scale` and `recorruption_std` of "r2r".

    Returns:
        The terms `total`, `nll` (nats per dimension) and `mse`, and the variables.

    Raises:
        UsageError: for shapes or types that do not fit, an unknown objective, "r2r" without a key;
            outside jit also for a camera or ISO that the noise model does not know.

    Source: Noise2NoiseFlow, Eqs. 4 to 7, in the normalisation of its code.
    """
    known = {"cameras": config.cameras, "isos": config.isos, "channels": config.channels}
    given = {"noisy1": noisy1, "noisy2": noisy2, "valid": valid, "least": 1}
    check_given(camera, iso, **known, **given)
    noise_model, denoiser = noise_model_of(config), denoiser_of(config)
    valid = counted(noise_model, config.noise_model, valid)
    # A noise model of the user's own may know of no mask.
    masked = {} if valid is None else {"valid": valid}

    def noise_nll(state: Any, noise: Array, clean: Array) -> tuple[Array, Any]:
        arguments = (state, config.noise_model, noise, clean, camera, iso)
        if train:
            return noise_model.nll_and_update(*arguments, **masked)
        return -noise_model.log_prob(*arguments, **masked), state

    def denoise_shot(state: Any, noisy: Array) -> tuple[Array, Any]:
        if train and train_denoiser:
            return denoiser.denoise_and_update(state, config.denoiser, noisy)
        if not train_denoiser:
            state = jax.lax.stop_gradient(state)
        return denoiser.denoise(state, config.denoiser, noisy), state

    terms, state = joint_terms(
        noise_nll,
        denoise_shot,
        State(variables["noise_model"], variables["denoiser"]),
        noisy1,
        noisy2,
        objective=objective,
        weight=weight,
        key=key,
        valid=valid,
        **recorruption,
    )
    return terms, {**variables, "noise_model": state.noise_model, "denoiser": state.denoiser}


def log_prob(
    variables: Variables,
    config: Config,
    noise: Float[Array, "n h w c"],
    clean: Float[Array, "n h w c"],
    camera: Num[Array, " n"],
    iso: Num[Array, " n"],
    *,
    valid: Bool[Array, "n h w 1"] | None = None,
) -> Float[Array, " n"]:
    """Log density of noise given clean images, by the noise model in evaluation mode.

    Args:
        variables: from `init` or a trained model.
        config: the configuration.
        noise: `noisy - clean`, shape (N, H, W, C), fraction of full scale.
        clean: same shape and unit.
        camera: shape (N,), index into `config.cameras`.
        iso: shape (N,), ISO numbers.
        valid: shape (N, H, W, 1), True where a pixel counts; what the others hold does not matter.
            None: all do.

    Returns:
        Nats per image, shape (N,).

    Raises:
        UsageError: for shapes or types that do not fit; outside jit also for a camera or ISO that
            the model does not know.

    Source: Noise Flow, Eq. 8.
    """
    masked = {} if valid is None else {"valid": valid}
    return noise_model_of(config).log_prob(
        variables["noise_model"], config.noise_model, noise, clean, camera, iso, **masked
    )


def sample(
    key: Array,
    variables: Variables,
    config: Config,
    clean: Float[Array, "n h w c"],
    camera: Num[Array, " n"],
    iso: Num[Array, " n"],
    *,
    temperature: float | Float[Array, ""] = 1.0,
) -> Float[Array, "n h w c"]:
    """Noise for clean or denoised images, by the noise model.

    Args:
        key: a `jax.random.key`.
        variables: from `init` or a trained model.
        config: the configuration.
        clean: shape (N, H, W, C), fraction of full scale.
        camera: shape (N,), index into `config.cameras`.
        iso: shape (N,), ISO numbers.
        temperature: factor on the latent; 1 samples the modelled distribution.

    Returns:
        Noise, shape (N, H, W, C), same unit.

    Raises:
        UsageError: for shapes or types that do not fit; outside jit also for a camera or ISO that
            the model does not know.

    Source: Noise Flow, Section 3.1.
    """
    return noise_model_of(config).sample(
        key,
        variables["noise_model"],
        config.noise_model,
        clean,
        camera,
        iso,
        temperature=temperature,
    )


def sample_image(key, variables: Variables, config: Config, clean, camera, iso, **options):
    """Noise for one clean image of any size: `sample_image` of the noise model.

    Args:
        key: a `jax.random.key`.
        variables: from `init` or a trained model.
        config: the configuration.
        clean: shape (H, W, C), fraction of full scale.
        camera: index into `config.cameras`.
        iso: ISO number.
        options: those of the noise model's function.

    Returns:
        Noise, shape (H, W, C), float32, same unit.

    Raises:
        UsageError: as there.

    Source: Noise Flow, Section 3.1.
    """
    noise_model = models.require(config.noise_model_name, ImageSampler)
    return noise_model.sample_image(
        key, variables["noise_model"], config.noise_model, clean, camera, iso, **options
    )


def sample_bands(key, variables: Variables, config: Config, clean, camera, iso, **options):
    """The noise of `sample_image` band by band: `sample_bands` of the noise model.

    Args:
        key: a `jax.random.key`.
        variables: from `init` or a trained model.
        config: the configuration.
        clean: an image (H, W, C), fraction of full scale, of which rows can be asked for.
        camera: index into `config.cameras`.
        iso: ISO number.
        options: those of the noise model's function.

    Returns:
        An iterator over rows from the top and their noise, shape (rows, W, C), float32.

    Raises:
        UsageError: as there.

    Source: Noise Flow, Section 3.1.
    """
    noise_model = models.require(config.noise_model_name, ImageSampler)
    return noise_model.sample_bands(
        key, variables["noise_model"], config.noise_model, clean, camera, iso, **options
    )


def denoise(
    variables: Variables, config: Config, noisy: Float[Array, "n h w c"]
) -> Float[Array, "n h w c"]:
    """The denoiser's estimate of the clean image, in evaluation mode.

    Args:
        variables: from `init` or a trained model.
        config: the configuration.
        noisy: shape (N, H, W, C), fraction of full scale.

    Returns:
        Same shape and unit, not clipped.

    Raises:
        UsageError: for another shape or type.

    Source: Noise2NoiseFlow, Section 4.2.
    """
    return denoiser_of(config).denoise(variables["denoiser"], config.denoiser, noisy)


def denoise_image(variables: Variables, config: Config, noisy, **options):
    """The estimate of one clean image of any size: `denoise_image` of the denoiser.

    Args:
        variables: from `init` or a trained model.
        config: the configuration.
        noisy: shape (H, W, C), fraction of full scale.
        options: those of the denoiser's function.

    Returns:
        Shape (H, W, C), float32, same unit, not clipped.

    Raises:
        UsageError: as there.

    Source: Noise2NoiseFlow, Section 4.2.
    """
    denoiser = models.require(config.denoiser_name, ImageDenoiser)
    return denoiser.denoise_image(variables["denoiser"], config.denoiser, noisy, **options)


def denoise_bands(variables: Variables, config: Config, noisy, **options):
    """The estimate of `denoise_image` band by band: `denoise_bands` of the denoiser.

    Args:
        variables: from `init` or a trained model.
        config: the configuration.
        noisy: an image (H, W, C), fraction of full scale, of which rows can be asked for.
        options: those of the denoiser's function.

    Returns:
        An iterator over rows from the top and the estimate of them, shape (rows, W, C), float32.

    Raises:
        UsageError: as there.

    Source: Noise2NoiseFlow, Section 4.2.
    """
    denoiser = models.require(config.denoiser_name, ImageDenoiser)
    return denoiser.denoise_bands(variables["denoiser"], config.denoiser, noisy, **options)


def parameter_count(variables: dict[str, PyTree[Array | np.ndarray]]) -> int:
    """Number of trained scalars of both models.

    Args:
        variables: from `init` or a trained model.

    Returns:
        The count, batch statistics and constants not included.
    """
    params = [variables[part]["params"] for part in PARTS]
    return sum(leaf.size for leaf in jax.tree.leaves(params))
