"""Pairs of files of many kinds: right numbers, or a word on what looks wrong."""

import csv
import os
from collections import Counter
from pathlib import Path

import imagecodecs
import numpy as np
import pytest

from datasets.images.collection import find_images
from datasets.pairs.index import read_index
from datasets.pairs.splits import Pair, assign_splits
from datasets.pipeline import open_dataset
from datasets.source_files import Reading
from jaxnoise.errors import DataError
from tests.tiff_files import tiff_file

pytestmark = pytest.mark.fast

SPREAD = 0.004
SPLITS = ("train", "train", "validation", "test")


def folder_of(path: Path, pairs: list[tuple[bytes, bytes]], *, suffix: str = ".png") -> Path:
    """A folder of noisy and clean images, each a scene of its own."""
    path.mkdir()
    rows = []
    for number, (noisy, clean) in enumerate(pairs):
        names = [f"{kind}{number}{suffix}" for kind in ("n", "c")]
        for name, content in zip(names, (noisy, clean), strict=True):
            (path / name).write_bytes(content)
        rows.append([*names, "k", 100, number, SPLITS[number]])
    with (path / "index.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["noisy", "clean", "camera", "iso", "scene", "split"], *rows])
    return path


def light(number: int) -> tuple[np.ndarray, np.ndarray]:
    """A noisy and a clean image as fractions of full scale."""
    random = np.random.default_rng(number)
    clean = np.linspace(0.3, 0.6, 48)[:, None, None] * np.ones((48, 64, 3))
    return clean + SPREAD * random.standard_normal(clean.shape), clean


def opened(source: Path, tmp_path: Path, **options):
    return open_dataset("pairs", source=source, data_dir=tmp_path / "r", patch_size=16, **options)


def test_eight_bits_in_sixteen_are_noise_without_steps(tmp_path: Path):
    def stored(image: np.ndarray) -> bytes:
        return bytes(imagecodecs.png_encode((np.rint(image * 255) * 257).astype(np.uint16)))

    images = [tuple(map(stored, light(number))) for number in range(4)]
    data = opened(folder_of(tmp_path / "p", images), tmp_path)
    (batch,) = data.batches("test", batch_size=data.sizes["test"])
    noise = (batch["noisy"] - batch["clean"]).astype(float) * 255
    # Rounded noise has the fraction of no level; what is left is that of the clean image alone.
    variance = (SPREAD * 255) ** 2 + 2 / 12 + 1 / 12  # rounding of both, and the filled gaps
    assert noise.var() == pytest.approx(variance, rel=0.05)
    parts = np.histogram(noise % 1, 4, (0, 1))[0] / noise.size
    assert np.abs(parts - 0.25).max() < 0.02
    assert any("4 with that of 257 numbers" in note for note in data.notes)
    assert data.step == pytest.approx(1 / 255)


def test_images_that_are_stored_turned_show_one_picture(tmp_path: Path):
    def pair(number: int) -> tuple[bytes, bytes]:
        noisy, clean = ((image * 60000).astype("<u2") for image in light(number))
        turned = np.ascontiguousarray(noisy[::-1, ::-1])
        kind = {"bits": 16, "samples": 3, "photometric": 2}
        return (
            tiff_file(64, 48, turned.tobytes(), tags={274: (3, [3])}, **kind),
            tiff_file(64, 48, clean.tobytes(), **kind),
        )

    source = folder_of(tmp_path / "p", [pair(number) for number in range(4)], suffix=".tif")
    data = opened(source, tmp_path)
    (batch,) = data.batches("test", batch_size=data.sizes["test"])
    expected = SPREAD * 60000 / 65535
    assert (batch["noisy"] - batch["clean"]).std() == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize(
    ("white", "kind"), [(4095, np.uint16), (65535, np.uint16), (255, np.uint8)]
)
def test_how_bright_the_clean_images_are_is_known(white: int, kind: type, tmp_path: Path):
    def stored(image: np.ndarray) -> bytes:
        return bytes(imagecodecs.png_encode(np.rint(image * white).astype(kind)))

    images = [tuple(map(stored, light(number))) for number in range(4)]
    data = opened(folder_of(tmp_path / "p", images), tmp_path)
    assert data.kind == np.dtype(kind).name
    # The clean images reach 0.6 of their own full scale, and of the type's that many times less.
    assert data.brightest == pytest.approx(0.6 * white / np.iinfo(kind).max, abs=1 / white)


@pytest.mark.parametrize("swapped", [False, True])
def test_columns_that_look_swapped_are_told(swapped: bool, tmp_path: Path):
    def pair(number: int) -> tuple[bytes, bytes]:
        noisy, clean = (
            bytes(imagecodecs.png_encode((image * 60000).astype(np.uint16)))
            for image in light(number)
        )
        return (clean, noisy) if swapped else (noisy, clean)

    data = opened(folder_of(tmp_path / "p", [pair(number) for number in range(4)]), tmp_path)
    told = [note for note in data.notes if "are swapped" in note]
    assert list(data.doubts) == told
    assert told[0].startswith("In 4 of 4 pairs") if swapped else not told


def test_files_on_another_disk_are_read_where_that_is_asked_for(tmp_path: Path):
    images = [
        tuple(bytes(imagecodecs.png_encode((x * 60000).astype(np.uint16))) for x in light(number))
        for number in range(4)
    ]
    source, far = folder_of(tmp_path / "p", images), tmp_path / "far"
    expected = read_index(source).digest
    far.mkdir()
    os.rename(source / "n0.png", far / "n0.png")
    (source / "n0.png").symlink_to(far / "n0.png")
    with pytest.raises(DataError, match="a link that leaves its folder: .*--follow-links"):
        read_index(source)
    assert read_index(source, Reading(follow_links=True)).digest == expected
    text = (source / "index.csv").read_text()
    for name in (far / "n0.png", "../far/n0.png"):
        (source / "index.csv").write_text(text.replace("n0.png", str(name)))
        with pytest.raises(DataError, match="may lie outside its folder: .*--follow-links"):
            read_index(source)
        data = opened(source, tmp_path / Path(name).parts[0][:1], reading=Reading(True))
        assert sum(data.sizes.values()) == 4 * 12


def test_many_rows_are_split_at_once():
    """It takes as many steps as there are rows, not their square."""
    count = 5000
    pairs = [Pair(f"n{n}", f"c{n}", f"k{n % 7}", 100, f"s{n}", "") for n in range(count)]
    made, _ = assign_splits(pairs)
    found = Counter(pair.split for pair in made)
    assert found == {"test": 1000, "validation": 600, "train": 3400}


def test_many_rows_over_few_files_read_each_file_as_often_as_it_is_needed(
    tmp_path: Path, monkeypatch
):
    """Once for the digest, once for the records where neighbours share it, once to see that
    nothing changed meanwhile."""
    source, scenes, shots = tmp_path / "p", ("train", "validation", "test"), 9
    source.mkdir()
    rows = []
    for scene in scenes:
        for shot in range(shots):
            noisy = np.random.default_rng([len(rows), shot]).integers(0, 99, (16, 16), np.uint8)
            (source / f"{scene}{shot}.png").write_bytes(imagecodecs.png_encode(noisy))
        clean = imagecodecs.png_encode(np.full((16, 16), 50, np.uint8))
        (source / f"{scene}.png").write_bytes(clean)
        burst = [f"{scene}{shot}.png" for shot in range(shots)]
        rows += [
            [burst[one], burst[one + step], f"{scene}.png", "k", 100, scene, scene]
            for step in (1, 2, 3)
            for one in range(shots - step)
        ]
    with (source / "index.csv").open("w", newline="") as file:
        header = ["noisy", "noisy2", "clean", "camera", "iso", "scene", "split"]
        csv.writer(file).writerows([header, *rows])
    reads: Counter[str] = Counter()
    read = Reading.read

    def counted(self, folder, name):
        reads[name] += 1
        return read(self, folder, name)

    monkeypatch.setattr(Reading, "read", counted)
    index = read_index(source)
    assert len(index.pairs) == 3 * (8 + 7 + 6)
    assert len(reads) == 3 * 10 and set(reads.values()) == {1}
    reads.clear()
    data = opened(source, tmp_path)
    assert sum(data.sizes.values()) == len(rows)
    # Twice for the digests, and for the clean image once as long as the rows are of its scene.
    assert {reads[f"{scene}.png"] for scene in scenes} <= {3, 4}
    # Of two neighbouring rows with steps of one, the second has one shot that is new.
    assert sum(reads.values()) < 2 * 30 + 2 * len(rows)


def test_linked_folders_of_images_are_read_or_told_and_loops_end(tmp_path: Path):
    inside, far = tmp_path / "in", tmp_path / "far"
    for number, folder in enumerate((inside / "a", inside / "b", far)):
        folder.mkdir(parents=True)
        image = np.full((4, 4, 3), number, np.uint8)
        (folder / f"{number}.png").write_bytes(imagecodecs.png_encode(image))
    for name, target in (("far", far), ("loop", inside), ("a/again", inside / "b")):
        (inside / name).symlink_to(target)
    found = find_images(inside, kind="clean")
    assert [item.name for item in found.items] == ["a/0.png", "b/1.png"]
    assert [note for note in found.notes if "1 files left out: links lead out" in note]
    found = find_images(inside, kind="clean", reading=Reading(follow_links=True))
    assert [item.name for item in found.items] == ["a/0.png", "b/1.png", "far/2.png"]
    assert not found.notes


def test_an_index_that_is_no_file_is_not_read(tmp_path: Path):
    for kind in ("pairs", "images"):
        (tmp_path / kind).mkdir()
        os.mkfifo(tmp_path / kind / "index.csv")
        with pytest.raises(DataError, match="no file but a pipe or device"):
            read_index(tmp_path / kind) if kind == "pairs" else find_images(
                tmp_path / kind, kind="clean"
            )
