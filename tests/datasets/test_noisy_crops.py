"""Two noisy crops of each image, against slices of the images themselves."""

import imagecodecs
import numpy as np
import pytest

from datasets.crops import open_images
from datasets.noisy_crops import NoisyCrops
from datasets.noisy_images import with_noise
from jaxnoise.errors import DataError, UsageError

pytestmark = pytest.mark.fast

PLACES = ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2))
"""Row, column and colour of R, Gr, Gb and B."""


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """Opens images of some number of channels and a kind, 16 bit, five of them for training."""

    def make(channels, kind="images"):
        path, random = tmp_path_factory.mktemp("images"), np.random.default_rng(channels)
        for split, count in (("train", 5), ("validation", 2), ("test", 1)):
            (path / split).mkdir()
            for number in range(count):
                image = random.integers(0, 2**16, (41, 50, channels), dtype=np.uint16)
                file = path / split / str(number)
                if channels == 4:  # PNG would take the fourth one for transparency
                    np.savez(f"{file}.npz", image=image)
                    continue
                image = image if channels > 1 else image[..., 0]
                file.with_suffix(".png").write_bytes(imagecodecs.png_encode(image))
        return open_images(kind, source=path, data_dir=tmp_path_factory.mktemp("records"))

    return make


@pytest.fixture(scope="module")
def clean(opened):
    return opened(3)


def image_of(images, number, split="train"):
    found = images._images[split]
    places = (found.read(place) for place in range(images.sizes[split]))
    image = next(image for image in places if int(image["image"]) == number)
    return {
        kind: values / np.float32(65535) if values.dtype == np.uint16 else values
        for kind, values in image.items()
    }


def windows(batch, row, size):
    for view, name in enumerate(("first", "second")):
        top, left = batch["offsets"][row, view]
        yield name, np.s_[top : top + size, left : left + size]


def test_crops_of_simulated_noise_are_slices_of_the_images(clean):
    images = with_noise(clean, levels="uniform", seed=1)
    data = NoisyCrops(images, 16)
    batch = data.batch("train", seed=3, step=1, batch_size=4)
    assert (data.channels, data.is_raw) == (3, False)
    for row in range(4):
        image = image_of(images, batch["image"][row])
        for name, window in windows(batch, row, 16):
            np.testing.assert_array_equal(batch[name][row], image["noisy"][window])
            np.testing.assert_array_equal(batch[f"{name}_noisy2"][row], image["noisy2"][window])
            np.testing.assert_array_equal(batch[f"{name}_clean"][row], image["clean"][window])
    assert set(batch) == {
        *(view + kind for view in ("first", "second") for kind in ("", "_noisy2", "_clean")),
        "offsets",
        "image",
        "negatives",
    }


def test_raw_crops_are_packed_and_keep_their_colours(clean):
    images = with_noise(clean, levels="uniform", seed=1, raw=True)
    data = NoisyCrops(images, 16)
    batch = data.batch("train", seed=3, step=1, batch_size=5)
    assert (data.channels, data.is_raw) == (4, True)
    assert batch["first"].shape == batch["second_noisy2"].shape == (5, 8, 8, 4)
    assert batch["first_clean"].shape == (5, 16, 16, 3)
    assert not (batch["offsets"] % 2).any()
    for row in range(5):
        image = image_of(images, batch["image"][row])
        for name, window in windows(batch, row, 16):
            crop = image["noisy"][window][..., 0]
            seen = batch[f"{name}_clean"][row]
            np.testing.assert_array_equal(seen, image["clean"][window])
            for place, (y, x, colour) in enumerate(PLACES):
                packed = batch[name][row][..., place]
                np.testing.assert_array_equal(packed, crop[y::2, x::2])
                # Noise has a standard deviation of at most .111, and other colours differ by .4.
                assert np.abs(packed - seen[y::2, x::2, colour]).max() < 0.7
                assert np.abs(packed - seen[y::2, x::2, colour]).mean() < 0.1


def test_only_the_kinds_asked_for_are_cropped(clean):
    images = with_noise(clean, levels="uniform")
    batch = NoisyCrops(images, 8, others=()).batch("train", seed=0, step=0, batch_size=2)
    assert set(batch) == {"first", "second", "offsets", "image", "negatives"}
    data = NoisyCrops(images, 8, others=("clean",))
    assert data.kinds("train") == ("clean",) and data.kinds("nowhere") == ()


def test_crops_of_one_image_are_no_negatives(clean):
    data = NoisyCrops(with_noise(clean, levels="uniform"), 8)
    batch = data.batch("train", seed=0, step=0, batch_size=12)  # of five images
    for row in range(12):
        for other in range(12):
            same = batch["image"][row] == batch["image"][other]
            assert batch["negatives"][row, other] == (not same)
    assert batch["negatives"].sum() < 12 * 11
    few = data.batch("train", seed=0, step=0, batch_size=5)
    np.testing.assert_array_equal(few["negatives"], ~np.eye(5, dtype=bool))


@pytest.mark.parametrize("overlap", [(0.0, 0.0), (0.5, 0.75)])
def test_crops_share_as_much_as_was_asked_for(clean, overlap):
    data = NoisyCrops(with_noise(clean, levels="uniform", raw=True), 16, overlap)
    batch = data.batch("train", seed=0, step=0, batch_size=40)
    shift = np.abs(batch["offsets"][:, 0] - batch["offsets"][:, 1])
    part = np.maximum(16 - shift, 0).prod(axis=1) / 256
    assert (part >= overlap[0]).all() and (part <= overlap[1]).all()


def test_a_batch_depends_on_seed_and_step_alone(clean):
    one, two = (NoisyCrops(with_noise(clean, levels="uniform"), 16) for _ in range(2))
    late = one.batch("train", seed=3, step=41, batch_size=4)
    two.batch("train", seed=3, step=0, batch_size=4)
    again = two.batch("train", seed=3, step=41, batch_size=4)
    assert all(np.array_equal(late[name], again[name]) for name in late)
    other = two.batch("train", seed=4, step=41, batch_size=4)
    assert not np.array_equal(late["first"], other["first"])


def test_full_batches_are_always_the_same(clean):
    data = NoisyCrops(with_noise(clean, levels="uniform"), 16)
    first, second = (list(data.batches("validation", batch_size=4, limit=10)) for _ in range(2))
    assert len(first) == 2 and all(len(batch["first"]) == 4 for batch in first)
    for one, two in zip(first, second, strict=True):
        np.testing.assert_array_equal(one["second"], two["second"])
    assert len(list(data.batches("test", batch_size=8, limit=1))) == 1


@pytest.mark.parametrize(("channels", "raw"), [(1, True), (3, False), (4, True)])
def test_noisy_images_have_their_own_noise(opened, channels, raw):
    images = opened(channels, "images/noisy")
    data = NoisyCrops(images, 16)
    batch = data.batch("train", seed=0, step=0, batch_size=5)
    assert data.is_raw == raw and "first_clean" not in batch
    assert batch["first"].shape == ((5, 8, 8, 4) if raw else (5, 16, 16, 3))
    image = image_of(images, batch["image"][0])["noisy"]
    name, window = next(windows(batch, 0, 8 if channels == 4 else 16))
    crop = image[window]
    if channels == 1:
        crop = np.stack([crop[y::2, x::2, 0] for y, x, _ in PLACES], axis=-1)
    np.testing.assert_allclose(batch[name][0], crop, rtol=3e-7)


def test_patches_of_pairs_have_what_their_split_has(pairs, tmp_path):
    pairs.add_second_shots(clean=("validation", "test"))
    images = open_images("pairs", source=pairs.index(), data_dir=tmp_path / "a", patch_size=16)
    data = NoisyCrops(images, 8)
    train = data.batch("train", seed=0, step=0, batch_size=4)
    assert {"first_noisy2", "second_noisy2"} <= set(train) and "first_clean" not in train
    (test,) = data.batches("test", batch_size=1, limit=1)
    found = image_of(images, test["image"][0], "test")
    for name, window in windows(test, 0, 8):
        for suffix, kind in (("", "noisy"), ("_noisy2", "noisy2"), ("_clean", "clean")):
            expected = found[kind][window] / np.float32(255)
            np.testing.assert_allclose(test[name + suffix][0], expected, rtol=3e-7)


def test_patches_of_one_image_are_one_image(clean, pairs, tmp_path):
    images = open_images("pairs", source=pairs.index(), data_dir=tmp_path / "a", patch_size=8)
    data = NoisyCrops(images, 4)
    # Four scenes for training; four patches of one for the test.
    assert [data.has_several_images(split) for split in ("train", "test")] == [True, False]
    assert len(data.views("test")) > 1
    simulated = NoisyCrops(with_noise(clean, levels="uniform"), 8)
    assert simulated.has_several_images("train") and not simulated.has_several_images("test")


def test_wrong_requests_are_sentences(clean, pairs, tmp_path):
    images = with_noise(clean, levels="uniform", raw=True)
    with pytest.raises(UsageError, match="even"):
        NoisyCrops(images, 15)
    with pytest.raises(UsageError, match="smaller crop"):
        NoisyCrops(images, 64).views("train")
    with pytest.raises(UsageError, match="no split"):
        NoisyCrops(images, 16).views("dev")
    with pytest.raises(UsageError, match="no noisy images"):
        NoisyCrops(clean, 16).views("train")
    with pytest.raises(DataError, match="2 channels"):
        NoisyCrops(clean.__class__(**{**clean.__dict__, "channels": 2}), 8)
    # Two crops of 16 pixels of a patch of 16 are one and the same.
    patches = open_images("pairs", source=pairs.index(), data_dir=tmp_path / "a", patch_size=16)
    with pytest.raises(UsageError, match="larger patches"):
        NoisyCrops(patches, 16).views("train")
    with pytest.raises(UsageError, match="at least one"):
        next(NoisyCrops(images, 16).batches("train", batch_size=0, limit=1))
