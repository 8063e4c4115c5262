"""The table of layer kinds: each entry keeps its word, and a new one needs no other file."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxnoise.batch import NoiseBatch
from jaxnoise.bijectors import ActNorm, chain
from jaxnoise.bijectors.layer_kind import MOMENTS, NETWORKS, LayerKind, Token
from jaxnoise.errors import UsageError
from jaxnoise.models import noiseflow

CAMERAS, ISOS = ("alder", "birch"), (100, 400)
EXAMPLES = {
    "signal": "S",
    "gain": "G-CAM",
    "coupling": "Ax1",
    "conv1x1": "W",
    "squeeze": "Q",
    "causal": "K2",
    "curve": "N",
}


def config(arch, **options):
    return noiseflow.Config(arch=arch, cameras=CAMERAS, isos=ISOS, **options)


def batch(count=64, size=8, seed=0):
    random = np.random.default_rng(seed)
    clean = random.uniform(size=(count, size, size, 4))
    noise = random.normal([0.1, -0.2, 0.3, 0.0], [0.1, 0.2, 0.3, 0.4], size=clean.shape)
    camera, iso = np.arange(count) % 2, np.asarray(ISOS)[np.arange(count) // 2 % 2]
    arrays = (jnp.asarray(values, jnp.float32) for values in (clean, clean + noise))
    return NoiseBatch(*arrays, jnp.asarray(camera), jnp.asarray(iso))


def disturbed(variables):
    """Variables none of which is 0, so that every layer does something."""
    leaves, tree = jax.tree.flatten(variables["params"])
    moved = [
        leaf + 0.2 * jnp.cos(jnp.arange(1.0, leaf.size + 1)).reshape(leaf.shape) for leaf in leaves
    ]
    return {**variables, "params": jax.tree.unflatten(tree, moved)}


def bijector_of(settings, variables, size):
    """The whole chain for one image."""
    clean = jnp.full((1, size, size, 4), 0.3)
    model = noiseflow.distribution(variables, settings, clean, jnp.array([1]), jnp.array([400]))
    return model.bijector


@pytest.mark.fast
def test_every_kind_has_an_example():
    assert set(EXAMPLES) == set(chain.KINDS)
    assert all(name == entry.name for name, entry in chain.KINDS.items())


@pytest.mark.parametrize("kind", EXAMPLES)
def test_reach_and_zoom_are_those_of_the_bijector(kind):
    size, row = 16, 8
    settings = config(EXAMPLES[kind])
    variables = disturbed(noiseflow.init(jax.random.key(0), settings))
    layer = next(layer for layer in chain.parse(settings.arch, 4) if layer.kind == kind)
    entry = chain.kind_of(layer)
    bijector = bijector_of(settings, variables, size)
    # Where the noise of a row goes on from that above it, it is the way back that shows the reach.
    run = jax.jit(bijector.inverse if entry.goes_on else bijector.forward)
    shape = (1, size // entry.zoom, size // entry.zoom, 4 * entry.zoom**2)
    assert chain.latent_shape(settings, (1, size, size, 4)) == shape
    assert bijector.inverse(jnp.zeros((1, size, size, 4))).shape == shape
    image = jax.random.normal(jax.random.key(1), shape)
    change = np.asarray(run(image.at[0, row // entry.zoom].add(0.5)) - run(image))[0]
    rows = np.flatnonzero(np.abs(change).max((1, 2)) > 0)
    above, below = entry.reach(layer)
    # A pixel sees so many rows above it: this row is seen by so many below it.
    assert rows.min() == row - below and rows.max() == row + entry.zoom - 1 + above


@pytest.mark.parametrize(("arch", "factor"), [("S-Ax2", 1), ("Q-W", 2), ("K1-Q-Ax1-Q-W", 4)])
def test_sides_divide_by_the_factor_and_nothing_less(arch, factor):
    assert chain.side_factor(arch, 4) == factor
    settings = config(arch)
    variables = noiseflow.init(jax.random.key(0), settings)
    for size in range(factor, 3 * factor + 1):
        if size % factor:
            with pytest.raises(UsageError):
                bijector_of(settings, variables, size).inverse(jnp.zeros((1, size, size, 4)))
        else:
            bijector_of(settings, variables, size).inverse(jnp.zeros((1, size, size, 4)))


@pytest.mark.fast
def test_only_networks_learn_from_scratch():
    settings = config("S-Ax1-G-K1-N", base="student_t")
    variables = noiseflow.init(jax.random.key(0), settings)
    groups = chain.parameter_groups({"noise_model": variables["params"]})["noise_model"]
    assert jax.tree.structure(groups) == jax.tree.structure(variables["params"])
    # Only the network's last convolution leaves the identity, so data cannot start it.
    networks = {name for name, group in groups.items() if NETWORKS in jax.tree.leaves(group)}
    assert networks == {"02_coupling"}
    assert set(jax.tree.leaves(groups["02_coupling"])) == {NETWORKS}
    assert set(jax.tree.leaves({**groups, "02_coupling": {}})) == {MOMENTS}


def fit_channels(own, layer, left, settings):
    return {
        "params": {
            "log_scale": jnp.log(left.noise.std((0, 1, 2))),
            "shift": left.noise.mean((0, 1, 2)),
        }
    }


PLANTED = LayerKind(
    name="channels",
    tokens=(Token("BN", "scale and shift per channel, N times", r"B(\d)", ("channels",), True),),
    build=lambda layer, own, images, settings, networks: ActNorm(**own["params"]),
    init=lambda key, layer, settings, networks: {
        "params": {name: jnp.zeros(layer.channels) for name in ("log_scale", "shift")}
    },
    fit=fit_channels,
    describe=lambda layers, params, settings: {"shift/0": params[0]["shift"][0]},
)


@pytest.fixture
def planted(monkeypatch):
    monkeypatch.setitem(chain.KINDS, "channels", PLANTED)


def test_a_planted_kind_needs_no_other_file(planted):
    assert chain.tokens()["BN"] == PLANTED.tokens[0].meaning
    names = [layer.name for layer in chain.parse("B2-Q-B1", 4)]
    assert names == ["00_channels", "01_channels", "02_squeeze", "03_channels"]
    settings, shots = config("B1"), batch()
    variables = noiseflow.init(jax.random.key(0), settings)
    assert noiseflow.describe(variables, settings) == {"shift/0": 0.0}
    variables = noiseflow.init_from_data(variables, settings, shots)
    noise = np.asarray(shots.noise, np.float64)
    mean, std = noise.mean((0, 1, 2)), noise.std((0, 1, 2))
    described = noiseflow.describe(variables, settings)
    np.testing.assert_allclose(described["shift/0"], mean[0], rtol=1e-5)
    given = (shots.clean, shots.camera, shots.iso)
    expected = stats.norm.logpdf(noise, mean, std).sum((1, 2, 3))
    got = noiseflow.log_prob(variables, settings, shots.noise, *given)
    # 256 terms of order 1 in float32, of both signs.
    np.testing.assert_allclose(got, expected, rtol=0, atol=256 * 10 * 2.0**-24)
    bijector = noiseflow.distribution(variables, settings, *given).bijector
    again = bijector.forward(bijector.inverse(shots.noise))
    np.testing.assert_allclose(again, noise, rtol=0, atol=1e-6)
    assert set(jax.tree.leaves(chain.parameter_groups(variables["params"]))) == {MOMENTS}


def test_a_planted_kind_works_among_others(planted):
    settings, shots = config("N-B1-Ax1-Q-B2-G", width=2), batch()
    variables = noiseflow.init(jax.random.key(0), settings)
    variables = noiseflow.init_from_data(variables, settings, shots)
    given = (shots.clean, shots.camera, shots.iso)
    model = noiseflow.distribution(variables, settings, *given)
    np.testing.assert_allclose(
        noiseflow.nll_and_update(variables, settings, shots.noise, *given)[0],
        -model.log_prob(shots.noise),
        rtol=1e-4,
    )
    image = np.random.default_rng(3).uniform(size=(11, 9, 4)).astype(np.float32)
    whole, banded = (
        noiseflow.sample_image(jax.random.key(2), variables, settings, image, 0, 100.0, rows=rows)
        for rows in (None, 3)
    )
    np.testing.assert_allclose(banded, whole, rtol=0, atol=1e-6)
