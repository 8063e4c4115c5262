"""Distances, losses and metrics of 64-bit integers, and of arrays of another byte order.

JAX wraps the one around without a word and refuses the other, so scipy and scikit-image say what is
right, or the same numbers as floats of this machine.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from jaxnoise import distances, losses, metrics

LARGE = np.array([65535, 60000, 55000, 3], np.int64) ** 2
"""Beyond 2**31, as squares of 16-bit numbers are."""
KINDS = (">f4", ">f8", ">i4", ">i8", "<u8")
ROUNDING = 1e-5


def samples(seed: int, kind: str, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 50, shape).astype(kind)


@pytest.mark.parametrize("kind", ["<i8", ">i8", "<u8"])
def test_large_integers_do_not_wrap(kind):
    x, y = LARGE.astype(kind), np.zeros(4, kind)
    right = scipy.stats.wasserstein_distance(LARGE, [0])
    assert float(distances.emd(x, y)) == pytest.approx(right, rel=ROUNDING)
    spread = np.abs(LARGE[:, None] - LARGE)[np.triu_indices(4, 1)]
    right = np.sqrt(2) * np.median(spread)
    assert float(distances.median_bandwidth(x)) == pytest.approx(right, rel=ROUNDING)
    matrix = (2**40 * (1 - np.eye(3))).astype(kind)
    value = losses.contrastive(matrix, temperature=2.0**40)
    assert float(value) == pytest.approx(np.log(1 + 2 * np.exp(-1)), rel=ROUNDING)
    value = losses.info_nce(matrix + matrix.T, matrix + 1, temperature=1.0)
    as_floats = [array.astype(np.float32) for array in (matrix + matrix.T, matrix + 1)]
    assert float(value) == float(losses.info_nce(*as_floats, temperature=1.0))


@pytest.mark.parametrize("kind", KINDS)
def test_distances_know_every_kind_of_number(kind):
    x, y = samples(0, kind, 30), samples(1, kind, 40)
    same = x.astype(np.float32), y.astype(np.float32)
    assert float(distances.emd(x, y)) == pytest.approx(
        scipy.stats.wasserstein_distance(*same), rel=ROUNDING
    )
    for one in (distances.mmd2, distances.mmd2_exact):
        options = {"bandwidth": np.array(9.0, ">f4")}
        assert float(one(x, y, **options)) == float(one(*same, bandwidth=9.0))
    assert float(distances.bhattacharyya(x, y)) == float(distances.bhattacharyya(*same))
    assert distances.mmd2_nodes(x, y, bandwidth=9.0) == distances.mmd2_nodes(*same, bandwidth=9.0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", [np.asarray, jnp.asarray], ids=["numpy", "jax"])
def test_metrics_know_every_kind_of_number(kind, place):
    a, b = samples(0, kind, 1, 12, 12, 3), samples(1, kind, 1, 12, 12, 3)
    right = np.float64(a[0]), np.float64(b[0])
    other = place(b.astype(np.float32))
    psnr = metrics.psnr(a, other, data_range=255)
    assert float(psnr[0]) == pytest.approx(
        peak_signal_noise_ratio(*right, data_range=255), rel=ROUNDING
    )
    ssim = metrics.ssim(a, other, data_range=255, preset="skimage")
    reference = structural_similarity(*right, data_range=255, channel_axis=-1)
    assert float(ssim[0]) == pytest.approx(reference, abs=ROUNDING)
    edges = np.arange(0.0, 51.0)
    kl = metrics.marginal_kl(a, other, edges=edges)
    native = [image.astype(np.float64).ravel() for image in (a, b)]
    p, q = (np.array([(image == value).sum() for value in range(51)]) + 1 for image in native)
    p, q = (np.append(counts, 1) / (counts.sum() + 1) for counts in (p, q))
    assert float(kl) == pytest.approx((p * np.log(p / q)).sum(), rel=1e-4)


def test_integers_have_differences_below_zero():
    first, second = np.array([1, 2], np.uint8), np.array([2, 4], np.uint8)
    assert metrics.paired_difference(first, second) == (-1.5, 0.5)
    assert metrics.paired_difference(jnp.asarray(first), jnp.asarray(second)) == (-1.5, 0.5)
    assert metrics.nll_per_dim(np.array([3], np.uint8), (1, 1, 3)) == -1.0


def test_noise_in_another_unit_is_told():
    random = np.random.default_rng(0)
    real, synthetic = random.normal(0, 10, 2000), random.normal(0, 1, 2000)
    for place in (np.asarray, jnp.asarray):
        with pytest.warns(UserWarning, match="9. % of the values of (real|synthetic) .*0.1"):
            metrics.marginal_kl(place(real), place(synthetic))
    with pytest.warns(UserWarning, match="values of real .*0.1"):
        metrics.patch_marginal_kl(real.reshape(2, -1), 0.001 * real.reshape(2, -1))
    with pytest.warns(UserWarning, match="values of real .*0.1"):
        metrics.marginal_kl_floor(real)
    with pytest.warns(UserWarning, match="values of real"):
        metrics.ks(real, synthetic)
    # In its own unit, or with bins for it, nothing is said: warnings are errors here.
    own = metrics.marginal_kl(real / 255, synthetic / 255)
    edges = metrics.NOISE_EDGES * 255
    assert metrics.marginal_kl(real, synthetic, edges=edges) == pytest.approx(own, rel=1e-9)
    metrics.ks(real, synthetic, limit=50.0)
    integers = np.rint(real).astype(np.int16)
    metrics.marginal_kl(integers, integers, edges=edges)
    metrics.ks(integers, integers, limit=50)


@pytest.mark.parametrize("place", [np.asarray, jnp.asarray], ids=["numpy", "jax"])
def test_floats_of_another_range_are_told(place):
    a, b = (place(samples(seed, "<f4", 12, 12, 3) * 5) for seed in (0, 1))
    for metric in (metrics.psnr, metrics.ssim):
        with pytest.warns(UserWarning, match="values up to 245 .*data_range, such as 255"):
            metric(a, b)
        with pytest.warns(UserWarning, match="values up to 245"):
            jax.jit(lambda metric=metric: metric(a, b))()
        # Stated, or as fractions, it is the same number, and nothing is said: warnings are errors.
        stated, fractions = metric(a, b, data_range=255), metric(a / 255, b / 255)
        assert float(stated) == pytest.approx(float(fractions), rel=1e-4)
    right = np.float64(a), np.float64(b)
    right = peak_signal_noise_ratio(*right, data_range=255)
    assert float(metrics.psnr(a, b, data_range=255)) == pytest.approx(right, rel=ROUNDING)
    # Noise takes fractions of full scale a little beyond it.
    metrics.psnr(a / 245 + 0.5, b / 245)
