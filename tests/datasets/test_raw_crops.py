"""Crops as packed raw, against slices of the images themselves."""

import imagecodecs
import numpy as np
import pytest

from datasets.crops import open_images
from datasets.raw_crops import RawCrops
from jaxnoise.errors import DataError, UsageError
from jaxnoise.raw.isp import unprocess

pytestmark = pytest.mark.fast


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """Opens images of some number of channels, 16 bit, all in the training split but two."""

    def make(channels):
        path, random = tmp_path_factory.mktemp("images"), np.random.default_rng(channels)
        for split, count in (("train", 5), ("validation", 1), ("test", 1)):
            (path / split).mkdir()
            for number in range(count):
                image = random.integers(0, 2**16, (41, 50, channels), dtype=np.uint16)
                file = path / split / f"{number}.png"
                file.write_bytes(imagecodecs.png_encode(image if channels > 1 else image[..., 0]))
        return open_images("images", source=path, data_dir=tmp_path_factory.mktemp("records"))

    return {channels: make(channels) for channels in (1, 3)}


def stored(images, number):
    split = images._images["train"]
    places = (split.read(place) for place in range(len(split)))
    found = next(image for image in places if int(image["image"]) == number)
    return found["clean"].astype(np.float32) / np.float32(65535)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", ["mosaic", "unprocess"])
def test_crops_are_what_an_rggb_mosaic_sees(opened, channels, kind):
    images = opened[channels]
    data = RawCrops(images, 8, (0.25, 1.0), kind)
    batch = data.batch("train", seed=3, step=1, batch_size=4)
    for row in range(4):
        image = stored(images, batch["image"][row])
        for view, name in enumerate(("first", "second")):
            top, left = batch["offsets"][row, view]
            crop = image[top : top + 16, left : left + 16]
            if channels == 3 and kind == "unprocess":
                # Both crops have the white balance of their image, which is found from one pixel.
                linear = unprocess(crop, red_gain=1.0, blue_gain=1.0)
                assert np.all(batch[name][row][..., 1] <= linear[::2, 1::2, 1] + 1e-6)
                continue
            for place, (y, x, colour) in enumerate(((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2))):
                expected = crop[y::2, x::2, colour if channels == 3 else 0]
                np.testing.assert_array_equal(batch[name][row][..., place], expected)


def test_both_crops_of_an_image_have_one_white_balance(opened):
    # Crops that are one and the same place must be the same numbers.
    data = RawCrops(opened[3], 8, (1.0, 1.0), "unprocess")
    batch = data.batch("train", seed=0, step=0, batch_size=5)
    np.testing.assert_array_equal(batch["first"], batch["second"])
    other = RawCrops(opened[3], 8, (1.0, 1.0), "mosaic")
    assert not np.allclose(
        batch["first"], other.batch("train", seed=0, step=0, batch_size=5)["first"]
    )


def test_negatives_are_other_images_or_apart(opened):
    data = RawCrops(opened[3], 8, (0.25, 1.0))
    batch = data.batch("train", seed=0, step=0, batch_size=12)  # of five images
    same = batch["image"][:, None] == batch["image"]
    shift = np.abs(batch["offsets"][:, None, 0] - batch["offsets"][None, :, 1])
    meet = np.all(shift < 16, axis=-1) & same
    assert meet.sum() > 12
    np.testing.assert_array_equal(batch["negatives"], ~meet & ~np.eye(12, dtype=bool))


def test_full_batches_are_always_the_same(opened):
    data = RawCrops(opened[3], 8, (0.25, 1.0))
    first, second = (list(data.batches("validation", batch_size=4, limit=10)) for _ in range(2))
    assert len(first) == 2 and all(len(batch["first"]) == 4 for batch in first)
    for one, two in zip(first, second, strict=True):
        np.testing.assert_array_equal(one["second"], two["second"])
    # Fewer than a batch are filled up by more crops of the same images.
    assert len(list(data.batches("test", batch_size=8, limit=1))) == 1


def test_images_that_are_no_raw_and_crops_that_are_too_large_are_refused(opened, monkeypatch):
    two = opened[3].__class__(**{**opened[3].__dict__, "channels": 2})
    with pytest.raises(DataError, match="2 channels"):
        RawCrops(two, 8, None)
    with pytest.raises(UsageError, match="smaller crop"):
        RawCrops(opened[3], 32, (0.25, 1.0)).batch("train", seed=0, step=0, batch_size=2)
