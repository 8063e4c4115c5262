"""The fast way through a flow: the same numbers as layer by layer, for any size of image."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnoise.bijectors.chain import parse
from jaxnoise.models import noiseflow
from jaxnoise.models.noiseflow import blocked
from jaxnoise.models.noiseflow.layers import layer_builder

TOLERANCE = 1e-12
CASES = [
    ("S-Ax1-G-Ax1-CAM", "batch", (3, 8, 12, 4)),
    ("Ax1-K1", "none", (3, 7, 10, 4)),
    ("Ax1-Q-Ax1", "batch", (2, 6, 10, 3)),
    ("S-Ax1", "batch_affine", (2, 5, 6, 4)),
]


@pytest.fixture
def layer_by_layer(monkeypatch):
    """A function that evaluates another without blocks."""

    def evaluate(function, *arguments):
        with monkeypatch.context() as patch:
            patch.setattr(blocked, "WIDEST", 0)
            return function(*arguments)

    return evaluate


def close(ours, expected, scale=None):
    """Every leaf within the tolerance of the largest expected value."""
    ours, expected = jax.tree.leaves(ours), jax.tree.leaves(expected)
    scale = scale or max(float(jnp.max(jnp.abs(leaf))) for leaf in expected)
    for got, wanted in zip(ours, expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=0, atol=TOLERANCE * scale)


@pytest.mark.parametrize(("arch", "normalisation", "shape"), CASES)
def test_likelihood_sample_and_gradient(
    arch, normalisation, shape, random_variables, columns, layer_by_layer, float64
):
    config = noiseflow.Config(arch=arch, normalisation=normalisation, channels=shape[-1])
    variables, data = random_variables(config), columns(shape)
    size = np.prod(shape[1:])

    def training(params, arguments):
        nll, updated = noiseflow.nll_and_update({**variables, "params": params}, config, *arguments)
        return nll.mean() / size, updated["batch_stats"]

    def run(arguments):
        evaluation = noiseflow.log_prob(variables, config, *arguments) / size
        noise = noiseflow.sample(jax.random.key(0), variables, config, *arguments[1:])
        step = jax.value_and_grad(training, has_aux=True)(variables["params"], arguments)
        return evaluation, noise, step

    # Two functions of their own, so that the second is not taken from the first one's cache.
    ours = jax.jit(lambda arguments: run(arguments))(data)
    expected = layer_by_layer(jax.jit(lambda arguments: run(arguments)), data)
    plain = jax.jit(lambda x, *given: noiseflow.distribution(variables, config, *given).log_prob(x))
    close(ours[0], plain(*data) / size)
    for place in (0, 1):
        close(ours[place], expected[place])
    (nll, statistics), gradient = ours[2]
    (expected_nll, expected_statistics), expected_gradient = expected[2]
    close(nll, expected_nll)
    if normalisation != "none":
        close(statistics, expected_statistics)
    close(gradient, expected_gradient)


def test_an_unknown_condition_is_nan_under_jit(random_variables, columns):
    config = noiseflow.Config(arch="S-Ax1-G")
    variables = random_variables(config)
    noise, clean, camera, iso = columns((3, 4, 4, 4))
    run = jax.jit(noiseflow.log_prob, static_argnums=1)
    nats = run(variables, config, noise, clean, camera, iso.at[1].set(50.0))
    np.testing.assert_array_equal(jnp.isnan(nats), [False, True, False])


def test_stretches_hold_a_coupling_each():
    layers = parse("W-S-Ax2-G-Ax1-K1-W-Q-Ax1", 4)
    kinds = [[layer.kind for layer in piece] for piece in blocked.stretches(layers, 4)]
    pair = ["conv1x1", "coupling"]
    assert kinds == [
        ["conv1x1"], ["signal"], [*pair, *pair, "gain", *pair], ["causal"], ["conv1x1"],
        ["squeeze"], pair,
    ]  # fmt: skip
    assert all(len(piece) == 1 for piece in blocked.stretches(layers, blocked.WIDEST + 1))


def test_only_the_part_inside_counts(random_variables, float64):
    config = noiseflow.Config(arch="Ax2", width=3)
    variables = random_variables(config)
    layers = parse(config.arch, config.channels)
    latent = jax.random.normal(jax.random.key(5), (1, 12, 9, 4))
    rows, columns = jnp.arange(12), jnp.arange(9)
    inside = blocked.Inside((rows >= 3) & (rows < 10), columns < 8)

    clean = jnp.zeros((1, 12, 9, 4))
    build = layer_builder(variables, config, clean, jnp.array([0]), jnp.array([100]))

    @partial(jax.jit, static_argnames="cut")
    def to_noise(latent, cut):
        return blocked.to_noise(layers, variables, build, latent, inside=None if cut else inside)

    whole = to_noise(latent, cut=False)
    alone = to_noise(latent[:, 3:10, :8], cut=True)
    np.testing.assert_allclose(whole[:, 3:10, :8], alone, rtol=0, atol=TOLERANCE)
