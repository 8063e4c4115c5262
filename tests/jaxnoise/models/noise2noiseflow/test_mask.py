"""The joint loss of two shots by the pixels that count."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnoise.models import noise2noiseflow, noiseflow
from jaxnoise.models.noise2noiseflow import OBJECTIVES, State, joint_terms

CONFIG = noise2noiseflow.Config(
    noise_model={"arch": "S-Ax1-G", "cameras": ("a",), "isos": (100,)},
    denoiser={"channels": 4, "features": 4, "depth": 3},
)


def shots(seed=0, number=3):
    random = np.random.default_rng(seed)
    clean = random.uniform(0.1, 0.9, (number, 6, 8, 4))
    noisy = [jnp.asarray(clean + 0.03 * random.normal(size=clean.shape)) for _ in range(2)]
    valid = jnp.asarray(random.uniform(size=(number, 6, 8, 1)) < 0.7).at[-1].set(False)
    return noisy, (jnp.zeros(number, int), jnp.full(number, 100.0)), valid


def loss(variables, noisy, conditions, objective="cross", **options):
    return noise2noiseflow.joint_loss(
        variables, CONFIG, *noisy, *conditions, objective=objective, **options
    )


@pytest.mark.parametrize("objective", ["cross", "self", "difference"])
def test_terms_are_means_over_the_pixels_that_count(objective, float64):
    """A known denoiser and density: means worked out pixel by pixel."""
    noisy, _, valid = shots()
    a, b = (np.asarray(part) for part in noisy)

    def noise_nll(state, noise, clean):
        return jnp.where(valid, 3.0 * noise**2 + clean, 0.0).sum((1, 2, 3)), state

    def denoise(state, noisy):
        return 0.5 * noisy, state

    state = State(0.0, 0.0)
    terms, _ = joint_terms(noise_nll, denoise, state, *noisy, objective=objective, valid=valid)
    clean = np.clip(0.5 * a, 0, 1), np.clip(0.5 * b, 0, 1)
    pairs = {
        "cross": [(a - clean[1], clean[1]), (b - clean[0], clean[0])],
        "self": [(a - clean[0], clean[0]), (b - clean[1], clean[1])],
        "difference": [((a - b) / np.sqrt(2), 0.5 * (clean[0] + clean[1]))],
    }[objective]
    place = np.broadcast_to(valid, a.shape)
    nll = np.mean([(3 * noise**2 + base)[place].mean() for noise, base in pairs])
    np.testing.assert_allclose(terms.nll, nll, rtol=1e-12)
    mse = 0.5 * ((0.5 * a - b)[place] ** 2).mean() + 0.5 * ((0.5 * b - a)[place] ** 2).mean()
    np.testing.assert_allclose(terms.mse, mse, rtol=1e-12)


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_mask_of_all_is_no_mask(objective, train):
    noisy, conditions, valid = shots()
    variables = noise2noiseflow.init(jax.random.key(0), CONFIG)
    options = {"objective": objective, "train": train, "key": jax.random.key(1)}
    got, _ = loss(variables, noisy, conditions, valid=jnp.ones_like(valid), **options)
    expected, _ = loss(variables, noisy, conditions, **options)
    np.testing.assert_allclose(got, expected, rtol=1e-4)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_gradients_are_numbers_where_both_shots_are_clipped(objective):
    noisy, conditions, valid = shots()
    noisy = [jnp.where(valid, part, 0.0) for part in noisy]
    variables = noise2noiseflow.init(jax.random.key(0), CONFIG)

    @jax.jit
    def total(params):
        full = {part: {**variables[part], "params": params[part]} for part in variables}
        terms, _ = loss(
            full, noisy, conditions, objective=objective, valid=valid, key=jax.random.key(1)
        )
        return terms.total

    params = {part: variables[part]["params"] for part in variables}
    value, gradient = jax.value_and_grad(total)(params)
    assert np.isfinite(value)
    leaves = jax.tree.leaves(gradient)
    assert all(np.isfinite(leaf).all() for leaf in leaves)
    assert any(np.asarray(leaf).any() for leaf in leaves)


def test_the_density_is_that_of_the_noise_model():
    noisy, conditions, valid = shots()
    variables = noise2noiseflow.init(jax.random.key(0), CONFIG)
    given = noisy[0] - noisy[1], noisy[1], *conditions
    nats = noise2noiseflow.log_prob(variables, CONFIG, *given, valid=valid)
    expected = noiseflow.log_prob(variables["noise_model"], CONFIG.noise_model, *given, valid=valid)
    np.testing.assert_array_equal(nats, expected)
    assert nats[-1] == 0.0 and (nats[:-1] != 0.0).all()
