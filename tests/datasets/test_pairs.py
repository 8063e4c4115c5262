"""A user's folder: patches come through as stored, and edits are noticed."""

from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile

from datasets.pipeline import NoiseData, open_dataset
from jaxnoise.errors import DataError


def everything(data: NoiseData, split: str) -> dict[str, np.ndarray]:
    (batch,) = data.batches(split, batch_size=data.sizes[split])
    return batch


def patches(image: np.ndarray, side: int = 8) -> set[bytes]:
    """Bytes of the non-overlapping patches of an image."""
    return {
        np.ascontiguousarray(image[y : y + side, x : x + side]).tobytes()
        for y in range(0, image.shape[0] - side + 1, side)
        for x in range(0, image.shape[1] - side + 1, side)
    }


@pytest.mark.fast
def test_patches_are_those_of_the_images(pairs, open_pairs):
    noisy, clean = pairs.add("t2", split="test")
    pairs.rows.pop(-2)
    data = open_pairs(pairs)
    # 20x17 holds 2x2 patches of 8; the rest of the border is dropped.
    assert data.sizes == {"train": 16, "validation": 4, "test": 4}
    batch = everything(data, "test")
    as_stored = np.rint(batch["clean"] * 255).astype(np.uint8)
    assert {patch.tobytes() for patch in as_stored} == patches(clean)
    np.testing.assert_array_equal(as_stored / np.float32(255), batch["clean"])
    steps = np.rint(batch["noisy"] * 255).astype(np.uint8)
    assert {patch.tobytes() for patch in steps} == patches(noisy)


@pytest.mark.fast
def test_second_shots_are_of_the_same_place(pairs, open_pairs):
    pairs.add_second_shots()
    data = open_pairs(pairs)
    batch = everything(data, "test")
    row = pairs.rows[5]
    images = [imagecodecs.png_decode((pairs.path / row[n]).read_bytes()) for n in (0, 1, 6)]
    stored = np.concatenate(images, axis=-1)
    values = np.concatenate([batch[key] for key in ("noisy", "clean", "noisy2")], axis=-1)
    as_stored = np.rint(values * 255).astype(np.uint8)
    assert {patch.tobytes() for patch in as_stored} == patches(stored)
    assert data.clean_splits == ("train", "validation", "test")
    assert "no clean images" not in " ".join(data.notes)


@pytest.mark.fast
def test_second_shots_are_dequantised_with_uniform_noise_of_their_own(pairs, open_pairs):
    for _ in range(20):
        pairs.add("more")
    pairs.add_second_shots(clean=())
    batch = open_pairs(pairs).batch("train", seed=0, step=0, batch_size=90)
    spread = [batch[key].astype(float).ravel() * 255 for key in ("noisy", "noisy2")]
    one, two = (values - np.rint(values) for values in spread)
    ranks = np.arange(1, two.size + 1) / two.size
    # Kolmogorov, exceeded with a probability of 1e-3.
    assert np.abs(np.sort(two) + 0.5 - ranks).max() < 1.95 / np.sqrt(two.size) + 1e-4
    # A correlation of independent values exceeds 4 / sqrt(n) with a probability of 6e-5.
    assert abs(np.corrcoef(one, two)[0, 1]) < 4 / np.sqrt(one.size)


@pytest.mark.fast
@pytest.mark.parametrize("clean", [("test",), ("validation", "test"), ()])
def test_splits_without_clean_images_have_none_in_their_batches(clean, pairs, open_pairs):
    pairs.add_second_shots()
    whole = open_pairs(pairs)
    for row in pairs.rows:
        row[1] = row[1] if row[5] in clean else ""
    data = open_pairs(pairs)
    assert data.clean_splits == clean and data.sizes == whole.sizes
    for split in data.sizes:
        batch, expected = everything(data, split), everything(whole, split)
        if split not in clean:
            del expected["clean"]
        assert batch.keys() == expected.keys()
        for key in batch:
            np.testing.assert_array_equal(batch[key], expected[key])
        drawn = data.batch(split, seed=0, step=0, batch_size=2)
        assert ("clean" in drawn) == (split in clean) and "noisy2" in drawn
    absent = [split for split in data.sizes if split not in clean]
    assert f"no clean images in {', '.join(absent)}:" in " ".join(data.notes)


@pytest.mark.fast
def test_dequantisation_is_uniform_within_the_step(pairs, open_pairs):
    for _ in range(20):
        pairs.add("more")
    data = open_pairs(pairs)
    spread = []
    for batch in (data.batch("train", seed=0, step=0, batch_size=90), everything(data, "train")):
        values = batch["noisy"].astype(float).ravel() * 255
        spread.append(values - np.rint(values))
        # Kolmogorov: the largest gap between empirical and uniform distribution of n values
        # exceeds 1.95 / sqrt(n) with a probability of 1e-3.
        ranks = np.arange(1, values.size + 1) / values.size
        gap = np.abs(np.sort(spread[-1]) + 0.5 - ranks).max()
        assert gap < 1.95 / np.sqrt(values.size) + 1e-4
    assert np.abs(spread[0]).max() <= 0.5


@pytest.mark.fast
def test_dequantisation_depends_on_step_in_training_and_on_the_example_in_evaluation(
    pairs, open_pairs
):
    data = open_pairs(pairs)
    one = data.batch("train", seed=1, step=5, batch_size=4)
    data.batch("train", seed=1, step=6, batch_size=4)
    again = data.batch("train", seed=1, step=5, batch_size=4)
    np.testing.assert_array_equal(one["noisy"], again["noisy"])
    whole = everything(data, "train")
    for size in (3, 5):
        parts = [batch["noisy"][batch["mask"]] for batch in data.batches("train", batch_size=size)]
        np.testing.assert_array_equal(np.concatenate(parts), whole["noisy"])
    # The same patch in another pass gets other noise, so that training sees the whole step.
    passes = [data.batch("train", seed=1, step=s, batch_size=16) for s in (0, 1)]
    order = [np.lexsort(batch["clean"].reshape(16, -1)[:, :3].T) for batch in passes]
    same, other = (batch["noisy"][places] for batch, places in zip(passes, order, strict=True))
    assert np.abs(same - other).max() < 1.01 / 255 and (same != other).mean() > 0.9


@pytest.mark.fast
@pytest.mark.parametrize("kind", ["png", "tiff", "npz"])
def test_deeper_images_are_fed_without_dequantisation(kind: str, pairs, open_pairs):
    both = pairs.random.integers(0, 65536, (2, 8, 8, 3), dtype=np.uint16)
    for row in pairs.rows:
        for column, image in enumerate(both):
            row[column] = f"{Path(row[column]).stem}.{kind}"
            if kind == "png":
                pairs.save(row[column], image)
            elif kind == "tiff":
                tifffile.imwrite(pairs.path / row[column], image, photometric="rgb")
            else:
                pairs.save(row[column], image / np.float32(65535))
    data = open_pairs(pairs)
    batch = everything(data, "test")
    np.testing.assert_allclose(batch["noisy"][0] * 65535, both[0], atol=0.01)
    np.testing.assert_allclose(batch["clean"][0] * 65535, both[1], atol=0.01)
    assert any("no dequantisation" in note for note in data.notes)


@pytest.mark.fast
def test_blank_camera_and_iso_are_one_class_unknown(pairs, open_pairs):
    pairs.rows[0][2:4] = ["", ""]
    pairs.rows[5][2:4] = ["", " "]
    data = open_pairs(pairs)
    assert data.cameras == ("one", "unknown") and data.isos == (0, 100)
    batch = everything(data, "test")
    assert (batch["camera"] == 1).all() and (batch["iso"] == 0).all()
    assert not data.has_truth and "noisy2" not in batch


@pytest.mark.fast
def test_notes_state_unit_and_dequantisation(pairs, open_pairs):
    notes = " ".join(open_pairs(pairs).notes)
    assert "full scale 255" in notes and "dequantised" in notes


@pytest.mark.fast
def test_an_unchanged_source_is_served_from_its_records(pairs, open_pairs, monkeypatch):
    from datasets import records

    first = open_pairs(pairs)
    monkeypatch.setattr(records, "_build", lambda *_: pytest.fail("built again"))
    assert open_pairs(pairs) == first


@pytest.mark.fast
@pytest.mark.parametrize("edit", ["image", "second shot", "index", "patch size"])
def test_an_edited_source_gets_new_records(edit: str, pairs, open_pairs):
    pairs.add_second_shots()
    first = open_pairs(pairs)
    before = everything(first, "test")
    if edit in ("image", "second shot"):
        name = pairs.rows[5][0 if edit == "image" else 6]
        image = imagecodecs.png_decode((pairs.path / name).read_bytes())
        image[3, 3, 1] ^= 1
        pairs.save(name, image)
    elif edit == "index":
        pairs.rows[5][3] = "200"
    second = open_pairs(pairs, patch_size=16 if edit == "patch size" else 8)
    assert second.fingerprint != first.fingerprint and second.folder != first.folder
    after = everything(second, "test")
    key = {"index": "iso", "second shot": "noisy2"}.get(edit, "noisy")
    assert not np.array_equal(before[key], after[key])


@pytest.mark.fast
def test_a_source_that_changes_while_it_is_read_is_refused(pairs, open_pairs, tmp_path: Path):
    from datasets.pairs import pairs_dataset_builder as builder

    config = builder.make_config(pairs.index(), patch_size=8)
    pairs.save(pairs.rows[0][0], np.zeros((20, 17, 3), np.uint8))
    with pytest.raises(DataError, match="changed"):
        builder.facts(config)


def test_real_images_with_their_index(real_images: Path, tmp_path: Path):
    source = real_images / "data" / "srgb_polyu"
    if not source.is_dir():
        pytest.skip(f"{source} is not there")
    data = open_dataset("pairs", source=source, data_dir=tmp_path)
    # 28 pairs of 512x512 hold 64 patches each; 8 pairs are the fixed test split.
    assert data.sizes["test"] == 8 * 64 and sum(data.sizes.values()) == 28 * 64
    assert data.cameras == ("Canon5D2", "Canon80D", "Nikon800", "SonyA7II")
    assert data.isos == (1600, 3200, 4000, 6400)
    settings = {
        split: set(zip(batch["camera"], batch["iso"], strict=True))
        for split in data.sizes
        for batch in [everything(data, split)]
    }
    assert settings["validation"] <= settings["train"] and settings["test"] <= settings["train"]
    batch = data.batch("train", seed=0, step=0, batch_size=256)
    noise = batch["noisy"] - batch["clean"]
    # The noise of these cameras is a few steps of 1/255 and never a different picture.
    assert 0.002 < noise.std() < 0.05 and abs(noise.mean()) < 0.01


@pytest.mark.fast
def test_batches_say_which_image_and_scene_a_patch_is_of(pairs, open_pairs):
    data = open_pairs(pairs)
    seen = set()
    for split in data.fields:
        batch = everything(data, split)
        for clean, image, scene in zip(batch["clean"], batch["image"], batch["scene"], strict=True):
            row = pairs.rows[image]
            assert (data.scenes[scene], split) == (row[4], row[5])
            whole = imagecodecs.png_decode((pairs.path / row[1]).read_bytes())
            assert np.rint(clean * 255).astype(np.uint8).tobytes() in patches(whole)
            seen.add(int(image))
    assert seen == set(range(len(pairs.rows)))
