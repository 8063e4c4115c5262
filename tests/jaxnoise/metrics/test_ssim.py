import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage.metrics import structural_similarity

from jaxnoise.errors import UsageError
from jaxnoise.metrics import SSIM_PRESETS, ssim

# What to ask of scikit-image for the same number.
GAUSSIAN = {"gaussian_weights": True, "use_sample_covariance": False}
SKIMAGE = {
    "default": {**GAUSSIAN, "sigma": 1.5},
    "noise_flow": {**GAUSSIAN, "sigma": 1.5},
    "noise2noiseflow": {**GAUSSIAN, "sigma": 0.8},
    "piq": {**GAUSSIAN, "sigma": 1.5},  # where the image is too small to be pooled
    "rcl": {},
    "skimage": {},
}
# Just the window, a patch, the longest side of one tile and one more, and several tiles.
SIZES = [(11, 11), (32, 32), (74, 75), (12, 150), (141, 81)]


def pair(shape, seed=0, noise=0.1):
    generator = np.random.default_rng(seed)
    clean = generator.random(shape)
    return clean, clean + generator.normal(scale=noise, size=shape)


def of_skimage(a, b, preset, data_range=1.0):
    return structural_similarity(a, b, data_range=data_range, channel_axis=-1, **SKIMAGE[preset])


def pooled_by_hand(image, factor):
    """Means of the whole blocks of an image (h, w, c), one block at a time."""
    if factor == 1:
        return image
    rows, columns = image.shape[0] // factor, image.shape[1] // factor
    result = np.empty((rows, columns, image.shape[2]))
    for i in range(rows):
        for j in range(columns):
            block = image[i * factor : (i + 1) * factor, j * factor : (j + 1) * factor]
            result[i, j] = block.mean(axis=(0, 1))
    return result


@pytest.mark.fast
def test_every_preset_has_an_oracle():
    assert set(SKIMAGE) == set(SSIM_PRESETS)


@pytest.mark.fast
@pytest.mark.parametrize("preset", SKIMAGE)
@pytest.mark.parametrize("size", SIZES)
def test_numpy_gives_the_number_of_scikit_image(preset, size):
    a, b = pair((*size, 2))
    found = ssim(a, b, preset=preset)
    assert isinstance(found, np.float64)
    assert found == pytest.approx(of_skimage(a, b, preset), abs=1e-12)


@pytest.mark.fast
@pytest.mark.parametrize("preset", SKIMAGE)
@pytest.mark.parametrize("size", [(32, 32), (141, 81)])
def test_jax_gives_the_number_of_scikit_image(preset, size):
    a, b = (image.astype(np.float32) for image in pair((*size, 2)))
    found = ssim(jnp.asarray(a), jnp.asarray(b), preset=preset)
    assert found.dtype == jnp.float32
    expected = of_skimage(a.astype(np.float64), b.astype(np.float64), preset)
    assert float(found) == pytest.approx(expected, abs=1e-5)
    assert ssim(a, b, preset=preset) == pytest.approx(expected, abs=1e-12)


@pytest.mark.fast
@pytest.mark.parametrize("data_range", [2.0, 255])
@pytest.mark.parametrize("preset", ["noise_flow", "rcl"])
def test_the_range_is_that_of_scikit_image(preset, data_range):
    a, b = pair((20, 24, 3))
    found = ssim(a, b, data_range=data_range, preset=preset)
    assert found == pytest.approx(of_skimage(a, b, preset, data_range), abs=1e-12)
    # The measure has no unit.
    scaled = ssim(a * data_range, b * data_range, data_range=data_range, preset=preset)
    assert scaled == pytest.approx(ssim(a, b, preset=preset), abs=1e-12)


@pytest.mark.fast
def test_piq_is_the_mean_over_whole_windows_and_channels():
    a, b = pair((13, 12, 2))
    offsets = np.arange(11) - 5
    weights = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 1.5**2))
    weights /= weights.sum()
    values = []
    for i in range(13 - 11 + 1):
        for j in range(12 - 11 + 1):
            for channel in range(2):
                x, y = (image[i : i + 11, j : j + 11, channel] for image in (a, b))
                mean_x, mean_y = np.sum(weights * x), np.sum(weights * y)
                luminance = (2 * mean_x * mean_y + 0.01**2) / (mean_x**2 + mean_y**2 + 0.01**2)
                x, y = x - mean_x, y - mean_y
                structure = (2 * np.sum(weights * x * y) + 0.03**2) / (
                    np.sum(weights * x**2) + np.sum(weights * y**2) + 0.03**2
                )
                values.append(luminance * structure)
    assert ssim(a, b, preset="piq") == pytest.approx(np.mean(values), abs=1e-13)


# The quotient of the shorter side by 256 is rounded, and a half to the even number.
@pytest.mark.parametrize(("size", "factor"), [((383, 500), 1), ((391, 384), 2), ((640, 641), 2)])
def test_piq_pools_large_images_and_drops_what_fills_no_block(size, factor):
    a, b = pair((*size, 1))
    expected = of_skimage(pooled_by_hand(a, factor), pooled_by_hand(b, factor), "default")
    assert ssim(a, b, preset="piq") == pytest.approx(expected, abs=1e-12)
    low = ssim(jnp.asarray(a), jnp.asarray(b), preset="piq")
    assert float(low) == pytest.approx(expected, abs=1e-5)


@pytest.mark.fast
def test_images_that_differ_little_far_from_zero_keep_float32():
    # Their variance is 1e-6 and their mean 0.9: a difference of squares would lose all digits.
    a, b = pair((32, 32, 1), noise=1e-3)
    a, b = 0.9 + 1e-3 * a, 0.9 + 1e-3 * b
    a, b = a.astype(np.float32), b.astype(np.float32)
    found = ssim(jnp.asarray(a), jnp.asarray(b), data_range=1e-3)
    expected = of_skimage(a.astype(np.float64), b.astype(np.float64), "default", 1e-3)
    assert float(found) == pytest.approx(expected, abs=1e-5)


@pytest.mark.fast
@pytest.mark.parametrize("preset", SSIM_PRESETS)
def test_equal_images_are_fully_similar_and_inverted_ones_are_not(preset):
    a, _ = pair((16, 80, 3))
    assert ssim(a, a, preset=preset) == pytest.approx(1, abs=1e-13)
    assert float(ssim(jnp.asarray(a), jnp.asarray(a), preset=preset)) == pytest.approx(1, abs=1e-6)
    assert ssim(a, 1 - a, preset=preset) < 0


@pytest.mark.fast
# More images than numpy handles at once, and one image of several tiles.
@pytest.mark.parametrize("shape", [(75, 32, 32, 4), (2, 3, 12, 80, 1)])
def test_an_image_of_a_batch_has_its_own_number(shape):
    a, b = pair(shape)
    singles = np.empty(shape[:-3])
    for index in np.ndindex(shape[:-3]):
        singles[index] = ssim(a[index], b[index])
    assert len(np.unique(singles)) == singles.size
    np.testing.assert_allclose(ssim(a, b), singles, atol=1e-13)
    np.testing.assert_allclose(ssim(jnp.asarray(a), jnp.asarray(b)), singles, atol=1e-5)


@pytest.mark.fast
def test_an_empty_batch_has_no_numbers():
    empty = np.zeros((0, 16, 16, 1))
    assert ssim(empty, empty).shape == ssim(jnp.asarray(empty), jnp.asarray(empty)).shape == (0,)


@pytest.mark.fast
def test_nan_stays_with_its_image():
    a, b = pair((2, 16, 16, 1))
    b[1, 15, 15, 0] = np.nan
    for found in (ssim(a, b), ssim(jnp.asarray(a), jnp.asarray(b))):
        np.testing.assert_array_equal(np.isnan(found), [False, True])


@pytest.mark.fast
def test_whole_numbers_do_not_wrap_around():
    a, b = ((255 * np.clip(image, 0, 1)).astype(np.uint8) for image in pair((16, 16, 3)))
    expected = of_skimage(a.astype(np.float64), b.astype(np.float64), "rcl", 255)
    assert ssim(a, b, data_range=255, preset="rcl") == pytest.approx(expected, abs=1e-12)
    low = ssim(jnp.asarray(a), jnp.asarray(b), data_range=255, preset="rcl")
    assert float(low) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("size", [(16, 16), (12, 80)])
def test_jit_vmap_and_mixed_arrays_give_the_same(size):
    a, b = pair((3, *size, 2))
    expected = ssim(jnp.asarray(a), jnp.asarray(b))
    for found in (jax.jit(ssim)(a, b), jax.vmap(ssim)(jnp.asarray(a), b), ssim(a, jnp.asarray(b))):
        assert found.dtype == jnp.float32
        np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.fast
def test_jax_in_float64_is_as_exact_as_numpy(float64):
    a, b = pair((2, 75, 16, 2))
    found = ssim(jnp.asarray(a), jnp.asarray(b))
    assert found.dtype == jnp.float64
    np.testing.assert_allclose(found, ssim(a, b), atol=1e-13)


@pytest.mark.parametrize("preset", ["default", "rcl"])
@pytest.mark.parametrize("size", [(13, 12), (12, 80)])
def test_the_gradient_is_the_slope(float64, preset, size):
    a, b = pair((*size, 1))
    direction = np.random.default_rng(2).normal(size=b.shape)
    gradient = jax.grad(lambda b: ssim(a, b, preset=preset))(jnp.asarray(b))
    step = 1e-5
    ends = [ssim(a, b + sign * step * direction, preset=preset) for sign in (1, -1)]
    # A central difference is off by step^2 of the third derivative and 1e-16 / step of rounding.
    slope = (ends[0] - ends[1]) / (2 * step)
    assert float(jnp.vdot(gradient, direction)) == pytest.approx(slope, rel=1e-5)


@pytest.mark.fast
def test_the_gradient_is_finite_where_nothing_varies():
    flat = jnp.full((12, 12, 1), 0.5)
    for other in (flat, jnp.zeros_like(flat)):
        gradient = jax.grad(lambda b, a=flat: ssim(a, b))(other)
        assert bool(jnp.isfinite(gradient).all())


@pytest.mark.fast
@pytest.mark.parametrize(
    ("shapes", "options", "message"),
    [
        (((12, 12, 1), (12, 13, 1)), {}, "same shape"),
        (((12, 12), (12, 12)), {}, "lack an axis"),
        (((12, 12, 0), (12, 12, 0)), {}, "no pixels"),
        (((12, 10, 1), (12, 10, 1)), {}, "at least 11 x 11"),
        (((6, 12, 1), (6, 12, 1)), {"preset": "rcl"}, "at least 7 x 7"),
        (((12, 12, 1), (12, 12, 1)), {"preset": "wang"}, "noise2noiseflow"),
        (((12, 12, 1), (12, 12, 1)), {"data_range": 0}, "data_range"),
    ],
)
def test_what_cannot_be_compared_is_refused(shapes, options, message):
    for make in (np.zeros, jnp.zeros):
        with pytest.raises(UsageError, match=message):
            ssim(*map(make, shapes), **options)
