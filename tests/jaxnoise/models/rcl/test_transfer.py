"""What another model has learnt goes over as it is, and the last layer is fresh."""

import jax
import numpy as np
import pytest

from jaxnoise.errors import UsageError
from jaxnoise.models import denoiser, noise2noiseflow, noiseflow, rcl

pytestmark = pytest.mark.fast

NET = denoiser.Config(net="unet", features=3)
NORMALISED = denoiser.Config(features=4, depth=3)
FLOW = noiseflow.Config(arch="S-G", cameras=("a",), isos=(100,))


def trained(config, seed=1):
    return denoiser.init(jax.random.key(seed), config)


def equal(one, other):
    jax.tree.map(np.testing.assert_array_equal, one, other)


@pytest.mark.parametrize("config", [NET, NORMALISED])
def test_the_backbone_is_that_of_each_model(config):
    own = trained(config)
    expected = {name: part for name, part in own["params"].items()}
    del expected[{"unet": "last_2", "dncnn": "conv_2"}[config.net]]
    both = noise2noiseflow.Config(noise_model=FLOW, denoiser=config)
    pair = {**noise2noiseflow.init(jax.random.key(0), both), "denoiser": own}
    task = rcl.Config(task="jdd", denoiser=config)
    head = rcl.init(jax.random.key(0), task)["params"]["head"]
    other = {**own, "params": {"backbone": expected, "head": head}}
    for name, settings, variables in (
        ("denoiser", config, own),
        ("noise2noiseflow", both, pair),
        ("rcl", task, other),
    ):
        found, backbone = rcl.backbone_of(name, settings, variables)
        assert found == config
        equal(backbone, {"params": expected, "batch_stats": own["batch_stats"]})


def test_a_model_without_a_denoiser_is_refused():
    with pytest.raises(UsageError, match="is a noiseflow, which has no denoiser to start from"):
        rcl.backbone_of("noiseflow", FLOW, noiseflow.init(jax.random.key(0), FLOW))


@pytest.mark.parametrize("config", [NET, NORMALISED])
def test_a_fresh_head_on_what_was_learnt(config):
    task = rcl.Config(task="jddsr", denoiser=config)
    backbone = rcl.backbone_of("denoiser", config, trained(config))[1]
    one, other = (rcl.with_fresh_head(jax.random.key(seed), task, backbone) for seed in (3, 4))
    for made in (one, other):
        equal(made["params"]["backbone"], backbone["params"])
        equal(made["batch_stats"], backbone["batch_stats"])
    structure = jax.tree.structure(rcl.init(jax.random.key(0), task))
    assert jax.tree.structure(one) == structure
    kernels = [made["params"]["head"]["kernel"] for made in (one, other)]
    assert kernels[0].shape == (3, 3, config.last_width, 48)
    assert np.abs(kernels[0] - kernels[1]).max() > 0.1


@pytest.mark.parametrize("config", [NET, NORMALISED])
def test_a_fresh_last_layer_of_a_denoiser(config):
    own, last = trained(config), denoiser.last_layer(config)
    backbone = rcl.backbone_of("denoiser", config, own)[1]
    for start in (own, backbone):
        made = rcl.with_fresh_last(jax.random.key(3), config, start)
        assert jax.tree.structure(made) == jax.tree.structure(own)
        equal(rcl.backbone_of("denoiser", config, made)[1], backbone)
        kernels = [tree["params"][last]["kernel"] for tree in (made, own)]
        assert np.abs(kernels[0] - kernels[1]).max() > 1e-3
        equal(made["params"][last], denoiser.init(jax.random.key(3), config)["params"][last])


def test_labels_say_which_is_the_last_layer():
    for name, config, variables in (
        ("denoiser", NET, trained(NET)),
        ("denoiser", NORMALISED, trained(NORMALISED)),
        ("rcl", (task := rcl.Config(denoiser=NET)), rcl.init(jax.random.key(0), task)),
    ):
        params = variables["params"]
        labels = rcl.last_layer_labels(name, config, params)
        assert jax.tree.structure(labels) == jax.tree.structure(params)
        heads = [
            jax.tree_util.keystr(path, simple=True, separator="/").split("/")[0]
            for path, label in jax.tree_util.tree_leaves_with_path(labels)
            if label == "head"
        ]
        right = "head" if name == "rcl" else denoiser.last_layer(config)
        assert heads == [right] * len(jax.tree.leaves(params[right]))
        assert set(jax.tree.leaves(labels)) == {"head", "backbone"}


def test_the_backbone_of_another_denoiser_is_refused():
    backbone = rcl.backbone_of("denoiser", NET, trained(NET))[1]
    wide = rcl.Config(denoiser={"net": "unet", "features": 6})
    with pytest.raises(UsageError, match=r"bottom/bias has shape \(3,\) .* \(6,\): give"):
        rcl.with_fresh_head(jax.random.key(0), wide, backbone)
    with pytest.raises(UsageError, match="has shape nothing|asks for nothing"):
        rcl.with_fresh_last(jax.random.key(0), NORMALISED, backbone)
