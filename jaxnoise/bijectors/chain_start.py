"""Where a chain starts, from a key or from the moments of real noise, and what its numbers mean."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxnoise.batch import NoiseBatch, only_valid
from jaxnoise.bijectors.chain import (
    clean_at,
    counted,
    kind_of,
    layer_builder,
    layers_of,
    own_variables,
    valid_at,
)
from jaxnoise.bijectors.layer_kind import Images, Layer, Left, Networks, Own, Settings
from jaxnoise.conditions import nearest_rows
from jaxnoise.curve import VARIANCE_FLOOR

COLLECTIONS = ("params", "batch_stats", "constants")

Variables = dict[str, dict[str, Any]]


def init_chain(key: Array, settings: Settings, networks: Networks) -> Variables:
    """Fresh variables of a chain.

    Args:
        key: a `jax.random.key`.
        settings: the model's configuration.
        networks: inside of the layers.

    Returns:
        `params` (trained), `batch_stats` (state of normalisation) and `constants`, each a nested
        dictionary by layer name.
    """
    variables: Variables = {name: {} for name in COLLECTIONS}
    for index, layer in enumerate(layers_of(settings)):
        own = kind_of(layer).init(jax.random.fold_in(key, index), layer, settings, networks)
        place = kind_of(layer).place(layer)
        for name, fresh in own.items():
            variables[name][place] = {**variables[name].get(place, {}), **fresh}
    return variables


def fit_chain(
    variables: Variables,
    settings: Settings,
    networks: Networks,
    batch: NoiseBatch,
    *,
    to_latent: bool = True,
    variance_floor: float = VARIANCE_FLOOR,
) -> tuple[Variables, Array]:
    """Variables that match the data's moments, layer by layer from the data side.

    Args:
        variables: from `init_chain`, with whatever else the model stores.
        settings: the model's configuration.
        networks: inside of the layers.
        batch: the images to fit to; pixels that are not valid are left out.
        to_latent: whether the noise is taken through the last layer too.
        variance_floor: smallest variance that the layers which touch the data may start with,
            squared unit of full scale.

    Returns:
        New variables of the same structure, and the latent of the noise; without `to_latent` what
        the last layer gets.
    """
    batch = _only_counted(settings, batch)
    row = nearest_rows(batch.camera, batch.iso, isos=settings.isos)
    layers = layers_of(settings)
    shared = {kind_of(layer).shared: layer for layer in layers if kind_of(layer).fit_shared}
    for layer in shared.values():
        fit_shared = kind_of(layer).fit_shared
        assert fit_shared is not None
        left = Left(batch.noise, batch.clean, row, batch.valid, variance_floor)
        variables = _with(
            variables, layer, fit_shared(own_variables(variables, layer), left, settings)
        )
    latent = batch.noise
    for place, layer in enumerate(layers):
        # A factor further on is no business of the layers before it.
        pending = _log_factors(variables, settings, batch, layers[place:])
        scaled = latent * jnp.exp(-pending)[:, None, None, None]
        shown = valid_at(settings, batch.valid, layer.channels)
        # What layers before have made of the noise is no longer in the unit of the floor.
        floor = VARIANCE_FLOOR
        if place == 0:
            floor = variance_floor * float(jnp.exp(-2.0 * pending).min())
        left = Left(scaled, clean_at(batch.clean, layer.channels), row, shown, floor)
        own = own_variables(variables, layer)
        variables = _with(variables, layer, kind_of(layer).fit(own, layer, left, settings))
        if layer is not layers[-1] or to_latent:
            latent = _through(variables, settings, networks, layer, latent, batch)
    return variables, latent


def _only_counted(settings: Settings, batch: NoiseBatch) -> NoiseBatch:
    """The batch with 0 for what does not count."""
    if batch.valid is None:
        return batch
    valid = counted(settings, batch.valid)
    clean, noisy = only_valid(batch.clean, valid), only_valid(batch.noisy, valid)
    return NoiseBatch(clean, noisy, batch.camera, batch.iso, valid)


def _with(variables: Variables, layer: Layer, own: Own) -> Variables:
    """The variables with a layer's own exchanged."""
    place = kind_of(layer).place(layer)
    changed = {name: {**variables[name], place: new} for name, new in own.items()}
    return {**variables, **changed}


def _log_factors(
    variables: Variables, settings: Settings, batch: NoiseBatch, layers: tuple[Layer, ...]
) -> Array:
    """Log of the product of the layers' factors per image, shape (N,), 0 without any."""
    total = jnp.zeros(batch.clean.shape[0])
    images = Images(batch.clean, batch.camera, batch.iso)
    for layer in layers:
        log_factor = kind_of(layer).log_factor
        if log_factor is not None:
            total = total + log_factor(own_variables(variables, layer), images, settings)
    return total


@partial(jax.jit, static_argnums=(1, 2, 3))
def _through(
    variables: Variables,
    settings: Settings,
    networks: Networks,
    layer: Layer,
    latent: Array,
    batch: NoiseBatch,
) -> Array:
    """What a layer leaves of the noise."""
    given = {"clean": batch.clean, "camera": batch.camera, "iso": batch.iso, "valid": batch.valid}
    bijector = layer_builder(variables, settings, networks, **given)(layer)
    left, _ = bijector.inverse_and_log_det(latent)
    further = settings.channels * (batch.clean.shape[1] // left.shape[1]) ** 2
    return only_valid(left, valid_at(settings, batch.valid, further))


def describe_chain(variables: Variables, settings: Settings) -> dict[str, float]:
    """The parameters of a chain that have a meaning, as numbers.

    Args:
        variables: of the chain.
        settings: the model's configuration.

    Returns:
        Numbers by name, as the kinds of the layers give them.
    """
    layers = layers_of(settings)
    values: dict[str, float] = {}
    for kind in dict.fromkeys(layer.kind for layer in layers):
        same = [layer for layer in layers if layer.kind == kind]
        describe = kind_of(same[0]).describe
        if describe is not None:
            own = [own_variables(variables, layer)["params"] for layer in same]
            # A training that diverges is described too: what is too large is infinite.
            with np.errstate(over="ignore"):
                numbers = describe(same, jax.tree.map(np.asarray, own), settings)
            values |= {name: float(value) for name, value in numbers.items()}
    return values
