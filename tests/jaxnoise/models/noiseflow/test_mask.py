"""Pixels that do not count: what they hold does not matter, and the rest has a density."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from scipy import stats

from jaxnoise.batch import NoiseBatch, whole_cells
from jaxnoise.bijectors.chain import counted, parse
from jaxnoise.errors import UsageError
from jaxnoise.models import noiseflow
from jaxnoise.models.noiseflow.layers import layer_builder

CAMERAS, ISOS = ("a", "b"), (100, 800)
CONFIGS = {
    "S-Ax2-G-Ax1-CAM": {},
    "S-G-Ax2": {"parameterisation": "reference", "normalisation": "batch"},
    "S-Ax1": {"width": 40, "normalisation": "batch_affine"},
    "N-K2-W": {"base": "student_t", "taps": "conditional"},
    "S-Q-Ax1-K1": {},
    "N-K1-Ax2": {"width": 40},
}


def settings(arch):
    return noiseflow.Config(arch=arch, cameras=CAMERAS, isos=ISOS, **CONFIGS[arch])


def images(seed, *, number=3, height=6, width=8, channels=4):
    random = np.random.default_rng(seed)
    clean = jnp.asarray(random.uniform(0.05, 0.9, (number, height, width, channels)))
    noise = jnp.asarray(random.normal(size=clean.shape)) * jnp.sqrt(2e-3 * clean + 1e-5)
    valid = jnp.asarray(random.uniform(size=(number, height, width, 1)) < 0.7)
    camera = jnp.arange(number) % 2
    iso = jnp.asarray([100.0, 800.0, 300.0])[:number]
    return noise, clean, camera, iso, valid


def fitted(config, seed=0):
    """Variables off their start, so that couplings and taps do something."""
    noise, clean, camera, iso, _ = images(seed, height=16, width=16)
    variables = noiseflow.init(jax.random.key(seed), config)
    batch = NoiseBatch(clean, clean + noise, camera, iso)
    variables = noiseflow.init_from_data(variables, config, batch)
    flat, unravel = ravel_pytree(variables["params"])
    moved = flat + 0.1 * jax.random.normal(jax.random.key(seed + 1), flat.shape)
    moved = {**variables, "params": unravel(moved)}
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, float), moved)


def value_and_gradients(config, variables, noise, clean, camera, iso, **mask):
    """Likelihood in both modes, the statistics, and the derivatives by parameters and noise."""

    def total(params, noise):
        given = {**variables, "params": params}, config, noise, clean, camera, iso
        nll, updated = noiseflow.nll_and_update(*given, **mask)
        nats = noiseflow.log_prob(*given, **mask)
        return (nll + 0.5 * nats).sum(), (nll, nats, updated["batch_stats"])

    function = jax.jit(jax.value_and_grad(total, (0, 1), has_aux=True))
    return function(variables["params"], noise)


@pytest.mark.parametrize("garbage", [7.0, np.nan, np.inf])
@pytest.mark.parametrize("arch", CONFIGS)
def test_what_other_pixels_hold_does_not_matter(arch, garbage):
    config = settings(arch)
    variables = fitted(config)
    noise, clean, camera, iso, valid = images(3)
    plain = value_and_gradients(config, variables, noise, clean, camera, iso, valid=valid)
    spoilt = (jnp.where(valid, part, garbage) for part in (noise, clean))
    got = value_and_gradients(config, variables, *spoilt, camera, iso, valid=valid)
    for one, other in zip(jax.tree.leaves(got), jax.tree.leaves(plain), strict=True):
        assert np.isfinite(one).all()
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("arch", CONFIGS)
def test_a_mask_of_all_is_no_mask(arch, float64):
    config = settings(arch)
    variables = fitted(config)
    noise, clean, camera, iso, valid = images(4)
    given = config, variables, noise, clean, camera, iso
    got = value_and_gradients(*given, valid=jnp.ones_like(valid))
    expected = value_and_gradients(*given)
    for one, other in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("arch", CONFIGS)
def test_the_mask_of_one_image_does_not_touch_another(arch):
    config = settings(arch)
    variables = fitted(config)
    noise, clean, camera, iso, valid = images(5)
    nats = jax.jit(
        lambda valid: noiseflow.log_prob(variables, config, noise, clean, camera, iso, valid=valid)
    )
    first = nats(valid)
    second = nats(valid.at[1].set(False))
    np.testing.assert_array_equal(first[::2], second[::2])
    assert second[1] == 0.0 and first[1] != 0.0


def standard_density(config, variables, latent):
    if config.base == "normal":
        return stats.norm.logpdf(latent)
    degrees = 2.0 + np.exp(float(variables["params"]["base"]["log_excess"]))
    return stats.t.logpdf(latent, degrees, scale=np.sqrt((degrees - 2.0) / degrees))


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("arch", [arch for arch in CONFIGS if CONFIGS[arch].get("base") is None])
def test_the_rest_has_a_density(arch, train, float64):
    """The log-determinant is that of the dense Jacobian of the valid latents by the valid noise.

    The latent is the derivative of its own log density, up to the sign; the base is normal.
    """
    config = settings(arch)
    if train and config.normalisation != "none":
        pytest.skip("statistics of the batch make one pixel depend on all")
    variables = fitted(config)
    noise, clean, camera, iso, valid = images(6, number=1, height=4, width=4)
    valid = valid.at[0, :2, :2].set(True).at[0, 2, 2].set(False)
    shown = np.asarray(counted(config, valid))
    assert 0 < int(shown.sum()) < 16
    place = np.flatnonzero(np.broadcast_to(shown, noise.shape))

    def latent(values):
        """The valid latents, from chains of plain bijectors cleared between the layers."""
        state = jnp.zeros(noise.size).at[place].set(values).reshape(noise.shape)
        hidden = jnp.where(shown, clean, 0.0)
        build = layer_builder(variables, config, hidden, camera, iso)
        for layer in parse(config.arch, config.channels):
            state, _ = build(layer).inverse_and_log_det(state)
            side = noise.shape[1] // state.shape[1]
            state = jnp.where(shown[:, ::side, ::side], state, 0.0)
        side = noise.shape[1] // state.shape[1]
        kept = np.flatnonzero(np.broadcast_to(shown[:, ::side, ::side], state.shape))
        return state.ravel()[kept]

    values = noise.ravel()[place]
    _, log_det = np.linalg.slogdet(jax.jit(jax.jacobian(latent))(values))
    expected = standard_density(config, variables, latent(values)).sum() + log_det
    given = variables, config, noise, clean, camera, iso
    if train:
        got = -noiseflow.nll_and_update(*given, valid=valid)[0][0]
    else:
        got = noiseflow.log_prob(*given, valid=valid)[0]
    np.testing.assert_allclose(got, expected, rtol=1e-9)


@pytest.mark.parametrize("arch", ["S", "S-G-CAM", "N"])
@pytest.mark.parametrize("base", ["normal", "student_t"])
def test_independent_pixels_have_the_densities_of_scipy(arch, base, float64):
    config = noiseflow.Config(arch=arch, cameras=CAMERAS, isos=ISOS, base=base)
    variables = fitted(config)
    noise, clean, camera, iso, valid = images(7)
    flow = noiseflow.distribution(variables, config, clean, camera, iso)
    mean = flow.bijector.forward(jnp.zeros_like(noise))
    scale = flow.bijector.forward(jnp.ones_like(noise)) - mean
    latent = np.asarray((noise - mean) / scale)
    density = standard_density(config, variables, latent) - np.log(scale)
    expected = np.where(valid, density, 0.0).sum((1, 2, 3))
    got = noiseflow.log_prob(variables, config, noise, clean, camera, iso, valid=valid)
    np.testing.assert_allclose(got, expected, rtol=1e-10)


def test_batch_statistics_are_those_of_the_pixels_that_count(float64):
    """The same values in one image of half the width have the same statistics in a 1x1 network."""
    for arch in ("S-G-Ax2", "S-Ax1"):
        config = settings(arch)
        variables = fitted(config)
        noise, clean, camera, iso, _ = images(8)
        valid = jnp.zeros((3, 6, 8, 1), bool).at[:, :, :4].set(True)
        step = jax.jit(noiseflow.nll_and_update, static_argnums=1)
        masked, updated = step(variables, config, noise, clean, camera, iso, valid=valid)
        cropped = noise[:, :, :4], clean[:, :, :4]
        alone, expected = step(variables, config, *cropped, camera, iso)
        # The edge channel of the last convolution tells the border, which the crop moves.
        first = [name for name in expected["batch_stats"]][:1]
        for name in first:
            for one, other in zip(
                jax.tree.leaves(updated["batch_stats"][name]),
                jax.tree.leaves(expected["batch_stats"][name]),
                strict=True,
            ):
                np.testing.assert_allclose(one, other, rtol=1e-9)
        assert not np.allclose(masked, 0.0) and not np.allclose(alone, 0.0)


@pytest.mark.parametrize("arch", ["S-G-Ax2", "S-Ax1"])
def test_a_batch_without_a_valid_pixel_leaves_numbers(arch):
    config = settings(arch)
    variables = fitted(config)
    noise, clean, camera, iso, valid = images(9)
    (total, aux), gradients = value_and_gradients(
        config, variables, noise, clean, camera, iso, valid=jnp.zeros_like(valid)
    )
    assert total == 0.0
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((aux, gradients)))
    assert all(not np.asarray(leaf).any() for leaf in jax.tree.leaves(gradients))


def test_only_whole_cells_count_behind_a_squeeze():
    valid = jnp.ones((1, 4, 6, 1), bool).at[0, 1, 2].set(False)
    cells = np.ones((4, 6), bool)
    cells[0:2, 2:4] = False
    np.testing.assert_array_equal(whole_cells(valid, 2)[0, :, :, 0], cells)
    np.testing.assert_array_equal(whole_cells(valid, 1), valid)


def clipped(number=64):
    """Scenes of which 30 % are so dark that a sensor gives 0 in every shot."""
    random = np.random.default_rng(1)
    shape = (number, 24, 20, 4)
    clean = random.uniform(0.02, 1.0, shape)
    scale = np.sqrt(2e-3 * clean + 1e-5)
    noisy = np.clip(clean + scale * random.normal(size=shape), 0.0, None)
    noisy[:, :, :6] = clean[:, :, :6] = 0.0
    valid = np.ones((number, 24, 20, 1), bool)
    valid[:, :, :6] = False
    arrays = (jnp.asarray(part, jnp.float32) for part in (clean, noisy))
    conditions = jnp.zeros(number, jnp.int32), jnp.full(number, 100)
    return NoiseBatch(*arrays, *conditions, jnp.asarray(valid))


@pytest.mark.parametrize("arch", ["S-G", "N-K1", "S-W"])
def test_a_start_from_data_leaves_them_out(arch):
    batch = clipped()
    config = noiseflow.Config(arch=arch, cameras=("a",), isos=(100,))
    variables = noiseflow.init(jax.random.key(0), config)
    start = noiseflow.init_from_data(variables, config, batch)
    unmasked = NoiseBatch(batch.clean, batch.noisy, batch.camera, batch.iso)
    wrong = noiseflow.init_from_data(variables, config, unmasked)
    random = np.random.default_rng(2)
    clean = random.uniform(0.0, 0.004, (16, 24, 20, 4))
    scale = np.sqrt(2e-3 * clean + 1e-5)
    noise = scale * random.normal(size=clean.shape)
    arrays = (jnp.asarray(part, jnp.float32) for part in (noise, clean))
    given = config, *arrays, batch.camera[:16], batch.iso[:16]
    truth = stats.norm.logpdf(noise, scale=scale).mean()
    good, bad = (
        float(noiseflow.log_prob(variables, *given).mean()) / clean[0].size
        for variables in (start, wrong)
    )
    # Some 4000 values lie between 0.02 and 0.07; the read variance that they give has an error of
    # an eighth or so, which costs less than 0.01; a curve's extrapolation costs as much again, and
    # the pull of a signal layer's start, b2 = 0, which ten thousandths of weight give, 0.07.
    assert abs(good - truth) < 0.1
    assert truth - bad > 0.2


def test_images_without_a_valid_pixel_are_refused():
    batch = clipped(2)
    config = noiseflow.Config(arch="S-G", cameras=("a",), isos=(100,))
    variables = noiseflow.init(jax.random.key(0), config)
    nothing = jnp.zeros_like(batch.valid)
    with pytest.raises(UsageError, match="No pixel is valid"):
        noiseflow.init_from_data(
            variables,
            config,
            NoiseBatch(batch.clean, batch.noisy, batch.camera, batch.iso, nothing),
        )
