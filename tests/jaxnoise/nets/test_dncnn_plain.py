"""DnCNN without normalisation: against numpy and XLA's convolutions, its size and first weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnoise.nets import winograd
from jaxnoise.nets.dncnn import LAST_GAIN, DnCNN
from tests.jaxnoise.nets.reference import convolve, rectify


def plain(features, *, depth=4, seed=1):
    """A network, noisy images for it, and variables away from their first values."""
    random = np.random.default_rng(seed)
    net = DnCNN(channels=2, features=features, depth=depth, normalised=False)
    shapes = jax.eval_shape(net.init, jax.random.key(0), jnp.zeros((1, 8, 8, 2)))
    spread = (2 / (9 * features)) ** 0.5
    draw = lambda leaf: jnp.asarray(random.normal(scale=spread, size=leaf.shape))  # noqa: E731
    return net, jax.tree.map(draw, shapes)


def by_numpy(variables, noisy, depth=4):
    hidden = noisy
    for place in range(depth - 1):
        own = variables["params"][f"conv_{place}"]
        hidden = rectify(convolve(hidden, own["kernel"], own["bias"]))
    return noisy - convolve(hidden, variables["params"][f"conv_{depth - 1}"]["kernel"])


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize(("features", "sides"), [(3, (6, 5)), (48, (6, 5)), (48, (8, 12))])
def test_against_numpy(float64, train, features, sides):
    # Few features as convolutions; many by blocks, one convolution at a time or all in a row.
    net, variables = plain(features)
    noisy = np.random.default_rng(0).uniform(size=(3, *sides, 2))
    estimate, changed = net.apply(variables, jnp.asarray(noisy), train=train, mutable="batch_stats")
    np.testing.assert_allclose(estimate, by_numpy(variables, noisy), rtol=1e-10, atol=1e-10)
    assert changed == {}


@pytest.mark.parametrize("train", [False, True])
def test_blocks_give_the_values_and_gradients_of_xla(float64, train, monkeypatch):
    net, variables = plain(48)
    noisy, weights = jax.random.normal(jax.random.key(3), (2, 2, 8, 12, 2))

    def loss(variables, noisy):
        return (weights * net.apply(variables, noisy, train=train)).sum()

    assert winograd.pays((2, 8, 12, 48), (3, 3, 48, 48), jnp.float64)
    ours = jax.value_and_grad(loss, (0, 1))(variables, noisy)
    monkeypatch.setattr(winograd, "pays", lambda *_: False)
    theirs = jax.value_and_grad(loss, (0, 1))(variables, noisy)
    jax.tree.map(
        lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-10),
        ours,
        theirs,
    )


@pytest.mark.fast
@pytest.mark.parametrize(
    ("settings", "parameters"),
    [
        # 3x3 kernels, and a bias of each feature of every layer but the last.
        ((4, 64, 9), 9 * (4 * 64 + 7 * 64 * 64 + 64 * 4) + 8 * 64),
        ((1, 64, 17), 9 * (64 + 15 * 64 * 64 + 64) + 16 * 64),
        ((3, 5, 2), 9 * (3 * 5 + 5 * 3) + 5),
    ],
)
def test_parameters(settings, parameters):
    net = DnCNN(*settings, normalised=False)
    image = jax.ShapeDtypeStruct((1, 8, 8, settings[0]), jnp.float32)
    shapes = jax.eval_shape(net.init, jax.random.key(0), image)
    assert set(shapes) == {"params"}
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes["params"])) == parameters


def test_the_first_kernels_keep_the_size_of_what_a_relu_halves():
    variables = DnCNN(4, 32, 5, normalised=False).init(jax.random.key(0), jnp.zeros((1, 8, 8, 4)))
    for place, inputs in enumerate((4, 32, 32, 32, 32)):
        own = variables["params"][f"conv_{place}"]
        # He et al. 2015, Eq. 10: a variance of 2 over what a value is a sum of.
        variance = 2 / (9 * inputs) if place < 4 else LAST_GAIN**2 / (9 * inputs)
        # A variance of n normal draws is known to sqrt(2 / n) of itself.
        ratio = np.var(own["kernel"]) / variance
        assert abs(ratio - 1) < 5 * (2 / own["kernel"].size) ** 0.5
        assert ("bias" in own) == (place < 4)
        assert not np.any(own.get("bias", 0))


def test_an_estimate_does_not_depend_on_the_other_images(float64):
    net, variables = plain(4)
    noisy = jax.random.uniform(jax.random.key(0), (3, 6, 5, 2))
    together = net.apply(variables, noisy, train=True, mutable="batch_stats")[0]
    alone = net.apply(variables, noisy[:1], train=True, mutable="batch_stats")[0]
    np.testing.assert_allclose(together[:1], alone, rtol=1e-12)
