"""Statistical models against closed forms, scipy and the moments of their own samples."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jaxnoise.errors import UsageError
from jaxnoise.noise import autoregressive, awgn, nlf, poisson, poisson_gaussian

CAMERAS, ISOS = ("alder", "birch"), (100, 400)
SHOT, READ = np.asarray([[1e-3, 4e-3], [2e-3, 8e-3]]), np.asarray([[1e-5, 1e-4], [2e-5, 2e-4]])


def data(count=64, size=32, seed=0):
    random = np.random.default_rng(seed)
    clean = random.uniform(size=(count, size, size, 3)) ** 2
    camera, column = np.arange(count) % 2, (np.arange(count) // 2) % 2
    shot, read = (table[camera, column][:, None, None, None] for table in (SHOT, READ))
    noise = np.sqrt(shot * clean + read) * random.normal(size=clean.shape)
    images = jnp.asarray(noise, float), jnp.asarray(clean, float)
    return *images, jnp.asarray(camera), jnp.asarray(np.asarray(ISOS)[column])


def fitted(module, arguments, **options):
    config = module.Config(channels=3, cameras=CAMERAS, isos=ISOS, **options)
    return module.fit(config, *arguments), config


@pytest.mark.fast
def test_awgn_is_one_gaussian():
    arguments = data()
    variables, config = fitted(awgn, arguments)
    noise = np.asarray(arguments[0])
    scale = np.sqrt((noise**2).mean())
    expected = scipy.stats.norm(0, scale).logpdf(noise).sum((1, 2, 3))
    np.testing.assert_allclose(awgn.log_prob(variables, config, *arguments), expected, rtol=1e-4)


@pytest.mark.fast
def test_nlf_finds_shot_and_read_of_each_camera_and_iso():
    arguments = data()
    variables, config = fitted(nlf, arguments)
    for m, k in np.ndindex(2, 2):
        here = np.asarray((arguments[2] == m) & (arguments[3] == ISOS[k]))
        intensity = np.asarray(arguments[1])[here].ravel().astype(float)
        # Fisher information of (shot, read) from Gaussian noise: five standard errors.
        slopes = np.stack([intensity, np.ones_like(intensity)])
        spread = SHOT[m, k] * intensity + READ[m, k]
        errors = 5 * np.sqrt(np.diag(np.linalg.inv((slopes / (2 * spread**2)) @ slopes.T)))
        found = [np.exp(float(variables[name][m, k])) for name in ("log_shot", "log_read")]
        assert abs(found[0] - SHOT[m, k]) < errors[0] and abs(found[1] - READ[m, k]) < errors[1]
    expected = nlf.variance(variables, config, *arguments[1:])
    density = scipy.stats.norm(0, np.sqrt(expected)).logpdf(arguments[0]).sum((1, 2, 3))
    np.testing.assert_allclose(nlf.log_prob(variables, config, *arguments), density, rtol=1e-4)


def test_autoregressive_density_is_that_of_the_dense_gaussian(float64, monkeypatch):
    arguments = data(16, 8)
    variables, config = fitted(autoregressive, arguments, radius=1)
    _, clean, camera, iso = (
        array[:1, :4, :4] if array.ndim > 1 else array[:1] for array in arguments
    )
    noise = arguments[0][:1, :4, :4]

    def draw(white):
        # Sampling is linear in the white noise, so its Jacobian is the covariance's square root.
        monkeypatch.setattr(jax.random, "normal", lambda key, shape, dtype: white.reshape(shape))
        return autoregressive.sample(
            jax.random.key(0), variables, config, clean, camera, iso
        ).ravel()

    root = np.asarray(jax.jit(jax.jacobian(draw))(jnp.zeros(noise.size)))
    mean = np.asarray(draw(jnp.zeros(noise.size)))
    expected = scipy.stats.multivariate_normal(mean, root @ root.T).logpdf(
        np.asarray(noise).ravel()
    )
    got = autoregressive.log_prob(variables, config, noise, clean, camera, iso)
    np.testing.assert_allclose(got[0], expected, rtol=1e-8)


def test_autoregressive_is_no_worse_than_nlf_on_white_noise():
    arguments, held_out = data(128), data(64, seed=1)
    ours, config = fitted(autoregressive, arguments)
    theirs, other = fitted(nlf, arguments)
    values = held_out[0][0].size
    difference = nlf.log_prob(theirs, other, *held_out) - autoregressive.log_prob(
        ours, config, *held_out
    )
    parameters = sum(leaf.size for leaf in jax.tree.leaves(ours))
    assert float(difference.mean()) / values < parameters / arguments[0].size


def test_unknown_conditions_are_refused():
    arguments = data(8, 8)
    for module in (nlf, autoregressive, poisson, poisson_gaussian):
        variables, config = fitted(module, arguments)
        with pytest.raises(UsageError, match="alder, birch"):
            module.sample(
                jax.random.key(0), variables, config, arguments[1], arguments[2] + 2, arguments[3]
            )


@pytest.mark.parametrize("module", [awgn, nlf, autoregressive, poisson, poisson_gaussian])
def test_samples_have_the_variance_of_the_data(module):
    arguments = data()
    variables, config = fitted(module, arguments)
    sample = module.sample(jax.random.key(1), variables, config, *arguments[1:])
    assert sample.shape == arguments[0].shape
    # Variances of n values with kurtosis up to 10 differ by a few of sqrt(9 / n).
    ratio = float(sample.var() / arguments[0].var())
    assert abs(ratio - 1) < 6 * np.sqrt(9 / sample.size)
    assert abs(float(sample.mean())) < 5 * float(sample.std()) / np.sqrt(sample.size)


def test_poisson_counts_photons():
    clean = jnp.full((1, 64, 64, 2), 0.02)
    config = poisson.Config(channels=2)
    variables = {"log_shot": jnp.log(jnp.full((1, 1), 0.01))}
    noise = poisson.sample(
        jax.random.key(0), variables, config, clean, jnp.zeros(1, jnp.int32), jnp.zeros(1)
    )
    counts = np.asarray((noise + clean) / 0.01)
    np.testing.assert_allclose(counts, np.round(counts), atol=1e-4)
    observed = np.bincount(np.round(counts).astype(int).ravel(), minlength=6)[:6] / counts.size
    # Five standard errors of a proportion.
    np.testing.assert_allclose(
        observed, scipy.stats.poisson(2).pmf(np.arange(6)), atol=5 * np.sqrt(0.25 / counts.size)
    )


@pytest.mark.fast
def test_poisson_variance_is_that_of_each_condition():
    # Dark images at high ISO and bright ones at low ISO: one mean intensity for all would be wrong.
    clean = jnp.concatenate([jnp.full((8, 16, 16, 2), 0.8), jnp.full((8, 16, 16, 2), 0.02)])
    iso = jnp.repeat(jnp.asarray([100, 400]), 8)
    spread = jnp.repeat(jnp.asarray([1e-3, 4e-3]), 8)[:, None, None, None]
    noise = jnp.sqrt(spread * clean) * jax.random.normal(jax.random.key(0), clean.shape)
    config = poisson.Config(channels=2, cameras=("alder",), isos=ISOS)
    camera = jnp.zeros(16, jnp.int32)
    photon = jnp.exp(poisson.fit(config, noise, clean, camera, iso)["log_shot"])
    # Five standard errors of a variance from 4096 values.
    np.testing.assert_allclose(photon, [[1e-3, 4e-3]], rtol=5 * np.sqrt(2 / 4096))


def test_next_to_no_shot_noise_is_next_to_no_noise():
    clean = jnp.full((1, 64, 64, 2), 0.5)
    config = poisson.Config(channels=2)
    variables = {"log_shot": jnp.log(jnp.full((1, 1), 1e-14))}
    noise = poisson.sample(
        jax.random.key(0), variables, config, clean, jnp.zeros(1, jnp.int32), jnp.zeros(1)
    )
    # The standard deviation is sqrt(1e-14 / 2); five standard errors of it from 8192 values.
    np.testing.assert_allclose(noise.std(), np.sqrt(0.5e-14), rtol=5 / np.sqrt(2 * 8192))
