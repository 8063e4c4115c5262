"""The laws of every bijector, one line in `ROWS` for each, against automatic differentiation."""

import distrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxnoise.bijectors as bijectors
from jaxnoise.curve import Curve

SHAPES = [(4, 6, 2), (2, 4, 3), (6, 2, 4)]
"""Events (H, W, C): neither square nor of one size."""
BATCH = 3


def normal(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), float)


def clean_image(shape):
    return jnp.asarray(np.random.default_rng(99).uniform(size=shape), float)


def triangle(channels):
    return channels * (channels - 1) // 2


def signal_dependent(shape, batch):
    def build(params):
        return bijectors.SignalDependent(clean_image((*batch, *shape)), **params)

    names = ("log_beta1", "log_beta2", "log_gain")
    return build, {name: normal(k, *batch) for k, name in enumerate(names)}


def noise_curve(shape, batch):
    rows = (*batch, shape[-1])
    params = {
        "log_shot": normal(0, *rows) - 4,
        "log_read": normal(1, *rows) - 6,
        "log_std": 0.3 * normal(2, *rows, 5),
        "mean": 0.1 * normal(3, *rows, 5),
    }
    return lambda p: bijectors.NoiseCurve(clean_image((*batch, *shape)), Curve(**p)), params


def gain(shape, batch):
    return lambda p: bijectors.Gain(**p), {"log_gain": normal(0, *batch)}


def coupling(shape, batch):
    kept, changed = shape[-1] // 2, shape[-1] - shape[-1] // 2

    def build(params):
        def conditioner(x):
            neighbour = jnp.roll(x, 1, -2)
            return jnp.tanh(neighbour @ params["shift"]), jnp.tanh(x @ params["scale"])

        return bijectors.AffineCoupling(conditioner)

    return build, {"shift": normal(0, kept, changed), "scale": normal(1, kept, changed)}


def conv1x1(shape, batch):
    channels = shape[-1]
    permutation = jnp.asarray(np.random.default_rng(5).permutation(np.eye(channels)), float)
    sign = jnp.asarray([-1.0, 1.0, -1.0, 1.0])[:channels]
    params = {
        "lower": normal(0, triangle(channels)),
        "upper": normal(1, triangle(channels)),
        "log_diagonal": 0.3 * normal(2, channels),
    }
    return lambda p: bijectors.Conv1x1(permutation, sign=sign, **p), params


def actnorm(shape, batch):
    rows = (*batch, shape[-1])
    return lambda p: bijectors.ActNorm(**p), {
        "log_scale": normal(0, *rows),
        "shift": normal(1, *rows),
    }


def squeeze(shape, batch):
    return lambda p: bijectors.Squeeze(), {}


def causal(radius, per_image=False):
    def row(shape, batch):
        channels, rows = shape[-1], batch if per_image else ()
        taps = 2 * radius * (radius + 1)
        params = {
            "taps": 0.5 / taps * normal(0, *rows, taps, channels, channels),
            "lower": 0.5 * normal(1, *rows, triangle(channels)),
            "log_scale": 0.3 * normal(2, *rows, channels),
        }
        return lambda p: bijectors.CausalConv(**p), params

    return row


ROWS = {
    "SignalDependent": signal_dependent,
    "NoiseCurve": noise_curve,
    "Gain": gain,
    "AffineCoupling": coupling,
    "Conv1x1": conv1x1,
    "ActNorm": actnorm,
    "Squeeze": squeeze,
    "CausalConv": causal(1),
    "CausalConv, radius 3": causal(3),
    "CausalConv, taps per image": causal(2, per_image=True),
}
CASES = pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
EVENTS = pytest.mark.parametrize("shape", SHAPES[:2], ids=str)


@pytest.mark.fast
def test_every_bijector_has_a_row():
    public = {
        name for name in bijectors.__all__ if issubclass(getattr(bijectors, name), distrax.Bijector)
    }
    assert {name.split(",")[0] for name in ROWS} == public


def inverse(build):
    return jax.jit(lambda params, noise: build(params).inverse_and_log_det(noise))


def forward(build):
    return jax.jit(lambda params, latent: build(params).forward_and_log_det(latent))


@pytest.mark.fast
@CASES
@EVENTS
def test_inverse_undoes_forward(row, shape, float64):
    build, params = row(shape, (BATCH,))
    noise = normal(7, BATCH, *shape)
    latent, inverse_log_det = inverse(build)(params, noise)
    again, log_det = forward(build)(params, latent)
    assert again.dtype == noise.dtype == jnp.float64
    assert again.shape == noise.shape and log_det.shape == inverse_log_det.shape == (BATCH,)
    np.testing.assert_allclose(again, noise, rtol=0, atol=1e-11)
    np.testing.assert_allclose(log_det, -inverse_log_det, rtol=0, atol=1e-11)


@pytest.mark.fast
@CASES
@EVENTS
def test_log_det_is_that_of_the_jacobian(row, shape, float64):
    build, params = row(shape, ())
    noise = normal(7, *shape)

    def run(params, flat):
        latent, log_det = build(params).inverse_and_log_det(flat.reshape(shape))
        return latent.ravel(), log_det

    jacobian, log_det = jax.jit(jax.jacobian(run, argnums=1, has_aux=True))(params, noise.ravel())
    np.testing.assert_allclose(log_det, np.linalg.slogdet(jacobian)[1], atol=1e-9)


@CASES
def test_works_in_float32(row):
    build, params = row(SHAPES[0], (BATCH,))
    noise = normal(7, BATCH, *SHAPES[0])
    latent, log_det = inverse(build)(params, noise)
    assert latent.dtype == log_det.dtype == jnp.float32
    np.testing.assert_allclose(forward(build)(params, latent)[0], noise, rtol=0, atol=1e-4)


@CASES
def test_jit_and_vmap_change_nothing(row, float64):
    shape = SHAPES[2]
    build, params = row(shape, ())
    noise = normal(7, BATCH, *shape)
    expected = build(params).inverse_and_log_det(noise)
    one = inverse(build)
    for run in (one, jax.vmap(one, in_axes=(None, 0))):
        for got, want in zip(run(params, noise), expected, strict=True):
            np.testing.assert_allclose(got, want, rtol=0, atol=1e-12)


@CASES
def test_gradient_is_that_of_finite_differences(row, float64):
    shape = SHAPES[1]
    build, params = row(shape, (BATCH,))
    noise = normal(7, BATCH, *shape)

    @jax.jit
    def nll(arguments):
        params, noise = arguments
        latent, log_det = build(params).inverse_and_log_det(noise)
        return 0.5 * (latent**2).sum() - log_det.sum()

    arguments = (params, noise)
    direction = jax.tree.map(
        lambda leaf: jnp.sin(jnp.arange(leaf.size) + 1.0).reshape(leaf.shape), arguments
    )
    step = 1e-6
    along = lambda t: nll(jax.tree.map(lambda a, d: a + t * d, arguments, direction))  # noqa: E731
    numeric = (along(step) - along(-step)) / (2 * step)
    products = jax.tree.map(
        lambda g, d: (g * d).sum(), jax.jit(jax.grad(nll))(arguments), direction
    )
    np.testing.assert_allclose(sum(jax.tree.leaves(products)), numeric, rtol=1e-6)


@CASES
def test_composes_with_distrax(row, float64):
    shape = SHAPES[0]
    build, params = row(shape, (BATCH,))
    noise = normal(7, BATCH, *shape)
    latent, log_det = inverse(build)(params, noise)

    def flow(params):
        base = distrax.Normal(jnp.zeros(latent.shape), jnp.ones(latent.shape))
        chain = distrax.Chain([bijectors.Gain(jnp.zeros(BATCH)), build(params)])
        return distrax.Transformed(distrax.Independent(base, 3), chain)

    expected = log_det - 0.5 * np.asarray(latent**2 + np.log(2 * np.pi)).sum((1, 2, 3))
    log_prob = jax.jit(lambda params, noise: flow(params).log_prob(noise))
    np.testing.assert_allclose(log_prob(params, noise), expected, rtol=1e-12)
    sample = jax.jit(lambda params: flow(params).sample(seed=jax.random.key(0)))
    assert sample(params).shape == noise.shape
