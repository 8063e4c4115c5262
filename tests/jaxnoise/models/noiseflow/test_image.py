"""Noise for whole images: the height of a band does not change it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnoise.errors import UsageError
from jaxnoise.models import noiseflow
from jaxnoise.models.noiseflow import blocked, image
from tests.jaxnoise.models.rows import RowsOnce

CONDITIONS = (2, 150.0)
CASES = [  # architecture, base, channels, height and width, width of the networks
    ("S-Ax2-G-Ax1-CAM", "normal", 4, (37, 15), 4),
    ("N-K2-W-K1", "student_t", 3, (21, 12), 4),
    ("Ax1-Q-Ax1-K1", "normal", 2, (19, 11), 4),
    ("Ax2", "student_t", 4, (18, 9), blocked.WIDEST + 1),
]


def clean_image(size, channels):
    return np.random.default_rng(0).uniform(size=(*size, channels)).astype(np.float32)


@pytest.mark.parametrize(("arch", "base", "channels", "size", "width"), CASES)
def test_bands_of_any_height_give_the_noise_of_the_plain_bijectors(
    arch, base, channels, size, width, random_variables
):
    config = noiseflow.Config(arch=arch, channels=channels, width=width, base=base)
    variables, clean = random_variables(config, 0.03), clean_image(size, channels)
    draw = lambda rows: noiseflow.sample_image(  # noqa: E731
        jax.random.key(3), variables, config, clean, *CONDITIONS, temperature=0.7, rows=rows
    )
    whole = image._Image(variables, config, clean, *CONDITIONS)
    latent = np.concatenate(list(whole.latent(jax.random.key(3), 0.7)))
    padded = np.concatenate(list(whole.clean(rows=5)))
    camera, iso = (jnp.asarray([value]) for value in CONDITIONS)

    @jax.jit
    def plain(variables, clean, latent):
        flow = noiseflow.distribution(variables, config, clean[None], camera, iso)
        return flow.bijector.forward(latent[None])[0, : size[0], : size[1]]

    expected = plain(variables, padded, latent)
    for rows in (None, 1, 7, 16):
        noise = draw(rows)
        assert noise.shape == clean.shape and noise.dtype == np.float32
        np.testing.assert_allclose(noise, expected, rtol=0, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize(("arch", "base", "channels", "size", "width"), CASES)
def test_bands_are_the_noise_of_an_image_that_is_overwritten_meanwhile(
    arch, base, channels, size, width, random_variables
):
    config = noiseflow.Config(arch=arch, channels=channels, width=width, base=base)
    variables, clean = random_variables(config, 0.03), clean_image(size, channels)
    whole = noiseflow.sample_image(jax.random.key(3), variables, config, clean, *CONDITIONS, rows=5)
    source, end = RowsOnce(clean), 0
    bands = noiseflow.sample_bands(
        jax.random.key(3), variables, config, source, *CONDITIONS, rows=5
    )
    for rows, noise in bands:
        assert rows.start == end and len(noise) == rows.stop - rows.start
        np.testing.assert_array_equal(noise, whole[rows])
        source.image[rows] = np.nan
        end = rows.stop
    assert end == source.asked == size[0]


def test_the_latent_is_white_and_scaled_by_the_temperature(random_variables):
    config = noiseflow.Config(arch="S-Ax1-G")
    whole = image._Image(random_variables(config), config, clean_image((200, 100), 4), *CONDITIONS)
    values = np.concatenate(list(whole.latent(jax.random.key(0), 0.5))) / 0.5
    samples = values.size
    assert abs(values.mean()) < 5 / np.sqrt(samples)
    assert abs(values.var() - 1) < 5 * np.sqrt(2 / samples)
    for axis in (0, 1, 2):  # neighbours have nothing in common
        pairs = np.delete(values, 0, axis) * np.delete(values, -1, axis)
        assert abs(pairs.mean()) < 5 / np.sqrt(pairs.size)


def test_the_noise_follows_the_key_and_nothing_else(random_variables):
    config = noiseflow.Config(arch="S-G")
    variables, clean = random_variables(config), clean_image((9, 6), 4)
    draw = lambda seed: noiseflow.sample_image(  # noqa: E731
        jax.random.key(seed), variables, config, clean, *CONDITIONS
    )
    np.testing.assert_array_equal(draw(1), draw(1))
    assert np.abs(draw(1) - draw(2)).min() > 0


def test_progress_rises_to_one(random_variables):
    config = noiseflow.Config(arch="S-Ax1-K1")
    seen = []
    noiseflow.sample_image(
        jax.random.key(0),
        random_variables(config, 0.03),
        config,
        clean_image((16, 6), 4),
        *CONDITIONS,
        rows=4,
        progress=seen.append,
    )
    assert seen == sorted(seen) and seen[-1] == 1.0 and len(seen) == 3 * 4


@pytest.mark.parametrize(
    ("clean", "conditions", "rows", "says"),
    [
        (np.zeros((4, 4, 3), np.float32), CONDITIONS, None, "images \\(height, width, 4\\)"),
        (np.zeros((4, 0, 4), np.float32), CONDITIONS, None, "images \\(height, width, 4\\)"),
        (np.zeros((4, 4, 4), np.float32), CONDITIONS, 0, "1 row or more"),
        (np.zeros((4, 4, 4), np.float32), (9, 100.0), None, "camera index 9"),
        (np.zeros((4, 4, 4), np.float32), (0, 99.0), None, "ISO 99"),
    ],
)
def test_what_is_refused(clean, conditions, rows, says):
    config = noiseflow.Config(arch="S")
    variables = noiseflow.init(jax.random.key(0), config)
    with pytest.raises(UsageError, match=says):
        noiseflow.sample_image(jax.random.key(0), variables, config, clean, *conditions, rows=rows)
