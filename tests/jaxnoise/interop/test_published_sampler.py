"""The published sampler takes the statistics of the batch that it draws; so can ours.

The checkpoint and the numbers are the user's: JAXNOISE_DATA names a folder that holds them.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnoise.interop import noise_flow_tf
from jaxnoise.models import noiseflow

CASE = "c2_S6_00400"


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_latent_and_samples_with_batch_statistics(real_images, precision):
    folder = real_images / "reference"
    if not (folder / "noiseflow_vectors.npz").is_file():
        pytest.skip("JAXNOISE_DATA holds no reference/noiseflow_vectors.npz")
    with np.load(folder / "noiseflow_vectors.npz") as vectors:
        noise, clean, start = (vectors[f"{CASE}/{name}"] for name in ("noise", "clean", "z0"))
        expected = {name: vectors[f"{CASE}/train_mode/f64/{name}"] for name in ("z", "gen", "nll")}
    with jax.enable_x64(precision == "float64"):
        config, variables = noise_flow_tf(folder / "checkpoints" / "noiseflow_tf")
        variables = jax.tree.map(lambda leaf: leaf.astype(float), variables)
        conditions = jnp.asarray(clean, float), jnp.full(2, 2), jnp.full(2, 400)

        @jax.jit
        def outputs(variables):
            flow = noiseflow.distribution(variables, config, *conditions, batch_statistics=True)
            return {
                "z": flow.bijector.inverse(jnp.asarray(noise, float)),
                "gen": flow.bijector.forward(jnp.asarray(start, float)),
                "nll": -flow.log_prob(jnp.asarray(noise, float)),
            }

        found = outputs(variables)
    exact = {"z": 1e-9, "gen": 1e-9, "nll": 1e-8}
    tolerance = exact if precision == "float64" else {"z": 5e-5, "gen": 2e-6, "nll": 1.2e-2}
    for name, atol in tolerance.items():
        np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=atol, err_msg=name)
