"""Mosaics as `jaxnoise.raw` makes them, interpolation written out pixel by pixel."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnoise import losses, raw
from jaxnoise.errors import UsageError
from jaxnoise.models import rcl
from jaxnoise.models.rcl.raw_terms import DIRECTIONS

pytestmark = pytest.mark.fast

IMAGE = np.random.default_rng(0).uniform(size=(2, 12, 14, 3)).astype(np.float32)
NOISY = np.random.default_rng(1).uniform(size=(2, 6, 7, 4)).astype(np.float32)


def packed(image):
    return raw.pack(raw.mosaic_rgb(image))


def consistency(noisy, image, **options):
    return rcl.raw_consistency(jnp.asarray(noisy), jnp.asarray(image), **options)


def test_the_mosaic_is_that_of_the_library():
    np.testing.assert_array_equal(losses.packed_mosaic(jnp.asarray(IMAGE)), packed(IMAGE))
    residual = rcl.raw_residual(jnp.asarray(NOISY), jnp.asarray(IMAGE))
    np.testing.assert_array_equal(residual, NOISY - packed(IMAGE))


def replaced(image, form, direction=(0, 0)):
    """Each inner pixel as the mean that the form says, in double precision."""
    image, made = np.float64(image), np.zeros(image.shape)
    weights = {(0, 0): 1.0}
    if form == "neighbours":
        weights = {direction: 0.5, (-direction[0], -direction[1]): 0.5}
    if form == "smooth":
        sides = {-1: 0.25, 0: 0.5, 1: 0.25}
        weights = {(a, b): sides[a] * sides[b] for a in sides for b in sides}
    for row in range(1, image.shape[1] - 1):
        for column in range(1, image.shape[2] - 1):
            for (down, right), weight in weights.items():
                made[:, row, column] += weight * image[:, row + down, column + right]
    return made


@pytest.mark.parametrize("form", rcl.FORMS)
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_against_loops(form, direction):
    right = abs(NOISY - packed(replaced(IMAGE, form, direction)))[:, 1:-1, 1:-1].mean()
    own = {"direction": direction} if form == "neighbours" else {}
    assert float(consistency(NOISY, IMAGE, form=form, **own)) == pytest.approx(right, rel=1e-5)


def test_each_image_has_a_direction_of_its_own():
    noisy, image = (np.concatenate([part[:1]] * 400) for part in (NOISY, IMAGE))
    each = [float(consistency(NOISY[:1], IMAGE[:1], direction=one)) for one in DIRECTIONS]
    keys = jax.random.split(jax.random.key(5), 2)
    found = [float(consistency(noisy, image, key=key)) for key in keys]
    # Means of 400 draws out of these four.
    assert np.allclose(found, np.mean(each), atol=5 * np.std(each) / np.sqrt(400))
    assert found[0] != found[1]
    one = float(consistency(NOISY[:1], IMAGE[:1], key=keys[0]))
    assert np.isclose(one, each, rtol=1e-6).sum() == 1


def test_what_the_border_holds_does_not_count():
    before = consistency(NOISY, IMAGE, direction=(1, -1))
    noisy, image = NOISY.copy(), IMAGE.copy()
    noisy[:, 0] = noisy[:, :, -1] = image[:, 0] = image[:, :, 0] = 9.0
    assert float(consistency(noisy, image, direction=(1, -1))) == pytest.approx(float(before))


def test_repeating_the_raw_pixels_is_no_solution():
    """It fits the noise as well; a smooth image is fitted whatever the direction."""
    image = np.zeros_like(IMAGE)
    image[:, 0::2, 0::2, 0] = NOISY[..., 0]
    image[:, 0::2, 1::2, 1] = NOISY[..., 1]
    image[:, 1::2, 0::2, 1] = NOISY[..., 2]
    image[:, 1::2, 1::2, 2] = NOISY[..., 3]
    assert float(consistency(NOISY, image, form="identity")) == 0
    for direction in DIRECTIONS:
        assert float(consistency(NOISY, image, direction=direction)) > 0.1
    ramp = np.linspace(0, 1, 12)[:, None] + np.linspace(0, 0.5, 14)
    ramp = np.float32(np.stack([ramp, 2 * ramp, 0.5 - ramp], -1))[None]
    for direction in DIRECTIONS:
        assert float(consistency(packed(ramp), ramp, direction=direction)) < 1e-6


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"form": "cubic", "direction": (0, 1)}, "form is 'cubic': use neighbours, smooth"),
        ({}, "give either a key"),
        ({"key": jax.random.key(0), "direction": (0, 1)}, "give either a key"),
        ({"direction": (2, 0)}, r"direction is \(2, 0\): use \(0, 1\)"),
    ],
)
def test_what_does_not_fit_is_refused(options, sentence):
    with pytest.raises(UsageError, match=sentence):
        consistency(NOISY, IMAGE, **options)


def test_images_of_other_sizes_are_refused():
    with pytest.raises(UsageError, match="at least 3 packed pixels"):
        consistency(NOISY[:, :2], IMAGE[:, :4], form="smooth")
    with pytest.raises(UsageError, match="even sides"):
        losses.packed_mosaic(jnp.asarray(IMAGE[:, 1:]))
