"""Labels against slices of the images themselves, and how many there are of which images."""

import imagecodecs
import numpy as np
import pytest

from datasets import labels as labels_file
from datasets.crops import open_images
from datasets.labels import Labels, take_labels
from datasets.noisy_images import with_noise
from datasets.order import shuffled
from jaxnoise.errors import UsageError
from jaxnoise.tasks import TASKS

pytestmark = pytest.mark.fast

SIDES = ((33, 50), (48, 32), (16, 20), (64, 64), (15, 60))
"""Of the training images: 6, 6, 1, 16 and 0 crops of 16 pixels."""
PLACES = ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2))


def save(path, shape, random, kind=""):
    path.mkdir(parents=True, exist_ok=True)
    image = random.integers(0, 256, shape, dtype=np.uint8)
    number = len(list(path.glob(f"{kind}*.png")))
    (path / f"{kind}{number}.png").write_bytes(imagecodecs.png_encode(image))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Photographs in colour of several sizes."""
    path, random = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    for split, sides in (("train", SIDES), ("validation", SIDES[:2]), ("test", SIDES[:1])):
        for side in sides:
            save(path / split, (*side, 3), random)
    return open_images("images", source=path, data_dir=tmp_path_factory.mktemp("records"))


def stored(data, split="train"):
    found = data._images[split]
    images = [found.read(place) for place in range(data.sizes[split])]
    return {int(image["image"]): image["clean"] / np.float32(255) for image in images}


def cells(data, size, split="train"):
    """All crops side by side, by image and place."""
    for number, image in stored(data, split).items():
        for top in range(0, len(image) - size + 1, size):
            for left in range(0, image.shape[1] - size + 1, size):
                yield number, image[top : top + size, left : left + size]


def test_all_labels_are_the_crops_side_by_side_each_once(data):
    labels = take_labels(data, "train", task="denoise", size=16)
    left = list(cells(data, 16))
    assert len(labels) == len(left) == 29
    for number, target in zip(labels.image, labels.targets, strict=True):
        (place,) = [
            n
            for n, (image, crop) in enumerate(left)
            if image == number and np.array_equal(crop, target)
        ]
        left.pop(place)
    kinds = [labels.inputs.dtype, labels.targets.dtype, labels.image.dtype]
    assert kinds == [np.float32, np.float32, np.int32] and left == []


def test_labels_are_of_as_many_images_as_possible(data):
    whole = take_labels(data, "train", task="denoise", size=16)
    assert sorted(np.bincount(whole.image, minlength=8)[whole.image[:4]]) == [1, 6, 6, 16]
    rounds = [whole.image[:4], whole.image[4:7], whole.image[7:10]]
    assert [len(set(part.tolist())) for part in rounds] == [4, 3, 3]
    for count in (1, 4, 10):
        few = take_labels(data, "train", task="denoise", size=16, count=count)
        np.testing.assert_array_equal(few.inputs, whole.inputs[:count])
    most = take_labels(data, "train", task="denoise", size=16, most=10)
    np.testing.assert_array_equal(most.targets, whole.targets[:10])
    assert len(take_labels(data, "train", task="denoise", size=16, most=500)) == 29


def test_labels_of_a_few_images_are_all_of_theirs(data):
    whole = take_labels(data, "train", task="denoise", size=16)
    two = take_labels(data, "train", task="denoise", size=16, images=2)
    first = list(dict.fromkeys(whole.image.tolist()))[:2]
    assert set(two.image.tolist()) == set(first)
    np.testing.assert_array_equal(two.inputs, whole.inputs[np.isin(whole.image, first)])
    three = take_labels(data, "train", task="denoise", size=16, images=2, count=3)
    np.testing.assert_array_equal(three.inputs, two.inputs[:3])


def test_the_order_is_that_of_the_seed(data):
    orders = {
        tuple(take_labels(data, "train", task="sr", size=16, seed=seed).image[:4].tolist())
        for seed in range(8)
    }
    assert len(orders) > 1
    one, two = (take_labels(data, "train", task="denoise", size=16, seed=3) for _ in range(2))
    np.testing.assert_array_equal(one.inputs, two.inputs)


@pytest.mark.parametrize("task", list(TASKS))
def test_inputs_are_what_the_task_sees(data, task):
    entry = TASKS[task]
    labels = take_labels(data, "train", task=task, size=16, levels="brooks")
    side = 16 // entry.factor
    assert labels.inputs.shape == (29, side, side, entry.channels)
    for seen, clean, number in zip(labels.inputs, labels.targets, labels.image, strict=True):
        if task in ("sr", "jdensr", "jdemsr", "jddsr"):
            clean = sum(clean[y::2, x::2] for y in (0, 1) for x in (0, 1)) / 4
        if task in ("jdd", "jdemsr", "jddsr"):
            clean = np.stack([clean[y::2, x::2, colour] for y, x, colour in PLACES], axis=-1)
        if task in ("sr", "jdemsr"):
            np.testing.assert_allclose(seen, clean, atol=2e-7)
            continue
        image = stored(data)[int(number)]
        law = with_noise(data, levels="brooks")._images["train"].levels
        shot, read = law.of("train", int(number), image)
        unit = (seen - clean) / np.sqrt(shot * clean + read)
        # A mean of squares of normal numbers varies by the root of 2 over their number.
        assert abs((unit**2).mean() - 1) < 5 * (2 / unit.size) ** 0.5
        assert abs(unit.mean()) < 5 / unit.size**0.5


def test_each_label_has_noise_of_its_own(data):
    labels = take_labels(data, "train", task="denoise", size=16)
    noise = (labels.inputs - labels.targets).reshape(29, -1)
    noise /= noise.std(axis=1, keepdims=True)
    found = np.abs(np.corrcoef(noise) - np.eye(29))
    assert found.max() < 5 / noise.shape[1] ** 0.5
    # Nor is it that of the image that pre-training sees.
    whole = with_noise(data, levels="uniform")._images["train"]
    for place in range(5):
        example = whole.read(place)
        if int(example["image"]) == labels.image[0]:
            assert np.isin(labels.inputs[0], example["noisy"]).mean() < 0.01


def test_tiles_have_levels_of_their_own(data):
    labels = take_labels(data, "train", task="denoise", size=16, tile=32, seed=2)
    law = with_noise(data, levels="uniform", seed=2)._images["train"].levels
    levels = set()
    for seen, clean, number in zip(labels.inputs, labels.targets, labels.image, strict=True):
        image = stored(data)[int(number)]
        (place,) = [
            (top, left)
            for top in range(0, len(image) - 15, 16)
            for left in range(0, image.shape[1] - 15, 16)
            if np.array_equal(image[top : top + 16, left : left + 16], clean)
        ]
        part = place[0] // 32, place[1] // 32
        tile = image[32 * part[0] : 32 * part[0] + 32, 32 * part[1] : 32 * part[1] + 32]
        shot, read = law.of("train", int(number), tile, part=part)
        levels.add((shot, read))
        unit = (seen - clean) / np.sqrt(shot * clean + read)
        assert abs((unit**2).mean() - 1) < 5 * (2 / unit.size) ** 0.5
    # Of the images with room for a crop: 1 x 2, 2 x 1, 1 and 2 x 2 tiles that one begins in.
    assert len(levels) == 2 + 2 + 1 + 4


def test_another_shot_has_the_same_level_and_other_noise(data):
    clean = take_labels(data, "train", task="denoise", size=16)
    other = take_labels(data, "train", task="denoise", size=16, other_shot=True)
    np.testing.assert_array_equal(other.inputs, clean.inputs)
    one, two = (values - clean.targets for values in (other.inputs, other.targets))
    size = one[0].size
    for first, second in zip(one, two, strict=True):
        assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 5 / size**0.5
        # Pixels of several variances: the ratio varies a little more than of one.
        assert abs(np.log(first.var() / second.var())) < 5 * 2 / size**0.5


@pytest.fixture
def real(pairs, tmp_path):
    """Opens the pairs as patches of 8 pixels."""

    def opened(name="pairs"):
        folder = tmp_path / "records"
        return open_images(name, source=pairs.index(), data_dir=folder, patch_size=8)

    return opened


def test_real_pairs_are_taken_as_they_are(real, pairs):
    pairs.add_second_shots()
    images = real()
    labels = take_labels(images, "train", task="denoise", size=8, levels="none")
    shots = take_labels(images, "train", task="denoise", size=8, levels="none", other_shot=True)
    assert len(labels) == images.sizes["train"] == 16  # 20x17 pixels of four scenes
    assert [len(set(labels.image[n : n + 4].tolist())) for n in (0, 4, 8, 12)] == [4] * 4
    found = [images._images["train"].read(place) for place in range(16)]
    for row in range(16):
        (patch,) = [
            p for p in found if np.array_equal(p["noisy"] / np.float32(255), labels.inputs[row])
        ]
        assert patch["image"] == labels.image[row]
        np.testing.assert_allclose(labels.targets[row], patch["clean"] / 255, rtol=3e-7)
        np.testing.assert_array_equal(shots.inputs[row], labels.inputs[row])
        np.testing.assert_allclose(shots.targets[row], patch["noisy2"] / 255, rtol=3e-7)


def test_labels_of_real_photographs_are_as_noisy_as_their_pairs(real_images, tmp_path):
    folder = real_images / "data" / "srgb_polyu"
    pairs = open_images("pairs", source=folder, data_dir=tmp_path, patch_size=128)
    labels = take_labels(pairs, "test", task="denoise", size=128, levels="none", most=16)
    assert len(set(labels.image[:8].tolist())) == 8
    # These cameras' own images are 30 to 45 dB from the means of many shots.
    mse = ((labels.inputs - labels.targets) ** 2).mean(axis=(1, 2, 3))
    assert np.all((mse > 10**-4.8) & (mse < 10**-2.8))


def test_a_batch_depends_on_seed_and_step_alone(data):
    labels = take_labels(data, "train", task="denoise", size=16, count=10)
    late = labels.batch(seed=3, step=41, batch_size=4)
    labels.batch(seed=3, step=0, batch_size=4)
    again = labels.batch(seed=3, step=41, batch_size=4)
    assert all(np.array_equal(late[name], again[name]) for name in late)
    for other in ({"seed": 4, "step": 41}, {"seed": 3, "step": 42}):
        assert not np.array_equal(late["inputs"], labels.batch(**other, batch_size=4)["inputs"])
    # Input, target and number stay together, and a batch of more has each as often.
    many = labels.batch(seed=0, step=0, batch_size=30)
    counts = {row: 0 for row in range(10)}
    for seen, target, number in zip(many["inputs"], many["targets"], many["image"], strict=True):
        (row,) = [n for n in range(10) if np.array_equal(labels.inputs[n], seen)]
        np.testing.assert_array_equal(target, labels.targets[row])
        assert number == labels.image[row]
        counts[row] += 1
    assert set(counts.values()) == {3}


def test_turns_are_the_eight_of_a_square_alike_for_input_and_target():
    random = np.random.default_rng(0)
    inputs = random.random((1, 6, 6, 3), np.float32)
    labels = Labels(
        inputs, np.kron(inputs, np.ones((1, 2, 2, 1), np.float32)), np.zeros(1, np.int32)
    )
    batch = labels.batch(seed=0, step=0, batch_size=64, turns=True)
    seen = {image.tobytes() for image in batch["inputs"]}
    turned = [np.rot90(inputs[0], turns) for turns in range(4)]
    assert seen == {
        np.ascontiguousarray(image).tobytes() for one in turned for image in (one, one[::-1])
    }
    np.testing.assert_array_equal(batch["targets"][:, ::2, ::2], batch["inputs"])
    again = labels.batch(seed=0, step=0, batch_size=64, turns=True)
    np.testing.assert_array_equal(batch["inputs"], again["inputs"])


def test_every_pass_shows_each_once():
    seen = [shuffled("x", 1, count=7, step=step, batch_size=3) for step in range(4)]
    for run in (seen[:2], seen[2:]):
        assert len(set(np.concatenate(run).tolist())) == 6
    assert not np.array_equal(np.concatenate(seen[:2]), np.concatenate(seen[2:]))


def test_wrong_requests_are_sentences(data, real, pairs, monkeypatch):
    def refused(words, *, of=data, split="train", **options):
        with pytest.raises(UsageError, match=words):
            take_labels(of, split, **{"task": "denoise", "size": 16, **options})

    refused("29 labels of 16x16 pixels in train, and 30", count=30)
    refused("in 2 images of train, and 23", images=2, count=23)
    refused("4 images of train with room", images=5)
    refused("0 labels", size=80)
    refused("no split 'dev'", split="dev")
    refused("multiple of the 4", task="jddsr", size=18)
    refused("count is 0", count=0)
    refused("no target for the task sr", task="sr", other_shot=True)
    refused("use denoise", task="sharpen")
    refused("no noisy images", levels="none")
    refused("whole images", of=real())
    refused("made of clean images", of=real(), levels="none", task="jdd")
    refused("no noisy2 images", of=real(), levels="none", size=8, other_shot=True)
    monkeypatch.setattr(labels_file, "MOST_BYTES", 10 * 2 * 4 * 16 * 16 * 3)
    refused("ask for 10 of them", count=11)
    labels = take_labels(data, "train", task="jdd", size=16, count=10)
    for options in ({"batch_size": 0}, {"step": -1}, {"seed": -1}):
        with pytest.raises(UsageError, match="is none"):
            labels.batch(**{"seed": 0, "step": 0, "batch_size": 2, **options})
    with pytest.raises(UsageError, match="turned"):
        labels.batch(seed=0, step=0, batch_size=2, turns=True)
