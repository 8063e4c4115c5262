"""The pure step around a system's own: it counts, and skips what is not finite."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def start_training(state: Any) -> dict[str, Any]:
    """What the loop carries from step to step, before the first one.

    Args:
        state: as in `Task`.

    Returns:
        The "state" and four counts: "step"; "skipped", the non-finite steps; "in_a_row", how many
        of them came last without a finite one between; "longest", the largest that has been, since
        the host does not look at every step.
    """
    counts = dict.fromkeys(("step", "skipped", "in_a_row", "longest"), np.int32(0))
    return jax.tree.map(_as_on_devices, {"state": state, **counts})


def _as_on_devices(leaf: Any) -> np.ndarray:
    """A leaf of the type that devices give it: numpy's default of 64 bits becomes 32."""
    array = np.asarray(leaf)
    return array.astype(jax.dtypes.canonicalize_dtype(array.dtype), copy=False)


def check_types(before: Any, after: Any) -> None:
    """Raises where a step changes the shape or type of a part of the state.

    It would compile anew at each step, and its checkpoints would not fit the state of a new start.

    Args:
        before: the state, arrays or their shapes.
        after: what the step makes of it.

    Raises:
        TypeError: names the part.
    """
    places = jax.tree_util.tree_leaves_with_path(before)
    if jax.tree.structure(before) != jax.tree.structure(after):
        raise TypeError("a step must return a state of the structure that it was given.")
    for (path, old), new in zip(places, jax.tree.leaves(after), strict=True):
        if (old.shape, old.dtype) != (new.shape, new.dtype):
            raise TypeError(
                f"a step must keep shapes and types: {jax.tree_util.keystr(path)} goes from "
                f"{old.dtype}{list(old.shape)} to {new.dtype}{list(new.shape)}."
            )


def guarded_step(step: Callable) -> Callable:
    """A step that leaves the state alone when its metrics are not finite, and counts it.

    Args:
        step: as in `Task`.

    Returns:
        A function from (training, fixed, batch, seed) to (training, metrics), with `training` from
        `start_training`; the metrics gain "skipped" and "longest". The decision is one for the
        whole state and for all devices.
    """

    def guarded(training: dict, fixed: Any, batch: Any, seed: jax.Array) -> tuple[dict, dict]:
        key = jax.random.fold_in(jax.random.key(seed), training["step"])
        state, metrics = step(training["state"], fixed, batch, key)
        good = jnp.stack([jnp.all(jnp.isfinite(value)) for value in metrics.values()]).all()
        in_a_row = jnp.where(good, 0, training["in_a_row"] + 1)
        training = {
            "state": jax.tree.map(partial(jnp.where, good), state, training["state"]),
            "step": training["step"] + 1,
            "skipped": training["skipped"] + jnp.where(good, 0, 1),
            "in_a_row": in_a_row,
            "longest": jnp.maximum(training["longest"], in_a_row),
        }
        counts = {"skipped": training["skipped"], "longest": training["longest"]}
        return training, {**metrics, **counts}

    return guarded


def several_steps(step: Callable) -> Callable:
    """A guarded step for a stack of batches, one after the other.

    Args:
        step: from `guarded_step`.

    Returns:
        A function from (training, fixed, batches, seed) to (training, metrics): the batches have
        one more axis in front, and so have the metrics.
    """

    def run(training: dict, fixed: Any, batches: Any, seed: jax.Array) -> tuple[dict, dict]:
        return jax.lax.scan(lambda carry, batch: step(carry, fixed, batch, seed), training, batches)

    return run
