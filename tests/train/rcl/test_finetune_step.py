"""The step on labels, on a network of two numbers whose gradients are worked by hand."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from datasets.labels import Labels
from train.rcl.finetune_step import ERRORS, finetuning_step, padded
from train.rcl.layers import merged

RATE = 0.1
INPUTS = np.array([0.1, 0.2, 0.4, 0.7], np.float32).reshape(1, 2, 2, 1)
TARGETS = np.array([0.2, 0.1, 0.9, 0.6], np.float32).reshape(1, 2, 2, 1)


class Line:
    """slope * x + offset; training counts its steps in its statistics."""

    def estimate(self, variables, inputs, *, train):
        params = variables["params"]
        made = params["first"]["slope"] * inputs + params["last"]["offset"]
        counted = variables["batch_stats"]["count"] + train
        return made, {**variables, "batch_stats": {"count": counted}}


def taken(labels, *, frozen):
    """What one step of plain gradient descent makes of slope 1 and offset 0."""
    variables = {
        "params": {"first": {"slope": jnp.float32(1)}, "last": {"offset": jnp.float32(0)}},
        "batch_stats": {"count": jnp.float32(0)},
    }
    fixed = {}
    if frozen:
        first = {"first": variables["params"].pop("first")}
        fixed = {"params": first, "batch_stats": variables.pop("batch_stats")}
    optimiser = optax.sgd(RATE)
    state = {"variables": variables, "optimiser": optimiser.init(variables["params"])}
    batch = {"inputs": jnp.asarray(INPUTS), "targets": jnp.asarray(TARGETS)}
    state, metrics = finetuning_step(
        state,
        fixed,
        batch,
        jax.random.key(0),
        network=NETWORK,
        optimiser=optimiser,
        error=ERRORS[labels],
        frozen=frozen,
    )
    return merged(fixed, state["variables"]), state, metrics


NETWORK: Any = Line()
RESIDUAL = (INPUTS - TARGETS).ravel()


@pytest.mark.fast
@pytest.mark.parametrize(
    ("labels", "loss", "slopes"),
    [
        ("clean", np.abs(RESIDUAL).mean(), np.sign(RESIDUAL)),
        ("other-shot", (RESIDUAL**2).mean(), 2 * RESIDUAL),
    ],
)
def test_clean_labels_lower_the_absolute_error_and_noisy_ones_the_square(labels, loss, slopes):
    variables, _, metrics = taken(labels, frozen=False)
    params = variables["params"]
    assert float(metrics["loss"]) == pytest.approx(loss, rel=1e-5)
    assert float(metrics["error_db"]) == pytest.approx(
        10 * np.log10((RESIDUAL**2).mean()), rel=1e-4
    )
    offset, slope = -RATE * slopes.mean(), 1 - RATE * (slopes * INPUTS.ravel()).mean()
    assert float(params["last"]["offset"]) == pytest.approx(offset, abs=1e-6)
    assert float(params["first"]["slope"]) == pytest.approx(slope, rel=1e-5)
    assert float(variables["batch_stats"]["count"]) == 1


@pytest.mark.fast
def test_a_frozen_network_changes_in_its_last_layer_alone():
    variables, state, metrics = taken("clean", frozen=True)
    assert float(variables["params"]["first"]["slope"]) == 1
    assert float(variables["batch_stats"]["count"]) == 0
    offset = -RATE * np.sign(RESIDUAL).mean()
    assert float(variables["params"]["last"]["offset"]) == pytest.approx(offset, abs=1e-6)
    # What stays as it is lies in no checkpoint.
    assert len(jax.tree.leaves(state["variables"])) == 1
    assert float(metrics["gradient_norm"]) == pytest.approx(abs(np.sign(RESIDUAL).mean()))


@pytest.mark.fast
def test_batches_of_held_out_labels_are_filled_up_and_masked():
    inputs = np.arange(5, dtype=np.float32).reshape(5, 1, 1, 1)
    labels = Labels(inputs, 10 * inputs, np.zeros(5, np.int32))
    first, second, third = padded(labels, batch_size=2)
    assert first["mask"].all() and third["mask"].tolist() == [True, False]
    assert second["targets"].ravel().tolist() == [20, 30]
    assert third["inputs"].ravel().tolist() == [4, 4]


@pytest.mark.fast
def test_trees_are_joined_and_the_second_wins():
    one, other = {"a": {"b": 1, "c": 2}, "d": {}}, {"a": {"c": 3}, "e": {"f": 4}}
    assert merged(one, other) == {"a": {"b": 1, "c": 3}, "d": {}, "e": {"f": 4}}
    assert one == {"a": {"b": 1, "c": 2}, "d": {}}
