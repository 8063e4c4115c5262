"""Crops of whole images: what they show, how they overlap, and what they depend on."""

from pathlib import Path

import imagecodecs
import numpy as np
import pytest

from datasets.crops import ImageData, negatives, open_images
from jaxnoise.errors import UsageError

pytestmark = pytest.mark.fast


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> ImageData:
    """Twelve images of 40x30 and more in two scenes each, clean and noisy; one is small."""
    path = tmp_path_factory.mktemp("images")
    random = np.random.default_rng(0)
    rows = ["clean,noisy,scene,split"]
    for number in range(14):
        size = (9, 30) if number == 3 else (40 + number, 30 + number % 3)
        for kind in ("clean", "noisy"):
            image = random.integers(0, 2**16, (*size, 3), dtype=np.uint16)
            (path / f"{kind}{number}.png").write_bytes(imagecodecs.png_encode(image))
        split = "train" if number < 10 else "validation" if number < 12 else "test"
        rows.append(f"clean{number}.png,noisy{number}.png,s{number // 2},{split}")
    (path / "index.csv").write_text("\n".join(rows))
    return open_images("images", source=path, data_dir=tmp_path_factory.mktemp("records"))


def same(one: dict[str, np.ndarray], two: dict[str, np.ndarray]) -> bool:
    return one.keys() == two.keys() and all(np.array_equal(one[key], two[key]) for key in one)


@pytest.mark.parametrize("step", [1, 2])
def test_crops_are_what_the_images_show_at_the_offsets(data: ImageData, step: int):
    views = data.views("train", size=16, step=step, paired=("noisy",))
    batch = views.batch(seed=1, step=2, batch_size=5)
    stored = {}
    for place in range(data.sizes["train"]):
        example = data._images["train"].read(place)
        stored[int(example["image"])] = example
    for row in range(5):
        example = stored[batch["image"][row]]
        assert batch["scene"][row] == example["scene"]
        for view, name in enumerate(("first", "second")):
            top, left = batch["offsets"][row, view]
            assert top % step == left % step == 0
            for kind, key in (("clean", name), ("noisy", f"{name}_noisy")):
                window = example[kind][top : top + 16, left : left + 16]
                np.testing.assert_allclose(batch[key][row], window / 65535, rtol=3e-7)
    assert {key: (value.dtype.name, value.shape[1:]) for key, value in batch.items()} == {
        **dict.fromkeys(
            ("first", "second", "first_noisy", "second_noisy"), ("float32", (16, 16, 3))
        ),
        "offsets": ("int32", (2, 2)),
        "image": ("int32", ()),
        "scene": ("int32", ()),
    }


@pytest.mark.parametrize("overlap", [(0.25, 1.0), (0.0, 0.0), (0.5, 0.75), (1.0, 1.0), None])
def test_crops_share_as_much_as_was_asked_for(data: ImageData, overlap):
    views = data.views("train", size=12, overlap=overlap)
    for step in range(8):
        batch = views.batch(seed=0, step=step, batch_size=9)
        height, width = np.abs(batch["offsets"][:, 0] - batch["offsets"][:, 1]).T
        part = np.maximum(12 - height, 0) * np.maximum(12 - width, 0) / 144
        low, high = overlap or (0, 1)
        assert (part >= low).all() and (part <= high).all()


def test_a_batch_depends_on_seed_and_step_alone(data: ImageData):
    views, again = (data.views("train", size=16) for _ in range(2))
    late = views.batch(seed=3, step=41, batch_size=4)
    for step in (0, 41, 7):
        views.batch(seed=4, step=step, batch_size=4)
    list(views.batches(batch_size=4))
    assert same(late, views.batch(seed=3, step=41, batch_size=4))
    assert same(late, again.batch(seed=3, step=41, batch_size=4))
    assert not same(late, views.batch(seed=3, step=42, batch_size=4))
    assert not same(late, views.batch(seed=4, step=41, batch_size=4))


def test_the_images_of_a_batch_are_different_ones(data: ImageData):
    views = data.views("train", size=16)
    for size in (4, 9):
        seen = []
        for step in range(3 * (9 // size)):
            image = views.batch(seed=0, step=step, batch_size=size)["image"]
            assert len(set(image.tolist())) == size
            seen += image.tolist()
        assert len(set(seen)) == 9
    _, counts = np.unique(views.batch(seed=0, step=0, batch_size=21)["image"], return_counts=True)
    assert len(counts) == 9 and set(counts) == {2, 3}


def test_images_without_room_are_left_out_and_said(data: ImageData):
    views = data.views("train", size=16)
    assert len(views) == 9 and "1 images of train left out" in views.notes[0]
    small = data.views("train", size=8)
    assert len(small) == 10 and small.notes == ()
    batches = list(views.batches(batch_size=9))
    assert 3 not in batches[0]["image"]


@pytest.mark.parametrize(
    ("batch_size", "limit", "per_image"), [(4, None, 1), (5, 7, 2), (64, 9, 3)]
)
def test_evaluation_is_in_fixed_order_with_a_mask(data, batch_size, limit, per_image):
    views = data.views("train", size=16)
    (whole,) = views.batches(batch_size=9 * per_image, per_image=per_image)
    assert whole["mask"].all()
    assert whole["image"].tolist() == np.repeat([0, 1, 2, 4, 5, 6, 7, 8, 9], per_image).tolist()
    batches = list(views.batches(batch_size=batch_size, limit=limit, per_image=per_image))
    assert all(len(batch[key]) == batch_size for batch in batches for key in batch)
    for key in whole:
        kept = np.concatenate([batch[key][batch["mask"]] for batch in batches])
        np.testing.assert_array_equal(kept, whole[key][:limit])
    if per_image > 1:
        assert not np.array_equal(whole["first"][0], whole["first"][1])


def test_negatives_share_no_pixel_with_their_query(data: ImageData):
    batch = data.views("train", size=12).batch(seed=0, step=0, batch_size=40)
    allowed = negatives(batch, size=12)
    for query in range(40):
        for other in range(40):
            seen = np.zeros((60, 60), int)
            top, left = batch["offsets"][query, 0]
            seen[top : top + 12, left : left + 12] += 1
            top, left = batch["offsets"][other, 1]
            seen[top : top + 12, left : left + 12] += 1
            shared = batch["image"][query] == batch["image"][other] and seen.max() == 2
            assert allowed[query, other] == (not shared and query != other)
    assert not allowed.all() and allowed.any()


def test_patches_of_other_data_sets_are_images_too(few_patches: None, records: Path):
    data = open_images("camera_sim/exact", data_dir=records)
    views = data.views("train", size=16, kind="noisy", paired=("noisy2",))
    assert len(views) == 100
    (batch,) = views.batches(batch_size=100)
    from datasets.pipeline import open_dataset

    (whole,) = open_dataset("camera_sim/exact", data_dir=records).batches("train", batch_size=100)
    for row in (0, 57, 99):
        top, left = batch["offsets"][row, 1]
        window = np.s_[row, top : top + 16, left : left + 16]
        np.testing.assert_array_equal(batch["second"][row], whole["noisy"][window])
        np.testing.assert_array_equal(batch["second_noisy2"][row], whole["noisy2"][window])
    np.testing.assert_array_equal(batch["image"], whole["image"])


def test_wrong_requests_are_sentences(data: ImageData):
    for words, options in {
        "no split 'dev'": {"split": "dev"},
        "no noisy2 images": {"kind": "noisy2"},
        "no noisy2": {"paired": ("noisy2",)},
        "has room": {"size": 500},
        "are none": {"step": 0},
        "overlap": {"overlap": (0.9, 0.1)},
    }.items():
        with pytest.raises(UsageError, match=words):
            data.views(**{"split": "train", "size": 16, **options})
    views = data.views("train", size=16)
    for options in ({"batch_size": 0}, {"step": -1}, {"seed": -1}, {"seed": 2**32}):
        with pytest.raises(UsageError, match="is none"):
            views.batch(**{"seed": 0, "step": 0, "batch_size": 2, **options})
    with pytest.raises(UsageError, match="at least one"):
        next(views.batches(batch_size=0))
