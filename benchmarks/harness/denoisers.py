"""What the comparison of denoisers' speed times, in JAX: networks, batches and steps."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.harness.jax_task import Task
from benchmarks.harness.noise_flow import CHANNELS, LEARNING_RATE, data, jax_model
from jaxnoise import models

WEIGHT = 2.0**18
COLUMNS = ("noisy1", "noisy2", "camera", "iso")


def shots(batch_size: int) -> dict[str, Any]:
    """A batch of two noisy shots of the same clean patches, mixed cameras and ISO numbers."""
    batch = data(batch_size)
    clean = batch["clean"]
    second = np.random.default_rng(1).standard_normal(clean.shape, np.float32)
    second = second * np.sqrt(1e-4 + 1e-3 * clean, dtype=np.float32)
    return {**batch, "noisy1": clean + batch["noise"], "noisy2": clean + second}


def jax_models() -> tuple[Any, Any, Any]:
    """The joint model's module, configuration and variables, none of them as they start.

    The network predicts a noise of about the true size, through normalisations that are no
    identities, so that a layer in the wrong place would show.
    """
    model = models.get("noise2noiseflow")
    _, flow, flow_variables = jax_model()
    config = model.Config(noise_model=flow)
    denoiser = models.get("denoiser").init(jax.random.key(3), config.denoiser)
    random = np.random.default_rng(4)
    about = {"scale": 1.0, "bias": 0.0, "mean": 0.0, "var": 1.0}

    def draw(path: Any, leaf: Any) -> Any:
        name = path[-1].key
        if name == "kernel":
            return leaf * (0.02 if leaf.shape[-1] == CHANNELS else 1)
        return jnp.asarray(about[name] + random.uniform(-0.3, 0.3, leaf.shape), leaf.dtype)

    denoiser = jax.tree_util.tree_map_with_path(draw, denoiser)
    return model, config, {"noise_model": flow_variables, "denoiser": denoiser}


def unet() -> tuple[Any, Any]:
    """Configuration and variables of a U-Net of the published size."""
    network = models.get("denoiser")
    config = network.Config(net="unet")
    return config, network.init(jax.random.key(5), config)


def jax_task(what: str, batch_size: int) -> Task:
    """A task of the comparison.

    Args:
        what: a name of `TASKS`.
        batch_size: patches, for the joint step pairs.

    Returns:
        The task, with its first state.
    """
    return TASKS[what](tuple(jnp.asarray(shots(batch_size)[name]) for name in COLUMNS))


def _training(columns: tuple) -> Task:
    _, config, variables = jax_models()
    return _denoiser_training(columns, config.denoiser, variables["denoiser"])


def _unet_training(columns: tuple) -> Task:
    return _denoiser_training(columns, *unet())


def _denoiser_training(columns: tuple, config: Any, variables: Any) -> Task:
    network = models.get("denoiser")

    def loss(params, variables, noisy1, noisy2):
        own = {**variables, "params": params}
        estimate, updated = network.denoise_and_update(own, config, noisy1)
        return ((estimate - noisy2) ** 2).sum(), updated

    return _steps(loss, variables["params"], variables, columns[:2])


def _joint(columns: tuple) -> Task:
    model, config, variables = jax_models()

    def loss(params, variables, *columns):
        own = {part: {**variables[part], "params": params[part]} for part in params}
        terms, updated = model.joint_loss(own, config, *columns, weight=WEIGHT)
        return terms.total, updated

    params = {part: own["params"] for part, own in variables.items()}
    return _steps(loss, params, variables, columns)


def _steps(loss: Callable, params: Any, variables: Any, columns: tuple) -> Task:
    """Steps of Adam down a loss of parameters, variables and columns."""
    optimiser = optax.adam(LEARNING_RATE)

    def step(params, state, variables, *columns):
        gradient, updated = jax.grad(loss, has_aux=True)(params, variables, *columns)
        change, state = optimiser.update(gradient, state)
        return optax.apply_updates(params, change), state, updated

    return Task(step, columns, state=(params, optimiser.init(params), variables))


def _inference(columns: tuple) -> Task:
    model, config, variables = jax_models()
    return Task(
        lambda variables, noisy: model.denoise(variables, config, noisy), columns[:1], (variables,)
    )


def _unet_inference(columns: tuple) -> Task:
    config, variables = unet()
    network = models.get("denoiser")
    return Task(
        lambda variables, noisy: network.denoise(variables, config, noisy),
        columns[:1],
        (variables,),
    )


TASKS = {
    "training": _training,
    "inference": _inference,
    "joint": _joint,
    "U-Net training": _unet_training,
    "U-Net inference": _unet_inference,
}
