"""The recovery of known noise: data of known variance, and the bias that theory adds to it."""

import numpy as np
import pytest

from benchmarks import noise2noiseflow_recovery as recovery


def test_an_error_that_follows_the_intensity_adds_to_the_slope():
    clean = np.random.default_rng(0).uniform(size=(8, 16, 16, 4)).astype(np.float32)
    slope, intercept = recovery.widened(2e-3, 3e-5, clean, 5e-4 * clean + 2e-5)
    assert slope == pytest.approx(2.5e-3, rel=1e-3)
    assert intercept == pytest.approx(5e-5, rel=2e-2)


def test_pairs_have_the_known_variance(monkeypatch):
    monkeypatch.setattr(recovery, "SIZES", {"train": 4, "validation": 1, "test": 4})
    data = recovery.scenes(2e-3, 3e-5, blur=recovery.PIXELS_OF_BLUR["smooth"], seed=0)
    columns = data.arrays["train"]
    shape = (4, recovery.SIDE, recovery.SIDE, 4)
    assert columns["clean"].shape == shape and data.sizes["validation"] == 1
    standard = [
        (columns[name] - columns["clean"]) / np.sqrt(2e-3 * columns["clean"] + 3e-5)
        for name in ("noisy", "noisy2")
    ]
    count = np.prod(shape)
    for values in standard:
        assert abs(values.mean()) < 5 / np.sqrt(count)
        assert abs(values.var() - 1) < 5 * np.sqrt(2 / count)
    assert abs(np.mean(standard[0] * standard[1])) < 5 / np.sqrt(count)
    # The mean negative log-likelihood of standard normal values, shifted by their scale.
    scale = np.sqrt(2e-3 * columns["clean"].astype(np.float64) + 3e-5)
    expected = (0.5 * standard[0] ** 2 + np.log(scale) + 0.5 * np.log(2 * np.pi)).sum((1, 2, 3))
    np.testing.assert_allclose(columns["truth"], expected, rtol=1e-5)
