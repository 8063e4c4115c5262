"""Few real pairs: which scenes train, which validate, and the folder that trainers read."""

from pathlib import Path

import pytest

from benchmarks.harness.proxy import table_2
from benchmarks.harness.proxy.real import RealSet
from datasets.pairs.index import read_index
from datasets.pairs.splits import Pair

pytestmark = pytest.mark.fast

SPLITS = {"a": "train", "b": "validation", "c": "train", "d": "test"}


@pytest.fixture
def real(tmp_path):
    """Two pairs of each of four scenes, of one byte each."""
    folder = tmp_path / "real"
    folder.mkdir()
    pairs = []
    for number, (scene, split) in enumerate(SPLITS.items()):
        for shot in (0, 1):
            names = [f"{scene}{shot}_{kind}.png" for kind in ("noisy", "clean")]
            for place, name in enumerate(names):
                (folder / name).write_bytes(bytes([4 * number + 2 * shot + place]))
            pairs.append(Pair(*names, "camera", 100, scene, split))
    return RealSet(folder, tuple(pairs), "")


def scenes_of(pairs, split):
    return sorted({pair.scene for pair in pairs if pair.split == split})


def test_other_training_scenes_choose_the_rate_and_then_play_no_part(real):
    assert table_2.training_scenes(real) == ["a", "b", "c"]
    tries = table_2.divided(real, ["b"], tries=True)
    assert scenes_of(tries, "train") == ["b"] and scenes_of(tries, "validation") == ["a", "c"]
    final = table_2.divided(real, ["b"], tries=False)
    assert {pair.scene for pair in final} == {"b", "again_b", "d"}
    assert scenes_of(final, "validation") == ["again_b"]
    for pairs in (tries, final):
        assert scenes_of(pairs, "test") == ["d"]
        assert len([pair for pair in pairs if pair.split == "train"]) == 2


def test_the_oracle_has_every_training_pair(real):
    final = table_2.divided(real, table_2.training_scenes(real), tries=False)
    assert scenes_of(final, "train") == ["a", "b", "c"]
    assert len([pair for pair in final if pair.split == "train"]) == 6


@pytest.mark.parametrize("tries", [True, False])
def test_the_folder_is_one_that_the_data_set_reads(real, tmp_path, tries):
    folder, pairs = tmp_path / "made", table_2.divided(real, ["b"], tries=tries)
    table_2.write_divided(folder, real, pairs)
    read = read_index(folder).pairs
    assert [(p.noisy, p.scene, p.split) for p in read] == [
        (p.noisy, p.scene, p.split) for p in pairs
    ]
    assert {p.camera for p in read} == {"unknown"}
    for pair in pairs:
        original = real.folder / Path(pair.noisy).name.removeprefix("again_")
        assert (folder / pair.noisy).read_bytes() == original.read_bytes()


def test_scenes_are_chosen_at_equal_distances():
    assert table_2.chosen_scenes("abcdefgh", 4) == ("a", "c", "e", "g")
    assert table_2.chosen_scenes("abc", 3) == ("a", "b", "c")
    with pytest.raises(SystemExit, match="--scenes 4: there are 3 training scenes"):
        table_2.chosen_scenes("abc", 4)
