"""Splits that the index does not state: by scene, the same each time, without losing a setting;
and the columns of the index.
"""

import dataclasses
import itertools
from collections.abc import Iterable

import pytest

from datasets.pairs.index import read_index
from datasets.pairs.splits import SPLITS, Pair, assign_splits
from jaxnoise.errors import DataError

pytestmark = pytest.mark.fast


def make(rows: Iterable[tuple[str, str, int, str]]) -> list[Pair]:
    """Pairs of (scene, camera, ISO, split) with files of their own."""
    return [
        Pair(f"{n}_noisy.png", f"{n}_clean.png", camera, iso, scene, split)
        for n, (scene, camera, iso, split) in enumerate(rows)
    ]


def scenes(pairs: list[Pair], split: str) -> set[str]:
    return {pair.scene for pair in pairs if pair.split == split}


def settings(pairs: list[Pair], split: str) -> set[tuple[str, int]]:
    return {pair.setting for pair in pairs if pair.split == split}


def test_without_splits_scenes_are_shared_out():
    pairs, notes = assign_splits(make((f"scene{n // 2}", "one", 100, "") for n in range(200)))
    counts = [len(scenes(pairs, split)) for split in SPLITS]
    # 20 % of 100 scenes are for the test, 15 % of the other 80 for validation.
    assert counts == [68, 12, 20]
    assert not scenes(pairs, "train") & scenes(pairs, "test")
    assert not scenes(pairs, "train") & scenes(pairs, "validation")
    assert any("no split column" in note for note in notes)


def test_the_choice_depends_on_names_and_not_on_order():
    rows = [(f"scene{n}", "one", 100, "") for n in range(20)]
    pairs, _ = assign_splits(make(rows))
    turned, _ = assign_splits(make(reversed(rows)))
    for split in SPLITS:
        assert scenes(pairs, split) == scenes(turned, split)


def test_stated_splits_stay():
    stated = make(
        [("a", "one", 1, "train"), ("b", "one", 1, "validation"), ("c", "one", 1, "test")]
    )
    assert assign_splits(stated) == (stated, [])


def test_validation_is_taken_from_training_scenes_only():
    rows = [(f"scene{n}", "one", 100, "train") for n in range(20)]
    pairs, notes = assign_splits(make([*rows, ("t", "one", 100, "test")]))
    assert scenes(pairs, "test") == {"t"}
    assert len(scenes(pairs, "validation")) == 3 and len(scenes(pairs, "train")) == 17
    assert notes == ["Validation: 3 of the training scenes, held out by a hash of their names."]


def test_held_out_scenes_leave_every_camera_and_iso_in_training():
    rows = [(f"common{n}", "one", 100, "") for n in range(10)]
    rows += [(f"rare{n}", "two", 100 * n, "") for n in range(1, 11)]
    pairs, _ = assign_splits(make(rows))
    assert all(name.startswith("common") for name in scenes(pairs, "test"))
    assert all(name.startswith("common") for name in scenes(pairs, "validation"))
    assert len(scenes(pairs, "test")) == 4 and len(scenes(pairs, "validation")) == 2


def test_images_are_held_out_where_every_scene_is_the_only_one_of_its_setting():
    rows = [(f"scene{n // 2}", "one", 100 * (n // 2 + 1), "train") for n in range(20)]
    pairs, notes = assign_splits(make([*rows, ("t", "one", 100, "test")]))
    assert sum(pair.split == "validation" for pair in pairs) == 3
    assert settings(pairs, "validation") <= settings(pairs, "train")
    assert "3 of the training images" in notes[0]


def test_images_of_one_clean_image_stay_together():
    pairs = [
        Pair(
            f"burst{n}_noisy.png",
            f"burst{n // 2}_clean.png",
            "one",
            100 * (n // 4 + 1),
            str(n // 4),
            "train",
        )
        for n in range(16)
    ]
    pairs, _ = assign_splits([*pairs, *make([("t", "one", 100, "test")])])
    train, held = ({p.clean for p in pairs if p.split == s} for s in ("train", "validation"))
    assert held and not train & held


def burst(iso: int, number: int, *, clean: str, second: str) -> list[Pair]:
    """Rows of the four shots of a burst, each with its neighbour or all with the last one."""
    name = f"{iso}-{number}-"
    return [
        Pair(
            f"{name}{shot}.png",
            clean and f"{name}{clean}",
            "one",
            iso,
            str(iso),
            "train",
            f"{name}{shot + 1 if second == 'neighbour' else 3}.png",
        )
        for shot in range(3)
    ]


@pytest.mark.parametrize("second", ["neighbour", "last"])
@pytest.mark.parametrize("clean", ["", "clean.png"])
def test_shots_of_one_burst_stay_together(clean: str, second: str):
    # One scene for each ISO, so that no scene can be spared.
    rows = [
        row
        for iso, number in itertools.product((100, 200), range(4))
        for row in burst(iso, number, clean=clean, second=second)
    ]
    test = dataclasses.replace(make([("t", "one", 100, "test")])[0], noisy2="t2.png")
    pairs, notes = assign_splits([*rows, test])
    assert notes == ["Validation: 1 of the training bursts, held out by a hash of their names."]
    held = [pair for pair in pairs if pair.split == "validation"]
    assert len(held) == 3 and len({pair.noisy.rsplit("-", 1)[0] for pair in held}) == 1
    turned, _ = assign_splits([test, *reversed(rows)])
    assert {pair for pair in turned if pair.split == "validation"} == set(held)


def test_without_any_choice_a_scene_is_given_up_and_said():
    rows = [("a", "one", 100, "train"), ("b", "two", 200, "train"), ("t", "one", 100, "test")]
    pairs, notes = assign_splits(make(rows))
    assert len(scenes(pairs, "validation")) == len(scenes(pairs, "train")) == 1
    assert any("no other of their camera" in note for note in notes)


def test_settings_that_only_the_test_has_are_said():
    rows = [("a", "one", 100, "train"), ("b", "one", 100, "validation"), ("t", "two", 400, "test")]
    _, notes = assign_splits(make(rows))
    assert notes == ["Not in the training split but in the test split: two at ISO 400."]


def test_three_scenes_are_enough():
    pairs, _ = assign_splits(make((name, "one", 100, "") for name in "abc"))
    assert [len(scenes(pairs, split)) for split in SPLITS] == [1, 1, 1]


def test_one_training_scene_without_validation_is_refused():
    rows = [("a", "one", 100, "train"), ("t", "one", 100, "test")]
    with pytest.raises(DataError, match="add scenes"):
        assign_splits(make(rows))


def test_a_burst_may_share_its_clean_image():
    rows = [("a", "one", 1, "train")] * 3
    rows += [("b", "one", 1, "validation"), ("c", "one", 1, "test")]
    burst = [dataclasses.replace(pair, clean="0_clean.png") for pair in make(rows)[:3]]
    pairs = [*burst, *make(rows)[3:]]
    assert assign_splits(pairs) == (pairs, [])


@pytest.mark.parametrize("split", ["validation", "test"])
@pytest.mark.parametrize(
    ("own", "other"),
    [
        *(("noisy", "noisy"), ("clean", "clean"), ("noisy", "clean"), ("clean", "noisy")),
        *(("noisy2", "noisy2"), ("noisy2", "noisy"), ("noisy", "noisy2"), ("clean", "noisy2")),
    ],
)
def test_a_file_of_two_splits_is_refused(split: str, own: str, other: str):
    rows = [("a", "one", 1, "train"), ("b", "one", 1, "validation"), ("c", "one", 1, "test")]
    pairs = [
        dataclasses.replace(pair, noisy2=f"{n}_noisy2.png") for n, pair in enumerate(make(rows))
    ]
    shared = getattr(pairs[0], own)
    pairs = [
        dataclasses.replace(pair, **{other: shared}) if pair.split == split else pair
        for pair in pairs
    ]
    with pytest.raises(DataError, match=f"the file {shared} in .*train") as caught:
        assign_splits(pairs)
    assert split in str(caught.value) and str(caught.value).endswith("one split.")


def test_a_file_that_holding_out_would_share_is_refused():
    pairs = [
        dataclasses.replace(pair, clean="same.png")
        for pair in make((f"scene{n}", "one", 100, "") for n in range(9))
    ]
    with pytest.raises(DataError, match=r"same\.png in test and train and validation"):
        assign_splits(pairs)


@pytest.mark.parametrize("spelling", ["./{}", ".//{}", "././{}"])
def test_another_spelling_of_a_path_is_the_same_file(spelling: str, pairs):
    pairs.rows[5][1] = spelling.format(pairs.rows[0][1])
    with pytest.raises(DataError, match="the file 0_clean.png in test and train"):
        read_index(pairs.index())
    pairs.rows[5][1] = spelling.format("5_clean.png")
    assert read_index(pairs.index()).pairs[5].clean == "5_clean.png"


def test_the_index_may_come_from_a_spreadsheet(pairs):
    source = pairs.index()
    text = (source / "index.csv").read_text().replace("noisy,clean", " noisy , clean")
    (source / "index.csv").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert [pair.scene for pair in read_index(source).pairs] == list("abcdvt")


def test_a_second_shot_is_read_from_its_column(pairs):
    pairs.add_second_shots()
    pairs.rows[1][6] = f"./{pairs.rows[1][6]}"
    index = read_index(pairs.index())
    assert [pair.noisy2 for pair in index.pairs] == [f"{n}_noisy2.png" for n in range(6)]
    assert index.clean_splits == SPLITS and index.has_second_shots


@pytest.mark.parametrize(
    "clean", [("test",), ("validation", "test"), ("train",), ("train", "validation"), ()]
)
def test_with_second_shots_clean_images_are_a_matter_of_each_split(clean, pairs):
    pairs.add_second_shots(clean=clean)
    index = read_index(pairs.index())
    assert index.clean_splits == clean
    assert all(bool(pair.clean) == (pair.split in clean) for pair in index.pairs)


def test_with_second_shots_the_column_clean_may_be_left_out(pairs):
    pairs.add_second_shots()
    pairs.header = "noisy,camera,iso,scene,split,noisy2"
    for row in pairs.rows:
        (pairs.path / row.pop(1)).unlink()
    index = read_index(pairs.index())
    assert index.clean_splits == () and {pair.clean for pair in index.pairs} == {""}


def test_held_out_scenes_have_clean_images_where_training_has(pairs):
    pairs.rows.pop(4)  # the scene for validation
    pairs.add_second_shots(clean=("test",))
    assert read_index(pairs.index()).clean_splits == ("test",)


def test_a_burst_may_be_rows_of_neighbouring_shots(pairs):
    pairs.add_second_shots()
    pairs.rows.pop(3)
    shots = [f"{n}_noisy.png" for n in range(4)]
    for n in range(3):
        pairs.rows[n][0], pairs.rows[n][6], pairs.rows[n][4] = shots[n], shots[n + 1], "a"
    found = read_index(pairs.index()).pairs[:3]
    assert [(pair.noisy, pair.noisy2) for pair in found] == list(
        zip(shots, shots[1:], strict=False)
    )
