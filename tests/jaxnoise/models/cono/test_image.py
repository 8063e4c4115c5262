"""Noise of whole images: neither the height nor the number of tiles changes it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnoise.errors import UsageError
from jaxnoise.models import cono
from jaxnoise.models.cono import image
from tests.jaxnoise.models.cono.conftest import moved
from tests.jaxnoise.models.rows import RowsOnce

KEY = jax.random.key(2)
CASES = [  # size; height and side of a tile as given; number of tiles
    ((37, 23), 1, 9, 37 * 3),
    ((37, 23), 7, 50, 6 * 1),
    ((37, 23), None, 10, 4 * 3),
    ((2, 3), 1, 1, 2 * 3),
    ((1, 1), 4, 4, 1),
]


def whole(variables, config, clean, sigma):
    """That of the function for batches, of the latent whose rows have a key each."""
    rows = [
        jax.random.normal(jax.random.fold_in(KEY, row), clean.shape[1:])
        for row in range(len(clean))
    ]
    to_noise = jax.jit(cono.to_noise, static_argnums=1)
    level = jnp.broadcast_to(jnp.asarray(sigma, jnp.float32), clean.shape)[None]
    return np.asarray(to_noise(variables, config, jnp.stack(rows)[None], clean[None], level)[0])


@pytest.mark.parametrize(("size", "rows", "side", "number"), CASES)
@pytest.mark.parametrize("kernels", [(3, 1, 3), (1, 3, 1)])
def test_tiles_do_not_show(monkeypatch, size, rows, side, number, kernels):
    config = cono.Config(blocks=2, kernels=kernels)
    # Strong networks: what lies at the edge of the reach counts.
    variables = moved(cono.init(KEY, config), by=0.3)
    clean = np.random.default_rng(0).uniform(size=(*size, 4)).astype(np.float32)
    expected = whole(variables, config, jnp.asarray(clean), 0.1)
    monkeypatch.setattr(image, "TILE_SIDE", side)
    done = []
    found = cono.sample_image(KEY, variables, config, clean, 0.1, rows=rows, progress=done.append)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    assert len(done) == number and done[-1] == 1 and done == sorted(done)


@pytest.mark.parametrize("each_pixel", [False, True])
@pytest.mark.parametrize("rows", [1, 7, None])
def test_bands_are_the_noise_of_an_image_that_is_overwritten_meanwhile(
    rows, each_pixel, monkeypatch
):
    monkeypatch.setattr(image, "TILE_SIDE", 11)
    monkeypatch.setattr(image, "LATENT_VALUES", 300)
    config = cono.Config(blocks=2)
    variables = moved(cono.init(KEY, config), by=0.3)
    clean, sigma = np.random.default_rng(0).uniform(0.1, 1, (2, 37, 23, 4)).astype(np.float32)
    sigma = sigma if each_pixel else 0.1
    expected = cono.sample_image(KEY, variables, config, clean, sigma, rows=rows)
    source, end = RowsOnce(clean), 0
    level = RowsOnce(sigma) if each_pixel else sigma
    for band, noise in cono.sample_bands(KEY, variables, config, source, level, rows=rows):
        assert band.start == end and len(noise) == band.stop - band.start
        np.testing.assert_array_equal(noise, expected[band])
        for overwritten in (source, level) if each_pixel else (source,):
            overwritten.image[band] = np.nan
        end = band.stop
    assert end == source.asked == len(clean)


@pytest.mark.parametrize(("kernels", "reach"), [((3, 1, 3), 5), ((1, 3, 1), 3)])
def test_the_reach_is_that_of_the_layers(kernels, reach):
    config = cono.Config(blocks=2, kernels=kernels)
    variables = moved(cono.init(KEY, config), by=0.5)
    clean = np.random.default_rng(0).uniform(size=(1, 21, 21, 4)).astype(np.float32)

    @jax.jit
    def noise(clean):
        latent = jax.random.normal(KEY, clean.shape)
        return cono.to_noise(variables, config, latent, clean, jnp.full(1, 0.1))

    changed = clean.copy()
    changed[0, 10, 10] += 0.5
    rows = np.any(noise(clean) != noise(changed), (0, 2, 3))
    assert image.reach_of(config) == reach
    assert list(np.flatnonzero(rows)) == list(range(10 - reach, 10 + reach + 1))


def test_a_level_at_each_pixel_and_a_temperature():
    config = cono.Config(blocks=1)
    variables = moved(cono.init(KEY, config))
    clean = np.random.default_rng(0).uniform(size=(9, 8, 4)).astype(np.float32)
    sigma = np.sqrt(0.01 * clean).astype(np.float32)
    expected = whole(variables, config, jnp.asarray(clean), 0.5 * sigma)
    found = cono.sample_image(KEY, variables, config, clean, sigma, temperature=0.5)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    for wrong in (0.0, -0.1, np.nan, sigma - 1):
        with pytest.raises(UsageError, match="sigma must be above 0"):
            cono.sample_image(KEY, variables, config, clean, wrong)
    with pytest.raises(UsageError, match="rows must be at least 1, not 0"):
        cono.sample_image(KEY, variables, config, clean, 0.1, rows=0)
