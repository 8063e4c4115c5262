"""Where training on labels starts: which layers are kept, which are fresh, and what is refused."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnoise import models
from jaxnoise.errors import UsageError
from jaxnoise.io import save_model
from jaxnoise.tasks import TASKS
from train.rcl.config import LABEL_PRESETS, PRETRAIN_PRESETS, FinetuneConfig
from train.rcl.layers import merged, parted
from train.rcl.networks import Network
from train.rcl.start import before, loaded, started

LAST = "conv_2"


def denoiser(channels: int) -> Any:
    return models.get("denoiser").Config(
        channels=channels, features=4, depth=3, normalisation="batch"
    )


def saved(folder: Path, name: str, settings: Any) -> tuple[Path, Any]:
    """A folder with a fresh model, and its variables."""
    variables = models.get(name).init(jax.random.key(5), settings)
    return save_model(folder, name, settings, variables), variables


def options(**given: Any) -> FinetuneConfig:
    return FinetuneConfig(**{**LABEL_PRESETS["cpu"], "seed": 9, **given})


def same(one: Any, other: Any) -> bool:
    return all(
        np.array_equal(a, b) for a, b in zip(*map(jax.tree.leaves, (one, other)), strict=True)
    )


def without_last(params: dict[str, Any]) -> dict[str, Any]:
    return {name: layer for name, layer in params.items() if name != LAST}


def output(network: Network, variables: Any, task: str) -> np.ndarray:
    channels = TASKS[task].channels
    image = np.linspace(0, 1, 2 * 8 * 8 * channels).reshape(2, 8, 8, channels)
    return np.asarray(network.estimate(variables, jnp.asarray(image), train=False)[0])


@pytest.mark.parametrize("task", list(TASKS))
@pytest.mark.parametrize("frozen", [False, True])
def test_a_denoiser_lends_its_layers_to_every_task(tmp_path, task, frozen):
    channels = TASKS[task].channels
    folder, before_it = saved(tmp_path / "model", "denoiser", denoiser(channels))
    network, variables = started(options(task=task, start_from=folder, frozen=frozen))
    params = variables["params"]
    if task == "denoise":
        assert network.model == "denoiser"
        assert same(params[LAST], before_it["params"][LAST]) == (not frozen)
        kept = without_last(params)
    else:
        assert (network.model, network.settings.task) == ("rcl", task)
        kept = params["backbone"]
    assert same(kept, without_last(before_it["params"]))
    assert same(variables["batch_stats"], before_it["batch_stats"])
    factor = TASKS[task].factor
    assert output(network, variables, task).shape == (2, 8 * factor, 8 * factor, 3)


def test_a_network_for_the_same_task_keeps_its_head_and_one_for_another_gets_a_fresh_one(tmp_path):
    rcl = models.get("rcl")
    settings = rcl.Config(task="jdd", denoiser=denoiser(4))
    folder, before_it = saved(tmp_path / "model", "rcl", settings)
    for task, frozen, kept in (("jdd", False, True), ("jdd", True, False), ("jddsr", False, False)):
        network, variables = started(options(task=task, start_from=folder, frozen=frozen))
        assert network.settings.task == task
        assert same(variables["params"]["backbone"], before_it["params"]["backbone"])
        head, old = (tree["params"]["head"]["kernel"] for tree in (variables, before_it))
        assert (head.shape == old.shape and np.array_equal(head, old)) == kept
    assert before(options(task="jdd", start_from=folder)) is not None
    assert before(options(task="jddsr", start_from=folder)) is None


def test_layers_of_another_task_become_a_denoiser_again(tmp_path):
    settings = models.get("rcl").Config(task="sr", denoiser=denoiser(3))
    folder, before_it = saved(tmp_path / "model", "rcl", settings)
    network, variables = started(options(task="denoise", start_from=folder))
    assert network.model == "denoiser"
    assert same(without_last(variables["params"]), before_it["params"]["backbone"])
    assert output(network, variables, "denoise").shape == (2, 8, 8, 3)


def test_the_denoiser_of_a_noise2noiseflow_is_what_is_taken(tmp_path):
    module = models.get("noise2noiseflow")
    settings = module.Config(
        noise_model={"arch": "S", "channels": 4},
        denoiser={"channels": 4, "features": 4, "depth": 3},
    )
    folder, before_it = saved(tmp_path / "model", "noise2noiseflow", settings)
    network, variables = loaded(folder)
    assert network.model == "denoiser" and same(variables, before_it["denoiser"])
    _, variables = started(options(task="jdd", start_from=folder))
    assert same(variables["params"]["backbone"], without_last(before_it["denoiser"]["params"]))


@pytest.mark.parametrize("task", ["denoise", "jdd"])
def test_a_last_layer_and_all_else_are_the_network_again(tmp_path, task):
    network, variables = started(options(task=task, denoiser="dncnn", features=4, depth=3))
    own, others = parted(network, variables)
    assert {*own["params"]} == ({LAST} if task == "denoise" else {"head"})
    assert "batch_stats" in others and "batch_stats" not in own
    assert jax.tree.structure(merged(others, own)) == jax.tree.structure(dict(variables))
    assert same(merged(others, own), variables)


def test_halves_are_trained_as_whole_floats(tmp_path):
    _, variables = saved(tmp_path / "model", "denoiser", denoiser(3))
    halves = jax.tree.map(lambda leaf: leaf.astype(jnp.float16), variables)
    folder = save_model(tmp_path / "halves", "denoiser", denoiser(3), halves)
    for task in ("denoise", "sr"):
        _, found = started(options(task=task, start_from=folder))
        assert {leaf.dtype for leaf in jax.tree.leaves(found)} == {jnp.dtype(jnp.float32)}


@pytest.mark.fast
def test_fresh_weights_are_of_the_network_that_pretraining_has():
    network, _ = started(options(task="denoise"))
    assert network.settings.net == "unet"
    assert network.settings.features == PRETRAIN_PRESETS["cpu"]["features"]
    small: dict[str, Any] = {"task": "denoise", "denoiser": "dncnn", "features": 5, "depth": 4}
    network, variables = started(options(**small))
    assert same(variables, started(options(**small, label_count=3))[1])
    assert (network.settings.net, network.settings.features, network.settings.depth) == (
        "dncnn",
        5,
        4,
    )


def test_starts_that_do_not_fit_are_refused_in_a_sentence(tmp_path):
    folder, _ = saved(tmp_path / "model", "denoiser", denoiser(3))
    noise, _ = saved(tmp_path / "noise", "noiseflow", models.get("noiseflow").Config(arch="S"))
    for given, sentence in (
        ({"task": "jdd", "start_from": folder}, "3 channels, and --task jdd has 4"),
        ({"start_from": folder, "depth": 5}, "depth is 3, and 5 is asked for"),
        ({"start_from": folder, "denoiser_normalisation": "none"}, "normalisation is batch"),
        ({"start_from": noise}, "holds a noiseflow"),
    ):
        with pytest.raises(UsageError) as caught:
            started(options(**given))
        assert sentence in str(caught.value)
