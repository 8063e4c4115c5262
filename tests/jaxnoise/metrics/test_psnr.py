import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from jaxnoise.errors import UsageError
from jaxnoise.metrics import psnr

pytestmark = pytest.mark.fast


def pair(shape, seed=0):
    generator = np.random.default_rng(seed)
    clean = generator.random(shape)
    return clean, clean + generator.normal(scale=0.05, size=shape)


@pytest.mark.parametrize("data_range", [1, 2.0, 255.0])
def test_each_image_has_the_ratio_of_scikit_image(data_range):
    a, b = pair((2, 3, 9, 8, 4))
    expected = [
        [peak_signal_noise_ratio(x, y, data_range=data_range) for x, y in zip(*rows, strict=True)]
        for rows in zip(a, b, strict=True)
    ]
    np.testing.assert_allclose(psnr(a, b, data_range=data_range), expected, rtol=1e-12)
    low = psnr(jnp.asarray(a), jnp.asarray(b), data_range=data_range)
    assert low.dtype == jnp.float32
    np.testing.assert_allclose(low, expected, rtol=1e-5)


def test_an_error_of_a_tenth_of_the_range_is_twenty_decibels():
    assert psnr(np.zeros((4, 4, 1)), np.full((4, 4, 1), 0.1)) == pytest.approx(20, rel=1e-14)
    # One value of 2 * 2 * 4 is off by the whole range: 10 log10(16).
    a, b = np.zeros((2, 2, 4)), np.zeros((2, 2, 4))
    b[1, 0, 2] = 255
    assert psnr(a, b, data_range=255) == pytest.approx(10 * np.log10(16), rel=1e-14)


def test_equal_images_are_infinitely_far_above_their_error():
    a, b = pair((3, 4, 4, 1))
    b[1] = a[1]
    for found in (psnr(a, b), psnr(jnp.asarray(a), jnp.asarray(b))):
        np.testing.assert_array_equal(np.isposinf(found), [False, True, False])
    gradient = jax.grad(lambda b: psnr(a[1], b))(jnp.asarray(b[1]))
    np.testing.assert_array_equal(gradient, 0)


def test_nan_stays_with_its_image():
    a, b = pair((2, 4, 4, 1))
    b[1, 0, 0, 0] = np.nan
    np.testing.assert_array_equal(np.isnan(psnr(a, b)), [False, True])


def test_whole_numbers_do_not_wrap_around():
    a, b = np.full((2, 2, 1), 3, np.uint8), np.full((2, 2, 1), 5, np.uint8)
    expected = 20 * np.log10(255 / 2)
    assert psnr(a, b, data_range=255) == pytest.approx(expected, rel=1e-14)
    low = psnr(jnp.asarray(a), jnp.asarray(b), data_range=255)
    assert float(low) == pytest.approx(expected, rel=1e-6)


def test_half_precision_is_compared_in_single():
    a, b = (jnp.asarray(image, jnp.bfloat16) for image in pair((4, 4, 1)))
    found = psnr(a, b)
    assert found.dtype == jnp.float32
    expected = psnr(np.asarray(a, np.float64), np.asarray(b, np.float64))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_jit_vmap_and_mixed_arrays_give_the_same():
    a, b = pair((3, 5, 6, 2))
    expected = psnr(a, b)
    for found in (jax.jit(psnr)(a, b), jax.vmap(psnr)(jnp.asarray(a), b), psnr(a, jnp.asarray(b))):
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_gradient_is_that_of_the_closed_form(float64):
    a, b = pair((5, 6, 2))
    gradient = jax.grad(lambda b: psnr(a, b))(jnp.asarray(b))
    # d/db of -10 log10(mean((a - b)^2)).
    expected = 20 / np.log(10) * (a - b) / np.sum((a - b) ** 2)
    np.testing.assert_allclose(gradient, expected, rtol=1e-10)


@pytest.mark.parametrize(
    ("shapes", "data_range", "message"),
    [
        (((4, 4, 1), (4, 4, 3)), 1.0, "same shape"),
        (((1, 4, 4, 1), (4, 4, 1)), 1.0, "same shape"),
        (((4, 4), (4, 4)), 1.0, "lack an axis"),
        (((0, 4, 1), (0, 4, 1)), 1.0, "no pixels"),
        (((4, 4, 1), (4, 4, 1)), 0.0, "data_range"),
        (((4, 4, 1), (4, 4, 1)), -1.0, "data_range"),
        (((4, 4, 1), (4, 4, 1)), float("nan"), "data_range"),
        (((4, 4, 1), (4, 4, 1)), float("inf"), "data_range"),
    ],
)
def test_what_cannot_be_compared_is_refused(shapes, data_range, message):
    with pytest.raises(UsageError, match=message):
        psnr(*map(np.zeros, shapes), data_range=data_range)
