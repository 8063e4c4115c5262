"""Clean photographs: their splits, and the folder that trainers read."""

import csv

import numpy as np
import pytest

from benchmarks.harness.proxy import clean
from jaxnoise.io import read_image, write_image

pytestmark = pytest.mark.fast


def folder_of(tmp_path, name, count):
    """A folder of small photographs whose names sort by their numbers."""
    folder = tmp_path / name
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(count):
        pixels = random.integers(0, 256, (6, 5, 3), np.uint8)
        write_image(folder / f"{number:02d}.png", pixels, format="PNG")
    (folder / "Readme.txt").write_text("no image")
    return folder


def test_every_eighth_is_for_the_test_and_another_eighth_for_validation(tmp_path):
    found = clean.find_photographs([folder_of(tmp_path, "a", 20), folder_of(tmp_path, "b", 4)])
    by_split = {
        split: [one.name for one in found if one.split == split]
        for split in ("train", "validation", "test")
    }
    assert by_split["test"] == ["a_00", "a_08", "a_16", "b_00"]
    assert by_split["validation"] == ["a_03", "a_11", "a_19", "b_03"]
    assert len(by_split["train"]) == 24 - 8
    listed = clean.listed(found)
    assert [name.split()[0] for name in listed["test"]] == by_split["test"]
    assert sum(map(len, listed.values())) == 24


def test_too_few_images_are_a_sentence(tmp_path):
    with pytest.raises(SystemExit, match="a has 3 image.s.: give at least 4"):
        clean.find_photographs([folder_of(tmp_path, "a", 3)])


def test_two_images_of_one_name_are_refused(tmp_path):
    folder = folder_of(tmp_path, "a", 4)
    (folder / "00.tif").write_bytes(b"")
    with pytest.raises(SystemExit, match="two photographs are called a_00"):
        clean.find_photographs([folder])


def test_the_folder_of_all_holds_the_same_numbers_and_splits(tmp_path):
    photographs = clean.find_photographs([folder_of(tmp_path, "a", 9)])
    made = tmp_path / "made"
    clean.write_clean(made, photographs)
    rows = list(csv.DictReader((made / "index.csv").read_text().splitlines()))
    assert [row["split"] for row in rows] == [one.split for one in photographs]
    for row, one in zip(rows, photographs, strict=True):
        stored, original = read_image(made / row["clean"]), read_image(one.path)
        assert stored.dtype == np.uint16
        np.testing.assert_array_equal(stored, original.astype(np.uint16) * 257)
    before = (made / "index.csv").stat().st_mtime_ns
    clean.write_clean(made, photographs)
    assert (made / "index.csv").stat().st_mtime_ns == before


def test_grey_photographs_become_colour(tmp_path):
    grey = np.array([[0, 51], [102, 255]], np.uint8)
    write_image(tmp_path / "grey.png", grey, format="PNG")
    found = clean.read_photograph(tmp_path / "grey.png")
    np.testing.assert_allclose(found, np.repeat(grey[..., None] / 255, 3, axis=-1), atol=1e-7)
