"""Pieces under a mask: sums, means, moments, taps and curves by the pixels that count alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnoise.batch import NoiseBatch, mean_valid, only_valid
from jaxnoise.causal import fit_taps, gram, predict, solve
from jaxnoise.curve import Curve, curve_table, evaluate, fit_curve, intensity_moments
from jaxnoise.errors import UsageError
from jaxnoise.loaded import Loaded
from jaxnoise.losses import half_sum_per_image, noise2noise_error, squared_error, two_shot_mse
from jaxnoise.metrics import mean_nll_per_dim, nll_per_dim, valid_dimensions
from jaxnoise.models import noiseflow

pytestmark = pytest.mark.fast


def images(seed=0, *, number=3, height=5, width=6, channels=2):
    random = np.random.default_rng(seed)
    shape = (number, height, width, channels)
    values = [jnp.asarray(random.normal(size=shape), jnp.float32) for _ in range(4)]
    valid = jnp.asarray(random.uniform(size=(*shape[:3], 1)) < 0.6)
    return *values, valid


def test_a_batch_has_a_mask_or_none():
    clean, noisy, _, _, valid = images()
    conditions = jnp.zeros(3, int), jnp.full(3, 100)
    assert NoiseBatch(clean, noisy, *conditions).valid is None
    masked = NoiseBatch(clean, noisy, *conditions, valid)
    (leaves, bare) = jax.tree.leaves(masked), jax.tree.leaves(NoiseBatch(clean, noisy, *conditions))
    assert len(leaves) == len(bare) + 1


def test_means_of_errors_are_those_of_the_pixels_that_count():
    a, b, c, d, valid = images()
    place = np.broadcast_to(valid, a.shape)
    pick = lambda values: np.asarray(values, np.float64)[place]  # noqa: E731
    assert float(mean_valid(a, valid)) == pytest.approx(pick(a).mean(), rel=1e-4)
    assert float(mean_valid(a, jnp.zeros_like(valid))) == 0.0
    square = squared_error(a, b, valid=valid)
    np.testing.assert_allclose(pick(square), (pick(a) - pick(b)) ** 2, rtol=1e-5, atol=1e-7)
    assert not np.asarray(square)[~place].any()
    expected = 0.5 * ((pick(a) - pick(c)) ** 2).mean() + 0.5 * ((pick(b) - pick(d)) ** 2).mean()
    assert float(two_shot_mse(a, b, c, d, valid=valid)) == pytest.approx(expected, rel=1e-5)
    both = noise2noise_error(a, b, d, c, valid=valid)
    assert float(mean_valid(both, valid)) == pytest.approx(expected, rel=1e-5)
    half = half_sum_per_image(both, valid=valid)
    assert float(half) == pytest.approx(0.5 * expected * a[0].size, rel=1e-5)


@pytest.mark.parametrize("garbage", [np.nan, np.inf, 5.0])
def test_errors_and_their_gradients_do_not_see_the_other_pixels(garbage):
    *parts, valid = images(1)
    function = jax.value_and_grad(
        lambda *given: two_shot_mse(*given, valid=valid), argnums=(0, 1, 2, 3)
    )
    spoilt = [jnp.where(valid, part, garbage) for part in parts]
    got, expected = jax.tree.leaves(function(*spoilt)), jax.tree.leaves(function(*parts))
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("xp", [np, jnp])
def test_nats_per_valid_dimension(xp):
    valid = np.zeros((3, 4, 5, 1), bool)
    valid[0] = True
    valid[1, :2, :3] = True
    nats = xp.asarray([-40.0, -36.0, 0.0])
    valid = xp.asarray(valid)
    np.testing.assert_array_equal(valid_dimensions(valid, (4, 5, 2)), [40, 12, 0])
    np.testing.assert_allclose(nll_per_dim(nats, (4, 5, 2), valid), [1.0, 3.0, 0.0])
    # An image has as much say as it has pixels that count.
    assert float(mean_nll_per_dim(nats, (4, 5, 2), valid)) == pytest.approx((40 + 36) / 52)
    assert float(mean_nll_per_dim(nats, (4, 5, 2))) == pytest.approx((40 + 36) / 3 / 40)
    assert float(mean_nll_per_dim(nats * 0, (4, 5, 2), xp.zeros_like(valid))) == 0.0
    gradient = jax.grad(lambda x: mean_nll_per_dim(x, (4, 5, 2), jnp.asarray(valid)))(nats * 1.0)
    np.testing.assert_allclose(gradient, [-1 / 52, -1 / 52, -1 / 52])


def test_moments_count_the_pixels_of_the_mask_in_their_bins():
    noise, clean, _, _, valid = images(2)
    clean = jnp.abs(clean) / 4
    key = jnp.asarray([0, 1, 1], jnp.int32)
    spoilt = [jnp.where(valid, part, np.nan) for part in (noise, clean)]
    got = intensity_moments(*spoilt, key, keys=2, bins=8, valid=valid)
    place = np.asarray(valid)[..., 0]
    for k, members in enumerate(([0], [1, 2])):
        shown = place[members]
        light, residual = (np.asarray(part)[members][shown] for part in (clean, noise))
        bins = np.clip((np.sqrt(np.clip(light, 0, 1)) * 8).astype(int), 0, 7)
        for c in range(2):
            count = np.bincount(bins[:, c], minlength=8)
            second = np.bincount(bins[:, c], residual[:, c].astype(float) ** 2, minlength=8)
            np.testing.assert_array_equal(got.number[k, c], count)
            np.testing.assert_allclose(got.second[k, c], second, rtol=1e-5, atol=1e-7)


def test_sums_of_neighbours_have_complete_pixels_only():
    values, _, _, _, _ = images(3, number=2, height=7, width=8)
    valid = jnp.ones((2, 7, 8, 1), bool).at[0, 3, 4].set(False).at[1, :, 6:].set(False)
    key = jnp.asarray([0, 1], jnp.int32)
    spoilt = jnp.where(valid, values, np.nan)
    sums, pixels = gram(spoilt, key, radius=1, keys=2, valid=valid)
    offsets = [(0, 1), (1, -1), (1, 0), (1, 1)]
    flags = np.pad(np.asarray(valid)[..., 0], ((0, 0), (1, 1), (1, 1)), constant_values=True)
    padded = np.pad(np.asarray(values, np.float64), ((0, 0), (1, 1), (1, 1), (0, 0)))
    for image in range(2):
        rows = []
        for y in range(1, 8):
            for x in range(1, 9):
                around = [(y - dy, x - dx) for dy, dx in offsets] + [(y, x)]
                if all(flags[image][place] for place in around):
                    rows.append(np.concatenate([padded[image][place] for place in around]))
        assert float(pixels[image]) == len(rows) < 56
        np.testing.assert_allclose(sums[image], np.transpose(rows) @ rows, rtol=1e-4, atol=1e-4)


def test_a_mask_does_not_draw_taps_to_zero():
    """A correlated field behind scattered holes keeps its taps, to the error of their number."""
    taps = jnp.zeros((4, 1, 1)).at[0].set(0.6)
    field = solve(jax.random.normal(jax.random.key(0), (32, 40, 40, 1)), taps)
    valid = jax.random.uniform(jax.random.key(1), field.shape) < 0.8
    key = jnp.zeros(32, jnp.int32)
    sums, pixels = gram(field, key, radius=1, keys=1, valid=valid)
    fitted, _ = fit_taps(np.asarray(sums), np.asarray(pixels), channels=1)
    # 0.8^5 of 51 200 pixels: a standard error of 0.008 or less.
    assert abs(fitted[0, 0, 0, 0] - 0.6) < 4 / np.sqrt(float(pixels[0]))
    holes = only_valid(field, valid)
    assert float(jnp.abs(predict(holes, taps)).max()) > 0
    zeros, pixels = gram(holes, key, radius=1, keys=1)
    drawn, _ = fit_taps(np.asarray(zeros), np.asarray(pixels), channels=1)
    assert drawn[0, 0, 0, 0] < 0.55


def test_a_curve_holds_its_floor_where_no_pixel_counts():
    """Bright pixels alone, whose line meets zero early: the dark end is finite and on the floor."""
    random = np.random.default_rng(5)
    clean = random.uniform(0.0, 0.7, (32, 24, 24, 1))
    scale = 1e-3 + 0.03 * np.maximum(clean - 0.4, 0.0)
    noise = scale * random.normal(size=clean.shape)
    valid = jnp.asarray(clean > 0.45)
    floor = (1 / 255) ** 2 / 12
    arrays = (jnp.asarray(part, jnp.float32) for part in (noise, clean))
    key = jnp.ones(32, jnp.int32)
    moments = intensity_moments(*arrays, key, keys=2, valid=valid)
    levels = jnp.linspace(-0.3, 1.5, 1000).reshape(1, 10, 100, 1)
    for given in (floor, 1e-10):
        curve = Curve(*(jnp.asarray(part[1]) for part in fit_curve(moments, variance_floor=given)))
        log_std, mean = evaluate(curve, levels)
        assert np.isfinite(log_std).all() and np.isfinite(mean).all()
        # In single precision.
        assert float(log_std.min()) > 0.5 * np.log(given) - 1e-5
    tables = curve_table(moments, cameras=1, isos=(100, 3200), variance_floor=floor)
    # The ISO number without data takes its row from the other, scaled down by 32 squared.
    for row in (0, 1):
        curve = Curve(*(jnp.asarray(table[0, row]) for table in tables.values()))
        log_std, _ = evaluate(curve, levels)
        assert float(log_std.min()) > 0.5 * np.log(floor) - 1e-5


def test_a_loaded_model_takes_a_mask():
    config = noiseflow.Config(arch="S-G", channels=2, cameras=("a",), isos=(100,))
    variables = noiseflow.init(jax.random.key(0), config)
    model = Loaded("noiseflow", config, variables)
    noise, clean, _, _, valid = images(6)
    nats = model.log_prob(noise, clean, valid=valid)
    conditions = jnp.zeros(3, int), jnp.full(3, 100.0)
    given = variables, config, noise, clean, *conditions
    np.testing.assert_allclose(nats, noiseflow.log_prob(*given, valid=valid), rtol=1e-5)
    one = model.log_prob(noise[1], clean[1], valid=np.asarray(valid[1]))
    np.testing.assert_allclose(one, nats[1], rtol=1e-5)
    assert not np.allclose(nats, model.log_prob(noise, clean))
    with pytest.raises(UsageError, match=r"valid has shape \(5, 6, 1\)"):
        model.log_prob(noise, clean, valid=valid[0])


@pytest.mark.parametrize("arch", ["S-G", "S"])
@pytest.mark.parametrize("parameterisation", ["paper", "reference"])
def test_a_signal_layer_starts_above_the_floor(arch, parameterisation):
    random = np.random.default_rng(7)
    clean = random.uniform(0.5, 0.9, (32, 16, 16, 2))
    noise = np.sqrt(1e-3 * (clean - 0.45)) * random.normal(size=clean.shape)
    arrays = [jnp.asarray(part, jnp.float32) for part in (clean, clean + noise)]
    batch = NoiseBatch(*arrays, jnp.zeros(32, int), jnp.full(32, 100))
    known = {"channels": 2, "cameras": ("a",), "isos": (100,)}
    config = noiseflow.Config(arch=arch, parameterisation=parameterisation, **known)
    fresh = noiseflow.init(jax.random.key(0), config)
    floor = (1 / 255) ** 2 / 12
    start = noiseflow.init_from_data(fresh, config, batch, variance_floor=floor)
    shown = jnp.full((1, 2, 2, 2), -0.2), jnp.zeros(1, int), jnp.full(1, 100.0)
    flow = noiseflow.distribution(start, config, *shown)
    scale = flow.bijector.forward(jnp.ones((1, 2, 2, 2)))
    assert float(scale.min()) ** 2 >= floor * (1 - 1e-4)
    assert np.isfinite(scale).all()
