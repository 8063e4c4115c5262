"""Residuals of held-out crops against scipy and numpy, and which differences are joined."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from train.rcl.held_out import _joined, measured
from train.rcl.judge import mean_squares
from train.rcl.networks import Network

pytestmark = pytest.mark.fast

N, SIDE = 3, 6


@dataclass(frozen=True)
class Fading(Network):
    """Its estimate is a part of the noisy image."""

    def estimate(self, variables, noisy, *, train):
        assert not train
        return variables * noisy, variables


NETWORK = Fading("denoiser", None)


def pairs():
    """Noisy and clean crops, each image with noise of its own strength."""
    random = np.random.default_rng(0)
    sigma = np.array([0.02, 0.05, 0.1])[:, None, None, None]
    batch = {}
    for view in ("first", "second"):
        clean = random.uniform(0.2, 0.8, (N, SIDE, SIDE, 3))
        batch[f"{view}_clean"] = clean.astype(np.float32)
        batch[view] = (clean + sigma * random.normal(size=clean.shape)).astype(np.float32)
    return batch


def every(batch, kind=""):
    """First and second crops side by side, in double precision."""
    crops = [batch[f"{view}{kind}"] for view in ("first", "second")]
    return np.float64(np.stack(crops, 1)).reshape(2 * N, -1)


@pytest.mark.parametrize(("known", "truth"), [(True, True), (True, False), (False, False)])
def test_residuals_by_hand(known, truth):
    batch = pairs()
    noisy, clean = every(batch), every(batch, "_clean")
    seen = batch if known else {name: batch[name] for name in ("first", "second")}
    found = measured(None if truth else jnp.float32(0.75), seen, network=NETWORK)
    residual = noisy - clean if truth else 0.25 * noisy
    np.testing.assert_allclose(found["std"], 255 * residual.std(1), rtol=1e-4)
    np.testing.assert_allclose(found["square"], (residual**2).mean(1), rtol=1e-4)
    right = [
        [
            255 * wasserstein_distance(residual[2 * row], residual[2 * column + 1])
            for column in (0, 1, 2)
        ]
        for row in range(N)
    ]
    np.testing.assert_allclose(found["distances"], right, rtol=1e-4)
    assert ("error" in found) == known
    if known:
        errors = ((noisy - residual - clean) ** 2).mean(1)
        for name in ("error", "residual_error"):
            np.testing.assert_allclose(found[name], errors, rtol=1e-4, atol=1e-9)


def test_only_crops_of_other_images_are_compared():
    distances = np.array([[1.0, 4.0, 2.0], [3.0, 2.0, 7.0], [0.0, 5.0, 5.0]], np.float32)
    # Rows 0 and 2 are of one image; in the second batch all are.
    apart = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], bool)
    common = {"std": np.ones(2 * N), "square": np.ones(2 * N)}
    rows = [
        {"distances": distances, "apart": apart, **common},
        {"distances": distances, "apart": np.zeros((3, 3), bool), **common},
    ]
    found = _joined("network", rows)
    assert found.differences.tolist() == [3, 1, 5, 0] and found.gaps.tolist() == [3, 3, 0]
    assert found.std.shape == (4 * N,) and found.error is None


def test_validation_measures_the_same():
    batch = pairs()
    noisy, clean = every(batch), every(batch, "_clean")
    found = mean_squares(jnp.float32(0.75), batch, network=NETWORK)
    expected = {
        "residual": (0.25 * noisy) ** 2,
        "error": (0.75 * noisy - clean) ** 2,
        "noisy_error": (noisy - clean) ** 2,
    }
    assert found.keys() == expected.keys()
    for name, squares in expected.items():
        np.testing.assert_allclose(found[name], squares.mean(), rtol=1e-4)
