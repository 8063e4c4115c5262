"""Estimates of whole images: neither the height nor the number of tiles changes them."""

import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxnoise.errors import UsageError
from jaxnoise.models import denoiser
from jaxnoise.models.denoiser import image
from tests.processes import environment

BRIGHT = 1e20
"""Its trace at the edge of what a U-Net sees is still far above the smallest float32."""


def spots(size, channels):
    """Black, but for a few bright pixels."""
    random = np.random.default_rng(1)
    noisy = np.zeros((*size, channels), np.float32)
    for _ in range(3):
        noisy[random.integers(size[0]), random.integers(size[1])] = BRIGHT
    return noisy


def whole(variables, config, noisy):
    denoise = jax.jit(denoiser.denoise, static_argnames="config")
    return np.asarray(denoise(variables, config, noisy[None])[0])


@pytest.fixture
def shapes(monkeypatch) -> list[tuple[int, ...]]:
    """Shapes of the tiles, one for each, as they are compiled and run."""
    seen, compiled = [], image._denoise

    def watch(variables, noisy, **options):
        seen.append(noisy.shape)
        return compiled(variables, noisy, **options)

    monkeypatch.setattr(image, "_denoise", watch)
    return seen


CASES = [  # size; height and side of a tile as given; number of tiles
    ("dncnn", (37, 23), 1, 9, 37 * 3),
    ("dncnn", (37, 23), 7, 50, 6 * 1),
    ("dncnn", (37, 23), 36, 22, 2 * 2),
    ("dncnn", (37, 23), None, 10, 4 * 3),
    ("dncnn", (8, 61), 3, 20, 3 * 4),
    ("dncnn", (2, 3), 1, 1, 2 * 3),
    ("dncnn", (1, 1), 4, 4, 1),
    ("unet", (700, 40), 100, 768, 6 * 1),
    ("unet", (45, 520), 768, 64, 1 * 9),
    ("unet", (200, 190), None, 96, 3 * 2),
    ("unet", (33, 31), 1, 768, 2 * 1),
    ("unet", (5, 1), None, 768, 1),
]


@pytest.mark.parametrize(("net", "size", "rows", "side", "tiles"), CASES)
def test_tiles_give_the_estimate_of_the_whole_image(
    net, size, rows, side, tiles, configs, positive, shapes, monkeypatch
):
    monkeypatch.setattr(image, "TILE_SIDE", side)
    config = configs[net]
    variables, noisy = positive(config), spots(size, config.channels)
    estimate = denoiser.denoise_image(variables, config, noisy, rows=rows)
    assert estimate.shape == noisy.shape and estimate.dtype == np.float32
    np.testing.assert_allclose(estimate, whole(variables, config, noisy), rtol=1e-5, atol=0)
    assert len(shapes) == tiles and len(set(shapes)) == 1


@pytest.mark.parametrize(
    ("net", "size", "rows"),
    [
        ("dncnn", (37, 23), 1),
        ("dncnn", (37, 23), 7),
        ("unet", (300, 40), 32),
        ("unet", (33, 31), 1),
    ],
)
def test_bands_are_the_estimate_of_an_image_that_is_overwritten_meanwhile(
    net, size, rows, configs, positive
):
    config = configs[net]
    variables, noisy = positive(config), spots(size, config.channels)
    whole = denoiser.denoise_image(variables, config, noisy, rows=rows)
    source, end = noisy.copy(), 0
    for band, estimate in denoiser.denoise_bands(variables, config, source, rows=rows):
        assert band.start == end and len(estimate) == band.stop - band.start
        np.testing.assert_array_equal(estimate, whole[band])
        source[band] = np.nan
        end = band.stop
    assert end == size[0]


@pytest.mark.parametrize("size", [(121, 97), (45, 230), (30, 7)])
def test_a_dncnn_of_many_features_works_by_blocks_of_smaller_tiles(size, shapes, monkeypatch):
    monkeypatch.setattr(image, "BLOCKS_SIDE", 90)
    config = denoiser.Config(features=48, depth=4)
    variables = denoiser.init(jax.random.key(0), config)
    noisy = np.random.default_rng(2).uniform(size=(*size, 4)).astype(np.float32)
    estimate = denoiser.denoise_image(variables, config, noisy)
    removed = np.abs(noisy - estimate).max()
    # Besides, one rounding of the images themselves.
    atol = 1e-5 * removed + np.finfo(np.float32).eps
    np.testing.assert_allclose(estimate, whole(variables, config, noisy), rtol=0, atol=atol)
    assert max(side for shape in shapes for side in shape[1:3]) <= image.BLOCKS_SIDE + 2 * 4 + 3


def test_a_unet_sees_as_far_as_is_said(configs, positive):
    config = configs["unet"]
    variables, tile = positive(config), slice(192, 256)
    for reach, seen in (((128, 159), True), ((129, 160), False)):
        for row in (tile.start - reach[0], tile.stop + reach[1]):
            noisy = np.zeros((448, 32, 2), np.float32)
            noisy[row] = BRIGHT
            assert whole(variables, config, noisy)[tile].any() == seen, row


@pytest.mark.parametrize("net", ["dncnn", "unet"])
def test_the_estimate_of_fresh_variables_is_that_of_the_batch(net, configs):
    config = configs[net]
    variables = denoiser.init(jax.random.key(1), config)
    noisy = np.random.default_rng(0).uniform(size=(70, 50, config.channels)).astype(np.float32)
    estimate = denoiser.denoise_image(variables, config, noisy.astype(np.float64), rows=32)
    expected = whole(variables, config, noisy)
    np.testing.assert_allclose(estimate, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_progress_rises_to_one(configs, positive):
    config = configs["dncnn"]
    seen = []
    noisy = np.zeros((20, 6, 3), np.float32)
    denoiser.denoise_image(positive(config), config, noisy, rows=4, progress=seen.append)
    assert seen == [0.2, 0.4, 0.6, 0.8, 1.0]


@pytest.mark.parametrize(
    ("shape", "rows", "says"),
    [
        ((4, 4, 4), None, "images \\(height, width, 3\\)"),
        ((4, 0, 3), None, "images \\(height, width, 3\\)"),
        ((4, 4, 3), 0, "1 row or more"),
    ],
)
def test_what_is_refused(shape, rows, says, configs, positive):
    config = configs["dncnn"]
    with pytest.raises(UsageError, match=says):
        denoiser.denoise_image(positive(config), config, np.zeros(shape, np.float32), rows=rows)


def test_devices_share_the_tiles_and_give_the_estimate_of_one(tmp_path):
    program = Path(__file__).with_name("on_devices.py")
    counts = (0, 1, 2, 3)
    command = [sys.executable, str(program), str(tmp_path), *map(str, counts)]
    subprocess.run(command, env=environment(devices=3), check=True)
    found = {count: dict(np.load(tmp_path / f"{count}.npz")) for count in counts}
    for name, estimate in found[0].items():
        for count in counts:
            if name.endswith("devices"):
                # One tile is for one device, and the U-Net's long image has 2 tiles or more.
                small = name.startswith(("dncnn 5x7", "unet 33x31"))
                assert found[count][name] == (1 if small else max(1, count)), (name, count)
            else:
                np.testing.assert_allclose(found[count][name], estimate, rtol=0, atol=1e-6)


def test_tiles_of_several_devices_take_the_memory_of_one(configs):
    shape, device = (1500, 2000, 4), jax.devices()[0]
    sides = [image._longest(configs["dncnn"], shape, [device] * n) for n in (1, 2, 4, 64)]
    assert sides == [768, 544, 384, 256]
    assert image._longest(configs["unet"], shape, [device] * 8) == 768
