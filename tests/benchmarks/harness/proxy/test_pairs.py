"""Pairs of a teacher: the target, the strength of the noise, and the folder that trainers read."""

import csv

import jax
import numpy as np
import pytest

from benchmarks.harness.proxy import pairs
from benchmarks.harness.proxy.clean import Photograph, find_photographs, read_photograph
from benchmarks.harness.proxy.teachers import TEACHERS, USUAL
from datasets.pairs.index import read_index
from jaxnoise.io import read_image, save_model, write_image
from jaxnoise.models import cono
from jaxnoise.raw import demosaic, mosaic_rgb

pytestmark = pytest.mark.fast

SIGMA = 20 / 255


def photograph(height=65, width=48):
    """A picture of slopes and a coloured edge, far from black and white; one side is odd."""
    down, across = np.mgrid[0:height, 0:width].astype(np.float32)
    slopes = np.stack([down / height, across / width, (down + across) / (height + width)], axis=-1)
    image = 0.4 + 0.2 * slopes
    image[:, width // 2 :, 0] += 0.1
    return image.astype(np.float32)


def made(teacher, image, *, sigma=SIGMA, seed=0, model=None):
    draw = pairs.drawn_by(teacher, model)
    return pairs.made_pair(image, jax.random.key(seed), sigma, draw=draw, domain=teacher.domain)


def test_the_target_of_raw_is_the_demosaiced_photograph_and_of_rgb_the_photograph():
    image = photograph()
    _, target = made(TEACHERS["awgn-raw"], image)
    np.testing.assert_array_equal(target, np.clip(demosaic(mosaic_rgb(image)), 0, 1))
    assert np.abs(target - image).max() > 0.01  # what demosaicing loses at the edge
    _, target = made(TEACHERS["awgn-rgb"], image)
    np.testing.assert_array_equal(target, image)


def test_nothing_is_put_on_an_image_at_level_zero():
    for name in ("awgn-raw", "awgn-rgb", "nlf-raw"):
        noisy, target = made(TEACHERS[name], photograph(), sigma=0.0)
        np.testing.assert_array_equal(noisy, target)


@pytest.mark.parametrize("name", [name for name in USUAL if name != "cono-raw"])
def test_the_noise_has_the_standard_deviation_asked_for(name):
    noisy, target = made(TEACHERS[name], photograph(129, 128))
    noise = noisy - target
    if name.endswith("raw"):
        # A pixel keeps the colour that its filter passed, and with it the noise of the mosaic.
        noise = mosaic_rgb(noise)
    # Of n normal values it has a standard error of 1 / sqrt(2 n), doubled for mixed variances.
    error = 2 / np.sqrt(2 * noise.size)
    assert np.sqrt((noise**2).mean()) / SIGMA == pytest.approx(1, abs=4 * error)


def test_noise_of_raw_is_spread_and_that_of_rgb_is_not():
    def neighbours(name):
        noisy, target = made(TEACHERS[name], photograph(129, 128))
        green = (noisy - target)[..., 1]
        return np.corrcoef(green[:, 1:].ravel(), green[:, :-1].ravel())[0, 1]

    # The correlation of n independent values has a standard error of 1 / sqrt(n).
    assert abs(neighbours("awgn-rgb")) < 4 / 128
    assert neighbours("awgn-raw") > 0.1


def test_a_generator_makes_its_noise_on_the_mosaic(tmp_path):
    config = cono.Config(blocks=1)
    variables = cono.init(jax.random.key(0), config)
    save_model(tmp_path, "cono", config, variables)
    noisy, target = made(TEACHERS["cono-raw"], photograph(129, 128), model=tmp_path)
    noise = mosaic_rgb(noisy - target)
    # A fresh one has the variance (exp(-2) clean + 1) sigma^2.
    clean = mosaic_rgb(photograph(129, 128))
    expected = SIGMA * np.sqrt((np.exp(-2) * clean + 1).mean())
    assert np.sqrt((noise**2).mean()) / expected == pytest.approx(1, abs=8 / np.sqrt(noise.size))


def test_levels_are_the_same_for_all_teachers_and_up_to_30():
    levels = np.concatenate([pairs.sigmas_of(0, number, 50) for number in range(40)]) * 255
    # The ends and the mean of 2000 uniform numbers.
    assert 0 <= levels.min() < 0.2 and 29.8 < levels.max() < 30
    assert levels.mean() == pytest.approx(15, abs=4 * 30 / np.sqrt(12 * 2000))
    np.testing.assert_array_equal(pairs.sigmas_of(0, 3, 1), pairs.sigmas_of(0, 3, 4)[:1])
    assert pairs.sigmas_of(0, 3, 1) != pairs.sigmas_of(1, 3, 1)


@pytest.fixture
def photographs(tmp_path) -> list[Photograph]:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(4):
        pixels = np.rint(np.roll(photograph(), number, axis=0) * 255).astype(np.uint8)
        write_image(folder / f"{number}.png", pixels, format="PNG")
    return find_photographs([folder])


def test_the_folder_is_one_that_the_data_set_reads(tmp_path, photographs):
    teacher, folder = TEACHERS["nlf-raw"], tmp_path / "pairs"
    draw = pairs.drawn_by(teacher, None)
    pairs.write_pairs(folder, photographs, draw=draw, domain="RAW", seed=3, draws=2)
    rows = list(csv.DictReader((folder / "index.csv").read_text().splitlines()))
    assert [row["split"] for row in rows].count("train") == 2 * 2
    assert len(read_index(folder).pairs) == len(rows) == 2 * 2 + 1 + 1
    assert {row["camera"] + row["iso"] for row in rows} == {""}
    last = rows[-1]
    clean = demosaic(mosaic_rgb(read_photograph(photographs[-1].path)))
    stored = read_image(folder / last["clean"]) / 65535
    np.testing.assert_allclose(stored, np.clip(clean, 0, 1), atol=0.5 / 65535 + 1e-7)
    assert len({(folder / row["noisy"]).read_bytes() for row in rows}) == len(rows)


def test_a_complete_folder_is_left_alone_and_the_seed_decides_the_noise(tmp_path, photographs):
    draw = pairs.drawn_by(TEACHERS["awgn-rgb"], None)

    def noise_of(folder, seed):
        pairs.write_pairs(folder, photographs, draw=draw, domain="RGB", seed=seed, draws=1)
        return (folder / "photos_1_0.png").read_bytes()

    first = noise_of(tmp_path / "a", 0)
    assert noise_of(tmp_path / "a", 1) == noise_of(tmp_path / "b", 0) == first
    assert noise_of(tmp_path / "c", 1) != first
