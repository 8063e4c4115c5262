"""The start from data: near the truth, in both parameterisations, whatever is absent."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnoise.batch import NoiseBatch
from jaxnoise.errors import UsageError
from jaxnoise.models import noiseflow

CAMERAS, ISOS = ("alder", "birch"), (100, 400)
LN_2PI = np.log(2 * np.pi)


def config(arch="S-Ax1-G-Ax1-CAM", **options):
    return noiseflow.Config(arch=arch, cameras=CAMERAS, isos=ISOS, **options)


def log_prob(variables, options, *arguments):
    """Compiled, which takes less time than step by step."""
    run = jax.jit(noiseflow.log_prob, static_argnums=1)
    return run(variables, options, *arguments)


def correlated_batch(count=256, size=16, seed=0):
    """Correlated signal-dependent noise and its true NLL, nats per dimension."""
    random = np.random.default_rng(seed)
    clean = random.uniform(size=(count, size, size, 4)) ** 2
    camera = np.arange(count) % 2
    iso = np.asarray([100, 400])[(np.arange(count) // 2) % 2]
    gain = (iso / 100.0 * (1 + camera))[:, None, None, None]
    scale = np.sqrt(1e-3 * gain * clean + 1e-5 * gain**2)
    white = random.normal(size=clean.shape)
    moving = white + 0.4 * np.pad(white, ((0, 0), (0, 0), (1, 0), (0, 0)))[:, :, :-1]
    mixing = np.eye(4) + 0.3 * np.eye(4, k=-1)
    noise = scale * (moving @ mixing.T)
    truth = (0.5 * (white**2 + LN_2PI) + np.log(scale)).mean((1, 2, 3))
    images = jnp.asarray(clean, float), jnp.asarray(clean + noise, float)
    return NoiseBatch(*images, jnp.asarray(camera), jnp.asarray(iso)), truth


def test_initialisation_from_data_comes_near_the_truth():
    batch, truth = correlated_batch()
    arguments = (batch.noise, batch.clean, batch.camera, batch.iso)
    for arch, excess in {"N-W-K3": 0.004, "S-G-CAM-W-K3": 0.004}.items():
        options = config(arch)
        variables = noiseflow.init_from_data(
            noiseflow.init(jax.random.key(0), options), options, batch
        )
        nll = -log_prob(variables, options, *arguments) / batch.clean[0].size
        # Fitted on these very data: it may only fall below the truth by its parameters' share.
        share = 2 * noiseflow.parameter_count(variables) / batch.clean.size
        assert -share < float((nll - truth).mean()) < excess, arch


def test_initialisation_fits_the_reference_form_too():
    batch, _ = correlated_batch(64)
    options = config("S-G-CAM", parameterisation="reference")
    fresh = noiseflow.init(jax.random.key(0), options)
    fitted = noiseflow.init_from_data(fresh, options, batch)
    arguments = (batch.noise, batch.clean, batch.camera, batch.iso)
    nll = lambda v: float(-log_prob(v, options, *arguments).mean() / 1024)  # noqa: E731
    white = 0.5 * float(jnp.log(2 * jnp.pi * jnp.e * batch.noise.var()))
    assert nll(fitted) < nll(fresh) - 0.5
    assert nll(fitted) < white - 0.1


@pytest.mark.parametrize("parameterisation", ["paper", "reference"])
def test_an_iso_without_data_lies_between_its_neighbours(parameterisation):
    batch, _ = correlated_batch(32)
    options = noiseflow.Config(
        arch="S-G-CAM",
        parameterisation=parameterisation,
        cameras=("alder", "birch", "cedar"),
        isos=(100, 200, 400),
    )
    fresh = noiseflow.init(jax.random.key(0), options)
    variables = noiseflow.init_from_data(fresh, options, batch)
    clean = jnp.full((6, 32, 32, 4), 0.3)
    camera, iso = jnp.asarray([0, 0, 0, 0, 1, 2]), jnp.asarray([100, 200, 400, 100, 100, 100])
    noise = noiseflow.sample(jax.random.key(1), variables, options, clean, camera, iso)
    std = np.asarray(noise).std((1, 2, 3))
    assert std[0] < std[1] < std[2]
    # The third camera has no data and takes the mean of the others.
    assert min(std[3:5]) < std[5] < max(std[3:5])


def test_constant_noise_is_refused():
    batch, _ = correlated_batch(4)
    options = config()
    with pytest.raises(UsageError, match="constant or not finite"):
        noiseflow.init_from_data(
            noiseflow.init(jax.random.key(0), options),
            options,
            NoiseBatch(batch.clean, batch.clean, batch.camera, batch.iso),
        )
