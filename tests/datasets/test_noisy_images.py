"""Simulated noise on photographs: its variance, its independence, and what it depends on."""

import imagecodecs
import numpy as np
import pytest

from datasets import noisy_images
from datasets.crops import open_images
from datasets.noisy_images import NoisyImages, with_noise
from jaxnoise.errors import UsageError
from jaxnoise.raw import mosaic_rgb

pytestmark = pytest.mark.fast

HIGHEST = 20 / 255


def folder_of(path, *, channels=3, count=6, side=60):
    """Folder of 8-bit images of blocks of many levels: four for training, one each to judge by."""
    random = np.random.default_rng(channels)
    for number in range(count):
        split = {count - 2: "validation", count - 1: "test"}.get(number, "train")
        (path / split).mkdir(parents=True, exist_ok=True)
        shape = (side + number, side + 5, channels)
        image = random.integers(0, 256, shape, dtype=np.uint8)
        file = path / split / f"{number}.png"
        file.write_bytes(imagecodecs.png_encode(image if channels > 1 else image[..., 0]))
    return path


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    path = folder_of(tmp_path_factory.mktemp("images"))
    return open_images("images", source=path, data_dir=tmp_path_factory.mktemp("records"))


def images_of(data, split="train"):
    found = data._images[split]
    return [found.read(place) for place in range(data.sizes[split])]


def fitted(noise, clean):
    """Shot and read noise, and their standard errors, by least squares on squared noise."""
    light, squared = clean.ravel().astype(np.float64), noise.ravel().astype(np.float64) ** 2
    design = np.stack([light, np.ones_like(light)], axis=1)
    found = np.linalg.lstsq(design, squared, rcond=None)[0]
    # The variance of a squared normal number is twice the square of its variance.
    weight = 2 * (design @ found) ** 2
    inverse = np.linalg.inv(design.T @ design)
    return found, np.sqrt(np.diag(inverse @ (design.T * weight) @ design @ inverse))


@pytest.mark.parametrize("preset", ["uniform", "normalised"])
def test_the_variance_is_shot_times_light_plus_read(photographs, preset):
    data = with_noise(photographs, levels=preset, seed=5)
    for image in images_of(data):
        clean = image["clean"] / np.float32(255)
        shot, read = data._images["train"].levels.of("train", int(image["image"]), clean)
        if preset == "normalised":
            assert shot * clean.mean(dtype=np.float64) + read <= HIGHEST**2 * (1 + 1e-6)
        for kind in ("noisy", "noisy2"):
            assert image[kind].dtype == np.float32 and image[kind].shape == clean.shape
            noise = image[kind] - clean
            found, error = fitted(noise, clean)
            np.testing.assert_array_less(np.abs(found - (shot, read)), 4.5 * error)
            assert abs(noise.mean()) < 4.5 * noise.std() / noise.size**0.5


def test_noise_is_not_clipped_and_of_one_level_an_image(photographs):
    data = with_noise(photographs, levels="uniform", seed=1)
    images = images_of(data)
    assert any(image["noisy"].min() < 0 for image in images)
    assert any(image["noisy"].max() > 1 for image in images)
    law = data._images["train"].levels
    levels = {
        law.of(split, n, np.ones(1)) for n in range(4) for split in ("train", "validation", "test")
    }
    # Those of the test tell nothing of those that were trained on, though seed and number agree.
    assert len(levels) == 12


def test_two_draws_are_independent(photographs):
    for image in images_of(with_noise(photographs, levels="uniform", seed=2)):
        clean = image["clean"] / np.float32(255)
        noise = [image[kind] - clean for kind in ("noisy", "noisy2")]
        size = noise[0].size
        assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 4.5 / size**0.5
        # Neither between channels nor between neighbours is there a correlation.
        for one, two in ((noise[0][..., 0], noise[0][..., 1]), (noise[0][1:], noise[0][:-1])):
            found = np.corrcoef(one.ravel(), two.ravel())[0, 1]
            assert abs(found) < 4.5 / one.size**0.5


def test_draws_depend_on_seed_split_and_image_alone(photographs):
    one, two = (with_noise(photographs, levels="uniform", seed=3) for _ in range(2))
    last = one._images["train"].read(3)
    images_of(two)
    for kind in ("noisy", "noisy2"):
        np.testing.assert_array_equal(last[kind], two._images["train"].read(3)[kind])
    other = with_noise(photographs, levels="uniform", seed=4)._images["train"].read(3)
    assert not np.array_equal(last["noisy"], other["noisy"])
    assert one.fingerprint == two.fingerprint
    kinds = [
        {"levels": "uniform", "seed": 3},
        {"levels": "uniform", "seed": 4},
        {"levels": "normalised", "seed": 3},
        {"levels": "uniform", "seed": 3, "highest": 0.1},
        {"levels": "uniform", "seed": 3, "raw": True},
        {"levels": "uniform", "seed": 3, "tile": 16},
    ]
    prints = {with_noise(photographs, **kind).fingerprint for kind in kinds}
    assert len(prints) == 6 and photographs.fingerprint not in prints


def test_what_is_not_held_is_drawn_anew_and_the_same(photographs):
    held = with_noise(photographs, levels="uniform", seed=3)._images["train"]
    sizes = held.sizes.prod(axis=1) * 2 * 3 * 4
    few = NoisyImages(held.images, "train", held.levels, memory_limit=int(sizes[:2].sum()))
    for place in (3, 1, 0, 2):
        np.testing.assert_array_equal(few.read(place)["noisy2"], held.read(place)["noisy2"])
    assert sorted(few._held) == [0, 1] and sorted(held._held) == [0, 1, 2, 3]
    assert few.read(0)["noisy"] is few.read(0)["noisy"]
    assert few.read(2)["noisy"] is not few.read(2)["noisy"]


def test_raw_noise_lies_on_the_mosaic(photographs):
    data = with_noise(photographs, levels="uniform", seed=3, raw=True)
    assert data.channels == 1
    for image in images_of(data):
        clean = image["clean"] / np.float32(255)
        noise = np.empty(clean.shape[:2])
        for row, column, colour in ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2)):
            place = np.s_[row::2, column::2]
            noise[place] = image["noisy"][place][..., 0] - clean[place][..., colour]
        assert image["noisy"].shape == (*clean.shape[:2], 1) and image["clean"].shape[-1] == 3
        # Amid colours of no relation any other place would differ by about .4.
        assert np.abs(noise).max() < 6 * 2**0.5 * HIGHEST


def test_the_second_mosaic_may_be_of_a_sensor_that_was_moved(photographs):
    data = with_noise(photographs, levels="uniform", highest=1e-6, raw=True, moved=True)
    still = with_noise(photographs, levels="uniform", highest=1e-6, raw=True)
    assert data.fingerprint != still.fingerprint
    shifts = set()
    for image in images_of(data):
        clean = image["clean"] / np.float32(255)
        shift = down, right = divmod(int(image["image"]) % 4, 2)
        shifts.add(shift)
        height, width = clean.shape[:2]
        for row, column in ((0, 0), (0, 1), (1, 0), (1, 1), (14, 37)):
            colour = (row % 2) + (column % 2)
            seen = clean[row + down, column + right, colour]
            np.testing.assert_allclose(image["noisy2"][row, column, 0], seen, atol=1e-5)
            np.testing.assert_allclose(
                image["noisy"][row, column, 0], clean[row, column, colour], atol=1e-5
            )
        last = image["noisy2"][height - 1, width - 1, 0]
        colour = (height - 1) % 2 + (width - 1) % 2
        np.testing.assert_allclose(last, clean[-1, -1, colour], atol=1e-5)
    assert shifts == {(0, 0), (0, 1), (1, 0), (1, 1)}


@pytest.mark.parametrize("raw", [False, True])
def test_tiles_are_images_with_levels_of_their_own(photographs, raw):
    data = with_noise(photographs, levels="uniform", seed=3, raw=raw, tile=20)
    # Photographs of 60 to 63 by 65 pixels have 3 x 3 tiles.
    assert data.sizes == {"train": 36, "validation": 9, "test": 9}
    tiles = images_of(data)
    assert [int(tile["image"]) for tile in tiles] == list(range(36))
    whole = [image["clean"] for image in images_of(with_noise(photographs, levels="uniform"))]
    for number, tile in enumerate(tiles):
        photograph, place = divmod(number, 9)
        top, left = 20 * (place // 3), 20 * (place % 3)
        expected = whole[photograph][top : top + 20, left : left + 20]
        np.testing.assert_array_equal(tile["clean"], expected)
    law = data._images["train"].levels
    levels = [law.of("train", number, tile["clean"]) for number, tile in enumerate(tiles)]
    assert len(set(levels)) == 36
    for tile, (shot, read) in zip(tiles, levels, strict=True):
        clean = tile["clean"] / np.float32(255)
        clean = mosaic_rgb(clean)[..., None] if raw else clean
        unit = (tile["noisy"] - clean) / np.sqrt(shot * clean + read)
        assert abs((unit**2).mean() - 1) < 4.5 * (2 / unit.size) ** 0.5


def test_a_dark_pixel_below_zero_has_the_noise_of_zero():
    clean = np.full((4, 4, 3), -0.5, np.float32)
    made = noisy_images.add_noise(clean, 0.5, 0.01, np.random.default_rng(0))
    expected = clean + 0.1 * np.random.default_rng(0).standard_normal(clean.shape, np.float32)
    np.testing.assert_allclose(made, expected, atol=1e-6)


def test_images_that_carry_no_simulation_are_refused(photographs, tmp_path):
    grey = folder_of(tmp_path / "grey", channels=1)
    noisy = folder_of(tmp_path / "noisy")
    for words, name, source in (
        ("1 channels", "images", grey),
        ("no clean images", "images/noisy", noisy),
    ):
        data = open_images(name, source=source, data_dir=tmp_path / "records")
        with pytest.raises(UsageError, match=words):
            with_noise(data, levels="uniform")
    for words, options in {
        "levels are 'loud'": {"levels": "loud"},
        "above 0": {"highest": 0.0},
        "as large as a patch": {"tile": 500},
        "tiles of 0": {"tile": 0},
        "tiles of 15": {"tile": 15, "raw": True},
    }.items():
        with pytest.raises(UsageError, match=words):
            with_noise(photographs, **{"levels": "uniform", **options})
    patches = open_images("pairs", source=pairs_of(tmp_path), data_dir=tmp_path, patch_size=16)
    with pytest.raises(UsageError, match="whole images"):
        with_noise(patches, levels="uniform")


def pairs_of(path):
    """Folder of pairs of one scene a split."""
    folder = folder_of(path / "pairs", count=3)
    rows = []
    for number, split in enumerate(("train", "validation", "test")):
        file = folder / split / f"{number}.png"
        image = imagecodecs.png_decode(file.read_bytes())
        (folder / f"{number}.png").write_bytes(imagecodecs.png_encode(image ^ 1))
        rows.append(f"{number}.png,{split}/{number}.png,,,{number},{split}")
    text = "\n".join(["noisy,clean,camera,iso,scene,split", *rows])
    (folder / "index.csv").write_text(text)
    return folder


def test_notes_say_what_is_simulated(photographs):
    data = with_noise(photographs, levels="uniform", seed=7)
    assert data.notes[:-1] == photographs.notes
    assert "up to 20 of 255" in data.notes[-1] and "seed 7" in data.notes[-1]
