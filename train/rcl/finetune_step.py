"""The pure step on labels: all layers of a network, or its last one over what stays as it is."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxnoise.losses import absolute_error, squared_error
from train.engine.evaluation import over_patches
from train.engine.system import Run, Task, Validation
from train.rcl.layers import merged, parted
from train.rcl.networks import Network
from train.rcl.pretrain import optimiser_of
from train.steps.denoising import OTHER_SHOT, TOLERANCE, to_psnr

FIELDS = ("inputs", "targets")
COLOURS = 3
"""Channels of inputs that can be turned; packed raw would have its colours change places."""
ERRORS = {"clean": absolute_error, "other-shot": squared_error}
"""What training lowers, by what labels hold: noisy targets have the clean image as their mean, and
the absolute error would make a network learn their median.
"""


def finetuning_step(
    state: dict,
    fixed: dict,
    batch: Mapping,
    key: jax.Array,
    *,
    network: Network,
    optimiser: optax.GradientTransformation,
    error: Callable[..., jax.Array],
    frozen: bool,
) -> tuple[dict, dict]:
    """The pure step that lowers the mean error of a network against labels.

    Args:
        state: what is trained of the "variables", and the state of its "optimiser".
        fixed: the other variables, where only the last layer is trained; else none.
        batch: "inputs" and "targets".
        key: not used, as nothing is random here.
        network: what is trained.
        optimiser: of the parameters in the state.
        error: of each value.
        frozen: whether the network stays in evaluation mode, and only what is in the state changes.

    Returns:
        The new state, and metrics: "loss", the mean error before the update; "error_db", the mean
        squared error in dB; "gradient_norm".
    """
    del key

    def objective(parameters: Any) -> tuple[jax.Array, Any]:
        own = {**state["variables"], "params": parameters}
        whole = merged(fixed, own)
        estimate, updated = network.estimate(whole, batch["inputs"], train=not frozen)
        mse = squared_error(estimate, batch["targets"]).mean()
        return error(estimate, batch["targets"]).mean(), (own if frozen else updated, mse)

    parameters = state["variables"]["params"]
    (loss, (updated, mse)), gradient = jax.value_and_grad(objective, has_aux=True)(parameters)
    updates, optimiser_state = optimiser.update(gradient, state["optimiser"], parameters)
    variables = {**updated, "params": optax.apply_updates(parameters, updates)}
    metrics = {"loss": loss, "error_db": 10 * jnp.log10(mse)}
    metrics["gradient_norm"] = optax.tree.norm(gradient)
    return {"variables": variables, "optimiser": optimiser_state}, metrics


def padded(labels: Any, *, batch_size: int) -> Iterator[dict[str, np.ndarray]]:
    """Labels in their order, the last batch filled up with its last label.

    Args:
        labels: of `datasets.labels`.
        batch_size: N.

    Yields:
        "inputs", "targets" and "mask", False on the rows that fill up.
    """
    for start in range(0, len(labels), batch_size):
        places = np.arange(start, start + batch_size)
        indices = np.minimum(places, len(labels) - 1)
        mask = places < len(labels)
        yield {**{name: getattr(labels, name)[indices] for name in FIELDS}, "mask": mask}


def estimates(network: Network, variables: Any, labels: Any, run: Run) -> np.ndarray:
    """What a network makes of labels, clipped to [0, 1].

    Args:
        network: the network.
        variables: of it.
        labels: of `datasets.labels`.
        run: its devices and batch size are used.

    Returns:
        Shape (n, H, W, 3), fraction of full scale.
    """

    def estimate(variables: Any, batch: Any, number: jax.Array) -> jax.Array:
        del number
        return network.estimate(variables, batch["inputs"], train=False)[0].clip(0.0, 1.0)

    mapped = over_patches(estimate, run.mesh, names=("inputs",))
    return mapped(variables, padded(labels, batch_size=run.config.batch_size))


def _error_of_each(state: Any, batch: Any, number: jax.Array, *, network: Network) -> jax.Array:
    del number
    own, fixed = state
    estimate, _ = network.estimate(merged(fixed, own), batch["inputs"], train=False)
    return squared_error(estimate, batch["targets"]).mean((1, 2, 3))


def task(run: Run, *, network: Network, variables: Any, title: str) -> Task:
    """What the training loop needs to know about training on labels.

    Args:
        run: with its labels in the role "data".
        network: what is trained.
        variables: where it starts.
        title: for the progress line.

    Returns:
        The task: its score is the negative PSNR of the mean error over the validation labels.
    """
    config, data = run.config, run.data["data"]
    optimiser = optimiser_of(config)
    trained, fixed = parted(network, variables) if config.frozen else (dict(variables), {})
    measure = over_patches(partial(_error_of_each, network=network), run.mesh, names=FIELDS)
    name = "validation_psnr" + (OTHER_SHOT if config.labels == "other-shot" else "")

    labels = data.labels("train")
    turns = config.turns and labels.inputs.shape[-1] == COLOURS

    def batch(number: int) -> dict[str, np.ndarray]:
        sizes = {"seed": config.seed, "step": number, "batch_size": config.batch_size}
        made = labels.batch(**sizes, turns=turns)
        return {name: made[name] for name in FIELDS}

    def evaluate(state: Any, fixed: Any) -> Validation:
        held = padded(data.labels("validation"), batch_size=config.batch_size)
        psnr = to_psnr(float(np.mean(measure((state["variables"], fixed), held), dtype=np.float64)))
        return Validation(-psnr, {name: psnr})

    return Task(
        title=title,
        state={"variables": trained, "optimiser": optimiser.init(trained["params"])},
        fixed=fixed,
        batch=batch,
        step=partial(
            finetuning_step,
            network=network,
            optimiser=optimiser,
            error=ERRORS[config.labels],
            frozen=config.frozen,
        ),
        evaluate=evaluate,
        export=lambda state: merged(fixed, state["variables"]),
        shown="error_db",
        keep=config.keep,
        tolerance=TOLERANCE,
    )
