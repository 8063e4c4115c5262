"""SIDD-Full Raw: pairs of consecutive shots of one scene, wherever the files of a burst lie."""

import itertools
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from datasets.pipeline import NoiseData, open_dataset
from datasets.sidd_full import sidd_full_dataset_builder as builder
from datasets.sidd_full.shots import PAIRS_PER_INSTANCE, clean_splits, find_pairs
from jaxnoise.errors import DataError, UsageError
from jaxnoise.io.mat import MatReader
from tests.datasets.sidd_tree import BRIGHTER, LEVELS, PATTERNS, Tree, bursts, mosaic, usual

PATCH = 4
PATCHES = 2 * 3  # of 8x12 packed pixels
TEST = "0054_001_S6_00100_00060_3200_L"
PLACES = {
    "in the folder of the scene": "{folder}",
    "in folders inside it": "{folder}/{kind}",
    "in folders next to it": "{folder}/../{kind}",
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Tree:
    """Read by many tests, changed by none."""
    return bursts(tmp_path_factory.mktemp("sidd") / "SIDD_Full_Raw")


@pytest.fixture
def own_tree(tree, tmp_path) -> Tree:
    """A copy that a test may spoil."""
    copy = Tree(tmp_path / "SIDD_Full_Raw")
    copy.size = tree.size
    shutil.copytree(tree.root, copy.root)
    return copy


@pytest.fixture(scope="module")
def data(tree, tmp_path_factory) -> NoiseData:
    return read(tree.root, tmp_path_factory.mktemp("records"))


def read(source: Path, data_dir: Path) -> NoiseData:
    return open_dataset("sidd_full", source=source, data_dir=data_dir, patch_size=PATCH)


def everything(data: NoiseData, split: str) -> dict[str, np.ndarray]:
    (batch,) = data.batches(split, batch_size=data.sizes[split])
    return batch


def test_shots_are_spread_over_the_burst_and_the_test_has_those_of_sidd_medium(tree):
    pairs, _ = find_pairs(tree.root)
    shots = {
        split: [
            [pair.shot for pair in group]
            for _, group in itertools.groupby(
                (pair for pair in pairs if pair.split == split), lambda pair: pair.instance
            )
        ]
        for split in PAIRS_PER_INSTANCE
    }
    # 13 pairs of neighbours: the middles of 8 and of 2 equal parts.
    assert shots["train"] == [[1, 3, 5, 6, 8, 9, 11, 13]] * 4
    assert shots["validation"] == [[4, 10]]
    assert shots["test"] == [[10, 11]] * 2
    for pair in pairs:
        names = {kind: path.name for kind, path in pair.files.items()}
        assert names["noisy"] == f"{pair.instance}_NOISY_RAW_{pair.shot:03}.MAT"
        assert names["noisy2"] == f"{pair.instance}_NOISY_RAW_{pair.shot + 1:03}.MAT"
        assert names.get("clean") == (
            f"{pair.instance}_GT_RAW_{pair.shot:03}.MAT" if pair.split == "test" else None
        )


def test_patches_of_a_pair_are_of_one_place_in_neighbouring_shots(data):
    assert data.sizes == {
        "train": 4 * 8 * PATCHES,
        "validation": 2 * PATCHES,
        "test": 2 * 2 * PATCHES,
    }
    for split in data.sizes:
        batch = everything(data, split)
        np.testing.assert_allclose(batch["noisy2"] - batch["noisy"], BRIGHTER, atol=1e-6)
    shots = np.rint((batch["noisy"] - batch["clean"]).mean((1, 2, 3)) / BRIGHTER)
    assert sorted(shots) == [10] * 2 * PATCHES + [11] * 2 * PATCHES
    # IP starts with red, so that its packed mosaic needs no mirror.
    image = mosaic(PATTERNS["IP"], (16, 24))
    packed = np.stack([image[i::2, j::2] for i, j in itertools.product((0, 1), (0, 1))], axis=-1)
    expected = {
        packed[y : y + PATCH, x : x + PATCH].tobytes()
        for y, x in itertools.product((0, 4), (0, 4, 8))
    }
    of_ip = batch["camera"] == data.cameras.index("IP")
    assert {patch.tobytes() for patch in batch["clean"][of_ip]} == expected


def test_channels_are_red_two_greens_and_blue(data):
    batch = everything(data, "test")
    for camera in (0, 1):
        lowest = batch["clean"][batch["camera"] == camera].min((0, 1, 2))
        offsets = lowest - np.array(list(LEVELS.values()))
        assert (offsets > -1e-6).all() and (offsets <= 0.004 + 1e-6).all()
    assert data.cameras == ("IP", "S6") and data.isos == (100, 3200) and data.channels == 4


def test_the_noise_profile_comes_with_every_patch(data):
    batch = data.batch("train", seed=0, step=0, batch_size=40)
    expected = np.stack([7e-4 * batch["iso"] / 100, np.full(40, 1e-5)], axis=-1)
    np.testing.assert_allclose(batch["noise_profile"], expected, rtol=1e-6)


def test_only_splits_with_clean_images_have_them_in_batches(data):
    assert data.clean_splits == ("test",)
    for split in ("train", "validation"):
        assert "clean" not in everything(data, split)
        assert "clean" not in data.batch(split, seed=0, step=0, batch_size=3)
    assert "clean" in data.batch("test", seed=0, step=0, batch_size=3)
    notes = " ".join(data.notes)
    assert "The split train has no clean images: 4 of its scene instances lack them." in notes
    assert "The split validation has no clean images: 1 of its" in notes
    assert "split test has no clean" not in notes


def test_splits_are_those_of_sidd_raw(tree, data):
    pairs, _ = find_pairs(tree.root)
    found = {split: {p.instance for p in pairs if p.split == split} for split in data.sizes}
    assert found["test"] == {"0054", "0055"} and len(found["validation"]) == 1
    assert found["train"] | found["validation"] == {"0004", "0011", "0013", "0017", "0018"}
    assert not found["train"] & found["validation"]
    notes = " ".join(data.notes)
    assert "another ISO" in notes and "neither split" in notes and "held out by a hash" in notes


@pytest.mark.parametrize("place", PLACES)
def test_files_may_lie_in_three_places(place, tree, tmp_path):
    moved = bursts(tmp_path / "SIDD_Full_Raw", place=PLACES[place])
    pairs, notes = find_pairs(moved.root)
    expected, expected_notes = find_pairs(tree.root)
    assert notes == expected_notes
    for pair, other in zip(pairs, expected, strict=True):
        names = [{k: path.name for k, path in p.files.items()} for p in (pair, other)]
        assert names[0] == names[1]
        assert all(path.is_file() for path in pair.files.values())
    with MatReader() as reader:
        config = builder.make_config(moved.root, patch_size=PATCH)
        images = builder.read_packed(reader, pairs[0].files, pairs[0].phase, config)
    assert images["noisy"].shape == images["noisy2"].shape == (8, 12, 4)


def test_one_clean_image_of_a_burst_is_that_of_all_its_shots(own_tree, tmp_path):
    for folder in own_tree.data.iterdir():
        image = mosaic(PATTERNS[folder.name[9:11]], own_tree.size)
        for path in folder.glob("*_GT_*"):
            path.unlink()
        own_tree.write(folder, "GT", "001", image)
    data = read(own_tree.root, tmp_path / "records")
    assert data.clean_splits == ("train", "validation", "test")
    batch = everything(data, "train")
    shots = np.rint((batch["noisy"] - batch["clean"]).mean((1, 2, 3)) / BRIGHTER)
    assert sorted(set(shots)) == [1, 3, 5, 6, 8, 9, 11, 13]
    assert "no clean images" not in " ".join(data.notes)


def test_a_split_that_lacks_a_clean_image_has_none_and_says_so(own_tree):
    own_tree.path(own_tree.data / TEST, "GT", "010").unlink()
    own_tree.path(own_tree.data / TEST, "GT", "011").unlink()
    pairs, notes = find_pairs(own_tree.root)
    assert clean_splits(pairs) == () and not any("clean" in pair.files for pair in pairs)
    assert "The split test has no clean images: 1 of its scene instances lack them." in notes


def test_sidd_medium_gives_one_pair_for_each_instance(tmp_path):
    tree = usual(tmp_path / "SIDD_Medium_Raw")
    data = read(tree.root, tmp_path / "records")
    assert data.sizes == {"train": 4 * 15, "validation": 15, "test": 2 * 15}
    assert data.clean_splits == ("train", "validation", "test")
    batch = everything(data, "test")
    for key in ("noisy", "noisy2"):
        noise = batch[key] - batch["clean"]
        assert abs(noise.std() / 0.02 - 1) < 5 / np.sqrt(2 * noise.size)


def test_bursts_alone_are_enough(own_tree, data, tmp_path):
    for path in (*own_tree.data.glob("*/*_METADATA_*"), *own_tree.data.glob("*/*_GT_*")):
        path.unlink()
    bare = read(own_tree.root, tmp_path / "records")
    batch, expected = everything(bare, "test"), everything(data, "test")
    assert np.isnan(batch["noise_profile"]).all()
    assert bare.clean_splits == () and batch.keys() == expected.keys() - {"clean"}
    # Without metadata the camera tells the Bayer phase.
    assert "7 scene instances have no metadata" in " ".join(bare.notes)
    stored = [sorted(patch.tobytes() for patch in found["noisy2"]) for found in (batch, expected)]
    assert stored[0] == stored[1]


def test_a_phase_in_the_metadata_wins_and_is_said(own_tree):
    own_tree.describe(own_tree.data / TEST, "001", t33422=[1, 2, 0, 1])
    pairs, notes = find_pairs(own_tree.root)
    assert {pair.phase for pair in pairs if pair.instance == "0054"} == {"GBRG"}
    said = " ".join(notes)
    assert "1 scene instances of S6 state the Bayer phase GBRG and not the usual GRBG" in said
    assert "The metadata of 1 scene instances state no noise profile." in said


def test_pairs_are_taken_of_the_neighbours_that_are_there(own_tree):
    for shot in (3, 4, 5, 11):
        own_tree.path(own_tree.data / TEST, "NOISY", f"{shot:03}").unlink()
    pairs, notes = find_pairs(own_tree.root)
    # Left are the first shots 1, 6, 7, 8, 9, 12 and 13.
    assert [pair.shot for pair in pairs if pair.instance == "0054"] == [6, 12]
    assert "1 scene instances lack shots between their first and their last." in notes


def test_the_fingerprint_follows_every_file_that_is_read(own_tree, data, tmp_path):
    copied = read(own_tree.root, tmp_path)
    assert copied.fingerprint == data.fingerprint
    folder = own_tree.data / TEST

    def quick() -> str:
        return builder.fingerprint(builder.make_config(own_tree.root, patch_size=PATCH))

    prints = [quick()]
    os.utime(own_tree.path(folder, "NOISY", "013"), (0, 0))  # of no pair of the test
    assert quick() == prints[0]
    for kind, shot in (("NOISY", "012"), ("GT", "011")):
        own_tree.write(folder, kind, shot, np.full(own_tree.size, 0.5, "f4"))
        prints.append(quick())
    own_tree.describe(folder, "001", t51041=[1e-3, 1e-5])
    prints.append(quick())
    assert len(set(prints)) == 4
    edited = read(own_tree.root, tmp_path)
    assert edited.folder != copied.folder and edited.fingerprint != copied.fingerprint


def test_a_source_that_changes_while_it_is_read_is_refused(own_tree, tmp_path, monkeypatch):
    plain = builder.facts

    def facts(config):
        own_tree.path(own_tree.data / TEST, "NOISY", "012").unlink()
        return plain(config)

    monkeypatch.setattr(builder, "facts", facts)
    with pytest.raises(DataError, match="changed"):
        read(own_tree.root, tmp_path / "records")
    assert not (tmp_path / "records").exists()


def spoil(tree: Tree, kind: str, shot: str, change) -> None:
    path = tree.path(tree.data / TEST, kind, shot)
    path.write_bytes(change(path.read_bytes()))


def write(tree: Tree, image: np.ndarray, kind: str = "NOISY", shot: str = "012") -> None:
    tree.write(tree.data / TEST, kind, shot, image)


def thin(tree: Tree, step: int) -> None:
    """Leaves every so many shots of a burst."""
    for path in sorted((tree.data / TEST).glob("*_NOISY_*")):
        if int(path.stem[-3:]) % step:
            path.unlink()


DAMAGES = {
    "no shots": (lambda t: thin(t, 99), f"{TEST} holds no two consecutive shots, such as 0054_"),
    "no neighbours": (lambda t: thin(t, 2), "0054_NOISY_RAW_001.MAT and _002.MAT: copy them"),
    "shot cut": (
        lambda t: spoil(t, "NOISY", "010", lambda c: c[: len(c) // 2]),
        "0054_NOISY_RAW_010.MAT can",
    ),
    "second shot of text": (
        lambda t: spoil(t, "NOISY", "012", lambda c: b"text"),
        "0054_NOISY_RAW_012.MAT is no MAT file",
    ),
    "clean empty": (lambda t: spoil(t, "GT", "011", lambda c: b""), "GT_RAW_011.MAT is no MAT"),
    "metadata cut": (
        lambda t: spoil(t, "METADATA", "001", lambda c: c[:200]),
        "METADATA_RAW_001.MAT can",
    ),
    "second shot out of range": (lambda t: write(t, np.full(t.size, 300, "f4")), "from 300 to"),
    "second shot of another size": (
        lambda t: write(t, np.zeros((16, 26), "f4")),
        "NOISY_RAW_011.MAT and 0054_NOISY_RAW_012.MAT have 8x12 and 8x13 packed pixels",
    ),
    "clean of another size": (
        lambda t: write(t, np.zeros((14, 24), "f4"), "GT", "010"),
        "NOISY_RAW_010.MAT and 0054_GT_RAW_010.MAT have 8x12 and 7x12 packed pixels",
    ),
    "nothing": (lambda t: (t.remove(), t.root.mkdir()), "give the folder of SIDD-Full Raw"),
    "no folder": (lambda t: t.remove(), "there is no folder"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_one_sentence_and_nothing_is_written(name, own_tree, tmp_path):
    change, words = DAMAGES[name]
    change(own_tree)
    with pytest.raises(DataError, match=words) as caught:
        read(own_tree.root, tmp_path / "deep" / "records")
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)
    assert not (tmp_path / "deep").exists()


def test_patches_larger_than_a_shot_are_refused(tree, tmp_path):
    with pytest.raises(DataError, match="less than a patch of 9"):
        open_dataset("sidd_full", source=tree.root, data_dir=tmp_path / "records", patch_size=9)


def test_wrong_requests_are_sentences(tree, tmp_path):
    with pytest.raises(UsageError, match="SIDD-Full Raw: give it with --source"):
        open_dataset("sidd_full", data_dir=tmp_path)
    with pytest.raises(UsageError, match="at least 1 pixel"):
        open_dataset("sidd_full", source=tree.root, data_dir=tmp_path, patch_size=0)
