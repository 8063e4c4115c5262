"""The noise flow: counts, closed forms, batch statistics, conditions, start from data."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxnoise.models
from jaxnoise.errors import UsageError
from jaxnoise.models import noiseflow

CAMERAS, ISOS = ("alder", "birch"), (100, 400)
LN_2PI = np.log(2 * np.pi)


def config(arch="S-Ax1-G-Ax1-CAM", **options):
    return noiseflow.Config(arch=arch, cameras=CAMERAS, isos=ISOS, **options)


def random_variables(options, seed=0):
    """Variables away from their initial values, so that no layer is the identity."""
    variables = noiseflow.init(jax.random.key(seed), options)
    random = np.random.default_rng(seed + 1)
    move = lambda leaf: jnp.asarray(leaf + 0.1 * random.normal(size=leaf.shape), leaf.dtype)  # noqa: E731
    return {**variables, "params": jax.tree.map(move, variables["params"])}


def log_prob(variables, options, *arguments):
    """Compiled, which takes less time than step by step."""
    run = jax.jit(noiseflow.log_prob, static_argnums=1)
    return run(variables, options, *arguments)


def conditions(count=3, size=(6, 8), channels=4):
    clean = jax.random.uniform(jax.random.key(3), (count, *size, channels))
    noise = 0.1 * jax.random.normal(jax.random.key(4), clean.shape)
    return noise, clean, jnp.arange(count) % 2, jnp.asarray([100, 200, 400])[jnp.arange(count) % 3]


def test_the_reference_form_stores_as_many_parameters_as_published():
    count = lambda arch: noiseflow.parameter_count(  # noqa: E731
        noiseflow.init(
            jax.random.key(0),
            noiseflow.Config(arch=arch, parameterisation="reference", normalisation="batch"),
        )
    )
    assert count("S-Ax4-G-Ax4-CAM") == 2433
    assert count("S-Ax1-G-Ax1-CAM") == 627
    assert count("S-G-CAM") == 25
    assert count("S-G") == 10
    assert count("Ax4") == 4 * 301


@pytest.mark.fast
def test_the_paper_form_has_one_factor_per_camera_and_iso():
    variables = noiseflow.init(jax.random.key(0), noiseflow.Config(arch="S-G-CAM"))
    assert noiseflow.parameter_count(variables) == 2 + 5 + 5


def test_signal_and_gain_alone_are_a_noise_level_function():
    options = config("S-G-CAM")
    variables = random_variables(options)
    noise, clean, camera, _ = conditions()
    iso = jnp.asarray([100, 400, 400])
    shared = variables["params"]["signal_gain"]
    gain = jnp.exp(shared["v"][jnp.asarray([0, 1, 1])] + shared["log_psi"][camera]) * iso
    gain = gain[:, None, None, None]
    # The paper's generated variance: gain beta1 I + gain^2 beta2.
    variance = gain * jnp.exp(shared["b1"]) * clean + gain**2 * jnp.exp(shared["b2"])
    expected = -0.5 * (noise**2 / variance + jnp.log(variance) + LN_2PI).sum((1, 2, 3))
    got = log_prob(variables, options, noise, clean, camera, iso)
    np.testing.assert_allclose(got, expected, rtol=2e-5)


@pytest.mark.fast
def test_a_fresh_flow_has_identity_couplings():
    options = config("Ax4")
    variables = noiseflow.init(jax.random.key(0), options)
    noise, clean, camera, iso = conditions()
    expected = -0.5 * (noise**2 + LN_2PI).sum((1, 2, 3))
    got = log_prob(variables, options, noise, clean, camera, iso)
    np.testing.assert_allclose(got, expected, rtol=1e-5)


ARCHES = {
    "S-Ax1-G-Ax1-CAM": {},
    "N-Q-W-K1": {"base": "student_t", "taps": "conditional"},
    "Ax1-K2-G": {"parameterisation": "reference"},
}


@pytest.mark.parametrize("arch", ARCHES)
def test_density_is_that_of_the_jacobian_and_sampling_inverts(arch, float64):
    options = config(arch, channels=3, **ARCHES[arch])
    variables = random_variables(options)
    noise, clean, camera, iso = conditions(1, (4, 4), 3)
    flow = lambda v: noiseflow.distribution(v, options, clean, camera, iso)  # noqa: E731
    latent = jax.jit(lambda v, n: flow(v).bijector.inverse(n))(variables, noise)
    to_latent = lambda v, flat: flow(v).bijector.inverse(flat.reshape(noise.shape)).ravel()  # noqa: E731
    jacobian = jax.jit(jax.jacobian(to_latent, argnums=1))(variables, noise.ravel())
    _, log_det = np.linalg.slogdet(jacobian)
    base = jax.jit(lambda v, z: flow(v).distribution.log_prob(z))
    expected = base(variables, latent) + log_det
    got = log_prob(variables, options, noise, clean, camera, iso)
    np.testing.assert_allclose(got, expected, rtol=1e-9)
    again = jax.jit(lambda v, z: flow(v).bijector.forward(z))(variables, latent)
    np.testing.assert_allclose(again, noise, atol=1e-9)


@pytest.mark.fast
def test_temperature_scales_the_latent():
    options = config("S-G-CAM")
    variables = random_variables(options)
    _, clean, camera, iso = conditions()
    draw = jax.jit(
        lambda t: noiseflow.sample(
            jax.random.key(0), variables, options, clean, camera, iso, temperature=t
        )
    )
    np.testing.assert_allclose(draw(0.6), 0.6 * draw(1.0), rtol=1e-5)


@pytest.mark.parametrize("normalisation", ["none", "batch", "batch_affine"])
def test_training_mode_uses_and_moves_batch_statistics(normalisation):
    options = config(normalisation=normalisation)
    variables = random_variables(options)
    noise, clean, camera, iso = conditions(6)
    step = jax.jit(noiseflow.nll_and_update, static_argnums=1)
    nll, updated = step(variables, options, noise, clean, camera, iso)
    evaluated = -log_prob(variables, options, noise, clean, camera, iso)
    assert jax.tree.structure(updated) == jax.tree.structure(variables)
    if normalisation == "none":
        np.testing.assert_allclose(nll, evaluated, rtol=1e-5)
        return
    assert np.abs(nll - evaluated).max() > 1e-3
    state, before = updated["batch_stats"], variables["batch_stats"]
    for _ in range(200):
        _, updated = step(updated, options, noise, clean, camera, iso)
    settled = -log_prob(updated, options, noise, clean, camera, iso)
    # 0.9^200 is 1e-9: the running statistics are those of the batch.
    np.testing.assert_allclose(settled, nll, rtol=1e-4)
    assert jax.tree.leaves(state)[0].shape == jax.tree.leaves(before)[0].shape


def test_permuting_images_with_their_conditions_permutes_likelihoods():
    options = config()
    variables = random_variables(options)
    batch = conditions()
    order = jnp.asarray([2, 0, 1])
    got = log_prob(variables, options, *(array[order] for array in batch))
    np.testing.assert_allclose(got, log_prob(variables, options, *batch)[order], rtol=1e-6)


@pytest.mark.fast
def test_unknown_conditions_raise_outside_jit():
    options = config()
    variables = noiseflow.init(jax.random.key(0), options)
    noise, clean, camera, iso = conditions()
    with pytest.raises(UsageError, match="alder, birch"):
        noiseflow.log_prob(variables, options, noise, clean, camera + 5, iso)
    with pytest.raises(UsageError, match="ISO 40 is unknown"):
        noiseflow.sample(jax.random.key(0), variables, options, clean, camera, iso * 0 + 40)


@pytest.mark.parametrize("arch", ["S-Ax1-G-Ax1-CAM", "S-G", "W-K1"])
def test_unknown_conditions_are_nan_under_jit_whatever_the_layers(arch):
    options = config(arch)
    variables = random_variables(options)
    noise, clean, _, _ = conditions(3)
    camera, iso = jnp.asarray([0, 7, 1]), jnp.asarray([100, 100, 50])
    density = log_prob(variables, options, noise, clean, camera, iso)
    sample = jax.jit(noiseflow.sample, static_argnums=2)
    drawn = sample(jax.random.key(0), variables, options, clean, camera, iso)
    nll, _ = jax.jit(noiseflow.nll_and_update, static_argnums=1)(
        variables, options, noise, clean, camera, iso
    )
    for values in (density, drawn.sum((1, 2, 3)), nll):
        np.testing.assert_array_equal(np.isnan(values), [False, True, True])


@pytest.mark.fast
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"arch": "S-X4-G"}, "unknown token 'X4'"),
        ({"arch": "S-CAM"}, "add G"),
        ({"arch": "S-S-G"}, "S twice"),
        ({"arch": "CAM-G", "channels": 1}, "at least 2 channels"),
        ({"parameterisation": "mine"}, "use paper or reference"),
        ({"base": "cauchy"}, "use normal or student_t"),
        ({"isos": (400, 100)}, "ascending"),
        ({"cameras": ("a", "a")}, "each once"),
        ({"width": 0}, "width is 0"),
    ],
)
def test_wrong_configurations_are_refused(options, message):
    with pytest.raises(UsageError, match=message):
        noiseflow.Config(**options)


@pytest.mark.fast
def test_describe_names_what_has_a_meaning():
    options = config()
    values = noiseflow.describe(noiseflow.init(jax.random.key(0), options), options)
    assert values["gain/400"] == pytest.approx(2.0)
    assert values["camera/birch"] == pytest.approx(1.0)
    assert values["beta1"] == pytest.approx(np.exp(-5.0))
    curve = config("N-W-K2", base="student_t", taps="conditional")
    values = noiseflow.describe(noiseflow.init(jax.random.key(0), curve), curve)
    assert values["shot/alder/100"] == pytest.approx(1e-4)
    assert values["degrees_of_freedom"] == pytest.approx(10.0)
    assert values["tap/above"] == 0.0


@pytest.mark.fast
def test_models_are_found_by_name():
    assert jaxnoise.models.get("noiseflow") is noiseflow
    with pytest.raises(UsageError, match="known are .*noiseflow"):
        jaxnoise.models.get("noisyflow")
