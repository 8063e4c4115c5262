"""Arrays that a jitted function does not take but holds: known values inside a trace."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnoise import distances, losses

XS, YS = (
    jnp.asarray(np.random.default_rng(seed).normal(size=(3, 8)), jnp.float32) for seed in (0, 1)
)
DIRECTIONS = jnp.eye(2)
VECTORS = XS.reshape(3, 4, 2)
ONE = jnp.float32(1)

CALLS = {
    "pairwise_mmd2": lambda: distances.pairwise_mmd2(XS, YS, bandwidth=ONE),
    "pairwise_mmd2_exact": lambda: distances.pairwise_mmd2_exact(XS, YS, bandwidth=ONE),
    "pairwise_emd": lambda: distances.pairwise_emd(XS, YS),
    "pairwise_bhattacharyya": lambda: distances.pairwise_bhattacharyya(XS, YS),
    "pairwise_sliced_emd": lambda: distances.pairwise_sliced_emd(
        VECTORS, VECTORS, directions=DIRECTIONS
    ),
    "pairwise_sliced_mmd2": lambda: distances.pairwise_sliced_mmd2(
        VECTORS, VECTORS, directions=DIRECTIONS, bandwidth=ONE
    ),
    "median_bandwidth": lambda: distances.median_bandwidth(XS, YS),
    "contrastive": lambda: losses.contrastive(jnp.abs(XS), temperature=ONE),
    "info_nce": lambda: losses.info_nce(XS, YS, temperature=ONE),
}


@pytest.mark.parametrize("name", CALLS)
def test_captured_arrays_are_as_good_as_arguments(name):
    expected = CALLS[name]()
    found = jax.jit(lambda scale: scale * CALLS[name]())(1.0)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
