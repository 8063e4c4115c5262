"""The joint loss against plain numpy, what each objective may look at, and its symmetry."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnoise import models
from jaxnoise.errors import UsageError
from jaxnoise.io import load_model, save_model
from jaxnoise.models import noise2noiseflow
from jaxnoise.models.noise2noiseflow import OBJECTIVES, State, joint_terms, recorrupt
from jaxnoise.noise import nlf

SHAPE = (3, 8, 6, 4)
CAMERAS, ISOS = ("a", "b"), (100, 400)


@pytest.fixture(scope="module")
def shots():
    keys = jax.random.split(jax.random.key(0), 3)
    clean = jax.random.uniform(keys[0], SHAPE)
    return [clean + 0.1 * jax.random.normal(key, SHAPE) for key in keys[1:]]


@pytest.fixture(scope="module")
def conditions():
    return jnp.array([0, 1, 0]), jnp.array([100.0, 400.0, 200.0])


@pytest.fixture(scope="module")
def small():
    noise_model = {"arch": "S-Ax1-G", "cameras": CAMERAS, "isos": ISOS}
    denoiser = {"features": 4, "depth": 3}
    return noise2noiseflow.Config(noise_model=noise_model, denoiser=denoiser)


def gaussian(state, noise, clean):
    """White noise of variance exp(state)."""
    nats = 0.5 * (noise**2 * jnp.exp(-state) + state + jnp.log(2 * jnp.pi))
    return nats.sum((1, 2, 3)), state


def blur(state, noisy):
    """A denoiser of one number: the weight of the image's mean."""
    return noisy + state * (noisy.mean((1, 2, 3), keepdims=True) - noisy), state


def by_hand(objective, weight, shots, log_variance, mix):
    """The terms in numpy, float64."""
    first, second = (np.asarray(shot, np.float64) for shot in shots)
    estimate = lambda x: x + mix * (x.mean((1, 2, 3), keepdims=True) - x)  # noqa: E731
    d1, d2 = estimate(first), estimate(second)
    c1, c2 = np.clip(d1, 0, 1), np.clip(d2, 0, 1)
    residuals = {
        "cross": [first - c2, second - c1],
        "self": [first - c1, second - c2],
        "difference": [(first - second) / np.sqrt(2)],
    }
    density = lambda n: 0.5 * (n**2 / np.exp(log_variance) + log_variance + np.log(2 * np.pi))  # noqa: E731
    mean_density = lambda kind: np.mean([density(noise).mean() for noise in residuals[kind]])  # noqa: E731
    nll, added = mean_density(objective), mean_density("cross")
    mse = 0.5 * (((d1 - second) ** 2).mean() + ((d2 - first) ** 2).mean())
    return nll + (objective == "difference") * added + weight * mse, nll, mse


@pytest.mark.fast
@pytest.mark.parametrize("objective", ["cross", "self", "difference"])
def test_terms_by_hand(shots, objective):
    state = State(jnp.float32(-3.0), jnp.float32(0.7))
    terms, after = joint_terms(gaussian, blur, state, *shots, objective=objective, weight=5.0)
    np.testing.assert_allclose(terms, by_hand(objective, 5.0, shots, -3.0, 0.7), rtol=1e-5)
    assert after == state


@pytest.mark.fast
@pytest.mark.parametrize("objective", ["cross", "self", "difference"])
def test_exchanging_the_shots_changes_nothing(shots, objective):
    state = State(jnp.float32(-3.0), jnp.float32(0.7))
    one, other = (
        joint_terms(gaussian, blur, state, *order, objective=objective)[0]
        for order in (shots, shots[::-1])
    )
    np.testing.assert_allclose(one, other, rtol=1e-6)


@pytest.mark.fast
def test_recorrupted_images_have_uncorrelated_noise_where_z_is_like_the_noise():
    clean, std, scale = jnp.full((64, 32, 32, 1), 0.5), 0.1, 4.0
    noise = std * jax.random.normal(jax.random.key(1), clean.shape)
    source, target = recorrupt(jax.random.key(2), clean + noise, scale=scale, std=std)
    one, other = (np.ravel(image - clean) for image in (source, target))
    # The variances are (1 + 16) and (1 + 1/16) times that of the noise.
    np.testing.assert_allclose([one.var(), other.var()], [0.17, 0.010625], rtol=0.03)
    bound = 5 * np.sqrt(0.17 * 0.010625 / one.size)
    assert abs(np.mean(one * other)) < bound


@pytest.mark.fast
def test_single_shots_are_all_that_r2r_and_self_let_the_noise_model_see(shots):
    state = State(jnp.float32(-3.0), jnp.float32(0.7))

    def first_residual(second, objective):
        kept = []

        def record(own, noise, clean):
            kept.append(noise)
            return gaussian(own, noise, clean)

        joint_terms(
            record, blur, state, shots[0], second, objective=objective, key=jax.random.key(0)
        )
        return kept[0]

    for objective in ("r2r", "self"):
        np.testing.assert_array_equal(
            first_residual(shots[1], objective), first_residual(shots[0], objective)
        )
    assert np.abs(first_residual(shots[1], "cross") - first_residual(shots[0], "cross")).max() > 0


@pytest.mark.fast
def test_the_difference_keeps_the_two_models_apart(shots):
    def total(log_variance, mix, objective, weight=0.0):
        state = State(log_variance, mix)
        return joint_terms(gaussian, blur, state, *shots, objective=objective, weight=weight)[0]

    point = jnp.float32(-3.0), jnp.float32(0.7)
    gradient = jax.grad(lambda *state: total(*state, "difference").total, (0, 1))(*point)
    # The noise model's is that of the difference alone, the denoiser's that of the cross-sample.
    of_noise = jax.grad(lambda *state: total(*state, "difference").nll)(*point)
    of_denoiser = jax.grad(lambda *state: total(*state, "cross").total, 1)(*point)
    np.testing.assert_allclose(gradient, (of_noise, of_denoiser), rtol=1e-6)


@pytest.mark.fast
def test_an_unknown_objective_and_r2r_without_a_key_are_refused(shots):
    state = State(jnp.float32(-3.0), jnp.float32(0.7))
    with pytest.raises(UsageError, match="objective is 'crossed'"):
        joint_terms(gaussian, blur, state, *shots, objective="crossed")
    with pytest.raises(UsageError, match="give a key"):
        joint_terms(gaussian, blur, state, *shots, objective="r2r")


def test_any_noise_model_with_a_density_will_do(shots, conditions):
    config = nlf.Config(cameras=CAMERAS, isos=ISOS)
    table = jnp.full((2, 2), -4.0)

    def noise_nll(state, noise, clean):
        return -nlf.log_prob(state, config, noise, clean, *conditions), state

    def total(tables):
        state = State(tables, jnp.float32(0.5))
        return joint_terms(noise_nll, blur, state, *shots)[0].total

    gradient = jax.grad(total)({"log_shot": table, "log_read": table})
    assert all(np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(gradient))


def test_training_mode_moves_both_states_and_evaluation_none(small, shots, conditions):
    config = noise2noiseflow.Config(
        noise_model={**vars(small.noise_model), "normalisation": "batch_affine"},
        denoiser=small.denoiser,
    )
    variables = noise2noiseflow.init(jax.random.key(0), config)
    run = partial(noise2noiseflow.joint_loss, variables, config, *shots, *conditions)
    _, trained = jax.jit(partial(run, train=True))()
    _, evaluated = jax.jit(partial(run, train=False))()
    assert jax.tree.structure(trained) == jax.tree.structure(variables)
    for part in ("noise_model", "denoiser"):
        before, after = variables[part]["batch_stats"], trained[part]["batch_stats"]
        pairs = zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True)
        assert all(np.abs(old - new).max() > 0 for old, new in pairs)
        same = jax.tree.map(np.array_equal, before, evaluated[part]["batch_stats"])
        assert all(jax.tree.leaves(same))


def test_a_denoiser_that_is_not_trained_gets_no_gradient(small, shots, conditions):
    variables = noise2noiseflow.init(jax.random.key(0), small)

    def total(params, train_denoiser):
        state = {part: {**variables[part], "params": params[part]} for part in params}
        terms, _ = noise2noiseflow.joint_loss(
            state, small, *shots, *conditions, train_denoiser=train_denoiser
        )
        return terms.total

    params = {part: variables[part]["params"] for part in variables}
    largest = lambda tree: max(float(jnp.abs(x).max()) for x in jax.tree.leaves(tree))  # noqa: E731
    gradient_of = jax.jit(jax.grad(total), static_argnums=1)
    gradient = gradient_of(params, False)
    assert largest(gradient["denoiser"]) == 0 and largest(gradient["noise_model"]) > 0
    assert largest(gradient_of(params, True)["denoiser"]) > 0


def test_the_published_sizes_have_their_numbers_of_parameters():
    noise_model = {
        "arch": "S-Ax4-G-Ax4-CAM",
        "parameterisation": "reference",
        "normalisation": "batch_affine",
    }
    config = noise2noiseflow.Config(noise_model=noise_model)
    variables = noise2noiseflow.init(jax.random.key(0), config)
    flow = models.get("noiseflow").parameter_count(variables["noise_model"])
    # 2,559 that count in the published network, and 2 that nothing reads.
    assert flow == 2561
    assert models.get("denoiser").parameter_count(variables["denoiser"]) == 263_616
    assert noise2noiseflow.parameter_count(variables) == flow + 263_616


def test_a_model_folder_gives_both_models_back(small, shots, conditions, tmp_path):
    variables = noise2noiseflow.init(jax.random.key(0), small)
    save_model(tmp_path / "model", "noise2noiseflow", small, variables)
    name, config, loaded = load_model(tmp_path / "model")
    assert (name, config) == ("noise2noiseflow", small)
    np.testing.assert_array_equal(
        noise2noiseflow.denoise(loaded, config, shots[0]),
        noise2noiseflow.denoise(variables, small, shots[0]),
    )
    noise = noise2noiseflow.sample(jax.random.key(1), loaded, config, shots[0], *conditions)
    direct = models.get("noiseflow").sample(
        jax.random.key(1), variables["noise_model"], small.noise_model, shots[0], *conditions
    )
    np.testing.assert_array_equal(noise, direct)
    assert noise2noiseflow.log_prob(loaded, config, noise, shots[0], *conditions).shape == (3,)


@pytest.mark.fast
def test_configurations_that_do_not_belong_together_are_refused():
    with pytest.raises(UsageError, match="3 channels and the denoiser for 4"):
        noise2noiseflow.Config(noise_model={"channels": 3})
    with pytest.raises(UsageError, match="denoiser has no field 'dept': use channels, depth"):
        noise2noiseflow.Config(denoiser={"dept": 9})
    with pytest.raises(UsageError, match="give the Config of denoiser"):
        noise2noiseflow.Config(denoiser=models.get("noiseflow").Config())
    with pytest.raises(UsageError, match="unknown"):
        noise2noiseflow.Config(noise_model_name="nowhere")
    assert set(OBJECTIVES) == {"cross", "self", "r2r", "difference"}
