"""What needs no network: values that are known, and images that interpolation cannot miss."""

import numpy as np
import pytest

from train.rcl.baselines import bicubic, of_inputs


def averaged(images):
    """Means over 2x2 pixels."""
    number, height, width, channels = images.shape
    return images.reshape(number, height // 2, 2, width // 2, 2, channels).mean((2, 4))


def ramp(height, width):
    """Images in which the colours rise evenly, each in its own direction."""
    down, right = np.mgrid[:height, :width].astype(np.float32)
    planes = [0.2 + 0.004 * down, 0.3 + 0.003 * right, 0.1 + 0.002 * (down + right)]
    return np.stack(planes, -1)[None]


@pytest.mark.fast
@pytest.mark.parametrize("factor", [2, 4])
def test_an_even_ramp_comes_back_where_it_was(factor):
    images = ramp(64, 48)
    small = averaged(images) if factor == 2 else averaged(averaged(images))
    found = bicubic(small, factor=factor)
    # Keys' kernel keeps straight lines; near the border it has too few pixels.
    inside = np.s_[:, 4 * factor : -4 * factor, 4 * factor : -4 * factor]
    np.testing.assert_allclose(found[inside], images[inside], atol=2e-6)


@pytest.mark.fast
def test_between_two_pixels_it_is_keys_kernel():
    small = np.zeros((1, 1, 8, 1), np.float32)
    small[0, 0, 3] = 1
    found = bicubic(np.repeat(small, 8, axis=1), factor=2)[0, 8, :, 0]

    def kernel(distance):
        near = 1.5 * distance**3 - 2.5 * distance**2 + 1
        far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
        return np.where(distance < 1, near, np.where(distance < 2, far, 0))

    places = (np.arange(16) + 0.5) / 2 - 0.5
    # The outermost pixels weigh what is inside alone, and this pixel is not near them.
    np.testing.assert_allclose(found, kernel(np.abs(places - 3)), atol=1e-6)


@pytest.mark.fast
def test_more_crops_than_a_chunk_are_each_their_own():
    images = np.random.default_rng(0).random((70, 4, 4, 3), np.float32)
    found = bicubic(images, factor=2)
    assert found.shape == (70, 8, 8, 3)
    np.testing.assert_allclose(found[66:67], bicubic(images[66:67], factor=2), atol=1e-6)


@pytest.mark.fast
def test_denoising_starts_at_the_noisy_image_itself():
    noisy = np.array([-0.5, 0.25, 1.5], np.float32).reshape(1, 1, 1, 3)
    name, found = of_inputs(noisy, task="denoise", side=1)
    assert name == "noisy" and found.ravel().tolist() == [0, 0.25, 1]


@pytest.mark.fast
@pytest.mark.parametrize(
    ("task", "side", "title"), [("jdd", 32, "Menon"), ("jddsr", 64, "Menon, bicubic")]
)
def test_packed_raw_is_demosaiced_and_made_larger(task, side, title):
    pytest.importorskip("colour_demosaicing")
    colour = np.array([0.6, 0.4, 0.2], np.float32)
    packed = np.broadcast_to(colour[[0, 1, 1, 2]], (3, 16, 16, 4))
    name, found = of_inputs(packed, task=task, side=side)
    assert name == title and found.shape == (3, side, side, 3)
    np.testing.assert_allclose(found, np.broadcast_to(colour, found.shape), atol=1e-5)


@pytest.mark.fast
def test_colour_becomes_twice_as_large():
    name, found = of_inputs(averaged(ramp(32, 32)), task="sr", side=32)
    assert name == "bicubic" and found.shape == (1, 32, 32, 3)
