"""Maximum likelihood: the step and the evaluation of every model that states a density."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxnoise.batch import NoiseBatch
from train.devices import shard

MOMENTS = "moments"
NETWORKS = "networks"
NETWORK_LAYERS = ("coupling",)
ADAM_EPSILON = 1e-7
"""Keeps Adam from blowing rounding errors up to full steps where a gradient is zero in theory."""


COLUMNS = ("clean", "noisy", "camera", "iso")


PAIR_COLUMNS = ("noisy", "noisy2", "camera", "iso")


def columns(
    batch: Mapping[str, np.ndarray], names: Sequence[str] = COLUMNS
) -> dict[str, np.ndarray]:
    """The part of a data set's batch that a model is trained on.

    Args:
        batch: as `datasets.pipeline` makes it.
        names: which columns; by default clean and noisy images, cameras and ISO numbers.

    Returns:
        The columns.
    """
    return {name: batch[name] for name in names}


def to_noise_batch(batch: Mapping[str, Any]) -> NoiseBatch:
    """The same as arrays of JAX.

    Args:
        batch: as `datasets.pipeline` makes it, or its `columns`.

    Returns:
        The batch that models take.
    """
    return NoiseBatch(**{name: jnp.asarray(batch[name]) for name in COLUMNS})


def parameter_groups(parameters: Any) -> Any:
    """Says of every parameter whether it starts at the data's moments or belongs to a network.

    Args:
        parameters: nested dictionaries; the names of layers are their keys.

    Returns:
        The same structure of `MOMENTS` and `NETWORKS`.
    """

    def group(path: tuple, _: Any) -> str:
        names = jax.tree_util.keystr(path).lower()
        return NETWORKS if any(layer in names for layer in NETWORK_LAYERS) else MOMENTS

    return jax.tree_util.tree_map_with_path(group, parameters)


def schedule_of(peak: float, *, steps: int, warm_up: float) -> optax.Schedule:
    """A learning rate that rises linearly and falls to zero along a cosine.

    Args:
        peak: the highest one.
        steps: length of the schedule.
        warm_up: part of the steps spent rising, 0 to 1.

    Returns:
        A function from the step's number to the rate.
    """
    rising = round(warm_up * steps)
    start = 0.0 if rising else peak
    return optax.warmup_cosine_decay_schedule(start, peak, rising, max(steps, rising + 1))


def adam(
    *, steps: int, learning_rate: float, moments_learning_rate: float, warm_up: float, clip: float
) -> optax.GradientTransformation:
    """Adam with a linear warm-up and a cosine decay to zero, on gradients clipped by global norm.

    Args:
        steps: length of the schedule.
        learning_rate: highest one of the couplings' networks.
        moments_learning_rate: highest one of all other layers, which start at the data's moments.
        warm_up: part of the steps spent rising, 0 to 1.
        clip: largest global norm of a gradient.

    Returns:
        The optimiser.
    """
    groups: dict[Hashable, optax.GradientTransformation] = {
        name: optax.adam(schedule_of(peak, steps=steps, warm_up=warm_up), eps=ADAM_EPSILON)
        for name, peak in ((NETWORKS, learning_rate), (MOMENTS, moments_learning_rate))
    }
    return optax.chain(
        optax.clip_by_global_norm(clip), optax.multi_transform(groups, parameter_groups)
    )


def initial_state(variables: Mapping[str, Any], optimiser: optax.GradientTransformation) -> dict:
    """The state of a training that starts from these variables.

    Args:
        variables: of a model; "params" are trained.
        optimiser: from `adam`.

    Returns:
        A dictionary of "variables" and "optimiser".
    """
    variables = dict(variables)
    return {"variables": variables, "optimiser": optimiser.init(variables["params"])}


def likelihood_step(model: Any, config: Any, optimiser: optax.GradientTransformation) -> Callable:
    """The pure step that lowers the mean negative log-likelihood per dimension.

    Args:
        model: a module with `nll_and_update`.
        config: its configuration.
        optimiser: from `adam`.

    Returns:
        A function from (state, columns, key) to (state, metrics): "nll" in nats per dimension
        before the update, and "gradient_norm".
    """

    def step(state: dict, batch: Mapping, key: jax.Array) -> tuple[dict, dict]:
        del key  # a likelihood needs no randomness
        shots = to_noise_batch(batch)

        def loss(parameters: Any) -> tuple[jax.Array, Any]:
            nll, updated = model.nll_and_update(
                {**state["variables"], "params": parameters},
                config,
                shots.noise,
                shots.clean,
                shots.camera,
                shots.iso,
            )
            return jnp.mean(nll) / shots.clean[0].size, updated

        parameters = state["variables"]["params"]
        (nll, updated), gradient = jax.value_and_grad(loss, has_aux=True)(parameters)
        updates, optimiser_state = optimiser.update(gradient, state["optimiser"], parameters)
        variables = {**updated, "params": optax.apply_updates(parameters, updates)}
        metrics = {"nll": nll, "gradient_norm": optax.tree.norm(gradient)}
        return {"variables": variables, "optimiser": optimiser_state}, metrics

    return step


def over_patches(
    function: Callable, mesh: Mesh, *, names: Sequence[str] = COLUMNS
) -> Callable[..., np.ndarray]:
    """Maps a batched function over padded batches on all devices and joins what it returns.

    Args:
        function: from (variables, columns of a batch, number of the batch) to an array with the
            patches on the first axis.
        mesh: from `train.devices.start_jax`.
        names: the columns.

    Returns:
        A function from (variables, batches) to the values of the patches whose mask is True.
    """
    compiled = jax.jit(function, out_shardings=NamedSharding(mesh, PartitionSpec()))

    def run(variables: Any, batches: Iterable[Mapping[str, np.ndarray]]) -> np.ndarray:
        values = []
        for number, batch in enumerate(batches):
            value = compiled(variables, shard(mesh, columns(batch, names)), np.uint32(number))
            values.append(np.asarray(value)[batch["mask"]])
        return np.concatenate(values)

    return run


def nll_per_dimension(model: Any, config: Any, mesh: Mesh) -> Callable[..., np.ndarray]:
    """A model's negative log-likelihood of each patch.

    Args:
        model: a module with `log_prob`.
        config: its configuration.
        mesh: from `train.devices.start_jax`.

    Returns:
        A function from (variables, batches) to shape (N,), nats per dimension.
    """

    def nll(variables: Any, patches: Mapping, _: jax.Array) -> jax.Array:
        batch = to_noise_batch(patches)
        log_prob = model.log_prob(
            variables, config, batch.noise, batch.clean, batch.camera, batch.iso
        )
        return -log_prob / batch.clean[0].size

    return over_patches(nll, mesh)


def sampled_noise(
    model: Any, config: Any, mesh: Mesh, *, seed: int, temperature: float
) -> Callable[..., np.ndarray]:
    """One noise of a model for each patch's clean image.

    Args:
        model: a module with `sample`.
        config: its configuration.
        mesh: from `train.devices.start_jax`.
        seed: of the samples.
        temperature: of the latent noise.

    Returns:
        A function from (variables, batches) to shape (N, H, W, C), fraction of full scale.
    """

    def sample(variables: Any, patches: Mapping, number: jax.Array) -> jax.Array:
        batch = to_noise_batch(patches)
        key = jax.random.fold_in(jax.random.key(seed), number)
        return model.sample(
            key,
            variables,
            config,
            batch.clean,
            batch.camera,
            batch.iso,
            temperature=temperature,
        )

    return over_patches(sample, mesh)
