"""What pairs of shots say of noise without a clean image, next to what the clean image says."""

from types import SimpleNamespace

import numpy as np
import pytest

from jaxnoise.errors import DataError
from train.report.denoiser_numbers import DenoiserResult, evaluate
from train.report.test_set import TestSet
from train.steps.shot_pairs import MARGIN, check_pairs, halved_difference, likeliest, on_estimates

SHOT, READ = 4e-3, 1e-4


def pairs(count, *, seed=0, side=16):
    """Patches of one intensity each, and two shots with signal-dependent noise."""
    random = np.random.default_rng(seed)
    clean = np.ones((count, side, side, 4)) * random.uniform(0.1, 0.9, (count, 1, 1, 1))
    spread = np.sqrt(SHOT * clean + READ)
    shots = [clean + spread * random.normal(size=clean.shape) for _ in range(2)]
    batch = {
        "clean": clean,
        "noisy": shots[0],
        "noisy2": shots[1],
        "camera": np.zeros(count),
        "iso": np.full(count, 100.0),
    }
    batch = {name: value.astype(np.float32) for name, value in batch.items()}
    return batch | {"camera": batch["camera"].astype(np.int32)}, spread


@pytest.mark.fast
def test_half_the_difference_has_the_variance_of_one_shot():
    batch, spread = pairs(64)
    found = halved_difference(batch)
    # One patch's variance is known to sqrt(2 / 1024) of itself.
    ratio = np.var(found.noise, (1, 2, 3)) / spread[:, 0, 0, 0] ** 2
    np.testing.assert_allclose(ratio, 1, atol=5 * np.sqrt(2 / 1024))
    error = np.asarray(found.clean) - batch["clean"]
    assert np.mean(error**2) == pytest.approx(np.mean(spread**2) / 2, rel=0.05)


def data_of(batch, **facts):
    """A data set of one split."""
    rows = batch | {"mask": np.ones(len(batch["iso"]), bool)}
    return SimpleNamespace(
        batch=lambda *_, **__: batch,
        batches=lambda *_, **__: iter([rows]),
        sizes={"train": len(batch["iso"])},
        channels=4,
        cameras=("one",),
        isos=(100,),
        **{"has_truth": False, "name": "made", "has_clipping": False, "step": 0.0, **facts},
    )


def test_the_lowest_possible_likelihood_is_the_entropy_of_gaussian_noise():
    batch, spread = pairs(256)
    found = likeliest(data_of(batch), patches=256, seed=0, limit=256, batch_size=256) + MARGIN
    entropy = np.mean(0.5 * np.log(2 * np.pi * np.e) + np.log(spread))
    # The fit has a few dozen parameters and sees 262,144 values.
    assert found == pytest.approx(entropy, abs=0.01)


@pytest.mark.fast
def test_a_mean_of_patches_is_one_of_the_pixels_that_count():
    from train.densities import mean_of_patches

    values = np.array([[1.0, 10.0], [3.0, 30.0], [np.nan, np.nan]], np.float32)
    assert mean_of_patches(values, np.array([1.0, 3.0, 0.0])).tolist() == [2.5, 25.0]
    assert mean_of_patches(values[:2], None).tolist() == [2.0, 20.0]


def test_a_flow_that_squeezes_is_judged_on_whole_cells(mesh):
    import jax

    from jaxnoise import models
    from jaxnoise.bijectors.chain import SHARED
    from train.densities import FIELDS, nll_per_dimension

    batch, spread = pairs(8)
    random = np.random.default_rng(3)
    rows = batch | {"mask": np.ones(8, bool), "valid": random.random((8, 16, 16, 1)) > 0.1}
    found = {}
    for arch in ("S", "S-Q"):
        model = models.get("noiseflow")
        config = model.Config(arch=arch, cameras=("one",), isos=(100,))
        variables = model.init(jax.random.key(0), config)
        variables["params"][SHARED] |= {"b1": np.log(SHOT), "b2": np.log(READ)}
        nll = nll_per_dimension(model, config, mesh, fields=(*FIELDS, "valid"))
        found[arch] = nll(variables, [rows])
    # Of one density, per dimension that counts; a patch has about 660 and 160 cells of them.
    np.testing.assert_allclose(found["S"], found["S-Q"], atol=5 * np.sqrt(0.5 / 660))


@pytest.mark.fast
def test_shots_that_are_missing_or_the_same_are_refused():
    batch, _ = pairs(4)
    check_pairs(data_of(batch), batch)
    with pytest.raises(DataError, match="one shot of each scene"):
        check_pairs(data_of(batch), {key: batch[key] for key in ("noisy", "clean")})
    with pytest.raises(DataError, match="do not differ"):
        check_pairs(data_of(batch), batch | {"noisy2": batch["noisy"]})
    with pytest.raises(DataError, match="not finite"):
        check_pairs(data_of(batch), batch | {"noisy2": batch["noisy"] * np.nan})


@pytest.mark.fast
def test_without_clean_images_the_error_is_measured_on_the_other_shot():
    batch, spread = pairs(400, seed=1)
    # A denoiser that leaves 30 % of the noise of its shot.
    shrink = lambda shot: batch["clean"] + 0.3 * (shot - batch["clean"])  # noqa: E731
    adapted = on_estimates(shrink)(batch)
    noise = adapted["noisy"] - adapted["clean"]
    assert noise.var() == pytest.approx(np.mean(spread**2), rel=0.03)
    test = TestSet(
        clean=adapted["clean"],
        noise=noise,
        camera=batch["camera"],
        iso=batch["iso"],
        cameras=("one",),
        shots=(adapted["shot1"], adapted["shot2"]),
    )
    (row,) = evaluate(test, [DenoiserResult("shrunk", 1, shrink(batch["noisy"]))])["denoisers"]
    # Its error is the difference of two numbers that are twelve times as large.
    assert row["error_ratio"] == pytest.approx(0.09, abs=0.02)
    assert row["ssim"] is None
