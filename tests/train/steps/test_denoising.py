"""The step that trains a denoiser: which error it lowers, and what it says of it."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxnoise.models import denoiser
from train.steps.denoising import ERRORS, denoising_step, supervised_errors


@pytest.mark.parametrize("normalisation", ["batch", "none"])
@pytest.mark.parametrize(("error", "power"), [("squared", 2), ("absolute", 1)])
def test_a_step_goes_down_the_sum_of_errors_of_an_image(error, power, normalisation):
    settings = denoiser.Config(channels=2, features=3, depth=3, normalisation=normalisation)
    variables = denoiser.init(jax.random.key(0), settings)
    random = np.random.default_rng(0)
    clean = random.uniform(size=(5, 8, 6, 2)).astype(np.float32)
    patches = {"clean": clean, "noisy": clean + 0.1 * random.normal(size=clean.shape)}
    patches = {name: jnp.asarray(value, jnp.float32) for name, value in patches.items()}
    optimiser = optax.sgd(1.0)
    lowered, stated = ERRORS[error]
    assert stated == power
    step = partial(
        denoising_step,
        model=denoiser,
        settings=settings,
        optimiser=optimiser,
        errors=partial(supervised_errors, error=lowered),
        power=power,
    )
    state = {"variables": variables, "optimiser": optimiser.init(variables["params"])}
    after, metrics = step(state, (), patches, jax.random.key(0))

    def residual(parameters):
        given = {**variables, "params": parameters}
        estimate, _ = denoiser.denoise_and_update(given, settings, patches["noisy"])
        return estimate - patches["clean"]

    def loss(parameters):
        return 0.5 * (jnp.abs(residual(parameters)) ** power).sum() / 5

    expected = jax.tree.map(jnp.subtract, variables["params"], jax.grad(loss)(variables["params"]))
    # Sums of some hundred float32 terms, in another order.
    close = partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-4)
    jax.tree.map(close, after["variables"]["params"], expected)
    mse = float((residual(variables["params"]) ** 2).mean())
    np.testing.assert_allclose(metrics["mse"], mse, rtol=1e-5)
    np.testing.assert_allclose(metrics["error_db"], 10 * np.log10(mse), rtol=1e-4)
