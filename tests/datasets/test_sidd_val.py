"""SIDD's validation blocks: the kept images in order, aligned where the camera is known."""

from pathlib import Path

import numpy as np
import pytest

from datasets.pipeline import open_dataset
from datasets.sidd_val import blocks
from datasets.sidd_val import sidd_val_dataset_builder as builder
from jaxnoise.errors import DataError, UsageError
from tests.datasets.sidd_tree import ACROSS, DOWN, LEVELS, mosaic
from tests.mat_files import write_version_5, write_version_7_3

IMAGES, BLOCKS, SIDE = 40, 3, 8
KEPT = [0, 2, 4, 6, 8, 9, 12, 16, 17, 21, 22, 26, 27, 29, 30, 32, 34, 36, 37, 39]
WRITERS = {"5": write_version_5, "7.3": write_version_7_3}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Blocks of 8x8 pixels, three of each image."""
    shape = (IMAGES, BLOCKS, SIDE, SIDE)
    monkeypatch.setattr(blocks, "SHAPE", shape)
    monkeypatch.setattr(builder, "SHAPE", shape)
    monkeypatch.setattr(builder, "PATCH_SIZE", 4)


def content(phase: str = "GRBG") -> dict[str, np.ndarray]:
    """Clean blocks that tell colour, row, column, image and block; noisy ones are off by 0.01."""
    images, of_image = np.indices((40, 3))
    offsets = (1e-4 * images + 1e-2 * of_image)[..., None, None]
    clean = (mosaic(phase, (8, 8)) + offsets).astype(np.float32)
    return {"clean": clean, "noisy": clean + np.float32(0.01)}


def write(folder: Path, version: str = "7.3", **arrays: np.ndarray) -> Path:
    for kind, array in (content() | arrays).items():
        path = folder / blocks.FILES[kind]
        WRITERS[version](path, **{path.stem: array})
    return folder


def read(folder: Path, name: str = "sidd_val"):
    return open_dataset(name, source=folder, data_dir=folder / "records")


def everything(data) -> dict[str, np.ndarray]:
    (batch,) = data.batches("test", batch_size=data.sizes["test"])
    return batch


@pytest.mark.parametrize("version", WRITERS)
def test_blocks_come_in_order_and_as_they_are(version, tmp_path):
    data = read(write(tmp_path, version))
    assert data.sizes == {"train": 0, "validation": 0, "test": 60}
    assert data.cameras == ("unknown",) and data.isos == (0,) and data.patch_size == 4
    batch = everything(data)
    np.testing.assert_array_equal(batch["image"], np.repeat(KEPT, 3))
    clean = content()["clean"][KEPT].reshape(60, 8, 8)
    cells = [clean[:, i::2, j::2] for i in (0, 1) for j in (0, 1)]
    np.testing.assert_array_equal(batch["clean"], np.stack(cells, axis=-1))
    np.testing.assert_allclose(batch["noisy"] - batch["clean"], 0.01, atol=1e-6)
    assert "not stated" in " ".join(data.notes) and "20 of the 40" in " ".join(data.notes)


def test_all_images_are_there_when_asked_for(tmp_path):
    data = read(write(tmp_path), "sidd_val/all")
    np.testing.assert_array_equal(everything(data)["image"], np.repeat(np.arange(40), 3))


def test_an_index_gives_cameras_and_aligned_channels(tmp_path):
    lines = ["image,camera,iso", *(f"{image},S6,{100 * (1 + image % 2)}" for image in range(40))]
    (write(tmp_path) / "index.csv").write_text("\n".join(lines) + "\n")
    data = read(tmp_path)
    assert data.cameras == ("S6",) and set(data.isos) == {100, 200}
    batch = everything(data)
    np.testing.assert_array_equal(batch["iso"], 100.0 * (1 + batch["image"] % 2))
    first = batch["clean"][0]
    offsets = first.min((0, 1)) - np.array(list(LEVELS.values()))
    assert (offsets > -1e-6).all() and (offsets <= DOWN + ACROSS + 1e-6).all()
    np.testing.assert_allclose(np.diff(first, axis=1), -2 * ACROSS, atol=1e-6)
    assert "R, Gr, Gb, B" in " ".join(data.notes)


def test_an_edit_makes_new_records(tmp_path):
    first = read(write(tmp_path))
    assert read(tmp_path) == first
    second = read(write(tmp_path, noisy=content()["noisy"] + np.float32(0.01)))
    assert second.fingerprint != first.fingerprint and second.folder != first.folder


def test_there_is_nothing_to_train_on(tmp_path, capsys):
    from train.engine.program import main

    data = read(write(tmp_path))
    with pytest.raises(UsageError, match="sidd_val has no split 'train': choose one of test"):
        data.batch("train", seed=0, step=0, batch_size=1)
    places = ("--data-dir", str(tmp_path / "records"), "--workdir", str(tmp_path / "run"))
    source = ("--dataset", "sidd_val", "--source", str(tmp_path), "--accelerator", "cpu")
    assert main("train.noiseflow", [*places, *source]) == 3
    assert "sidd_val has no patches in its train split" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def index(*lines: str):
    return lambda folder: (folder / "index.csv").write_text("\n".join(lines) + "\n")


def rewrite(kind: str, array: np.ndarray, name: str | None = None):
    def change(folder: Path):
        path = folder / blocks.FILES[kind]
        write_version_7_3(path, **{name or path.stem: array})

    return change


MISTAKES = {
    "file missing": (
        lambda f: (f / blocks.FILES["clean"]).unlink(),
        "GtBlocksRaw.mat cannot be re",
    ),
    "file cut": (
        lambda f: (f / blocks.FILES["noisy"]).write_bytes(b"MATLAB"),
        "NoisyBlocksRaw.mat is no MAT file",
    ),
    "other variable": (rewrite("clean", np.zeros((40, 3, 8, 8)), "x"), "not one variable"),
    "other size": (rewrite("noisy", np.zeros((40, 3, 6, 8), "f4")), "3x6x8 where 3x8x8"),
    "transposed": (rewrite("noisy", np.zeros((8, 8, 3, 40), "f4")), "8x3x40 where 3x8x8"),
    "too few images": (rewrite("noisy", np.zeros((39, 3, 8, 8), "f4")), "without a part"),
    "not normalised": (rewrite("clean", np.full((40, 3, 8, 8), 1023, "f4")), "to 1023"),
    "index incomplete": (index("image,camera,iso", "0,S6,100"), "nothing of the images 2, 4"),
    "index of words": (index("image,camera,iso", "zero,S6,100"), "line 2"),
    "camera unknown": (index("image,camera,iso", "0,S7,100"), "line 2"),
    "image twice": (index("image,camera,iso", "0,S6,100", "0,S6,100"), "line 3"),
    "image beyond": (index("image,camera,iso", "40,S6,100"), "line 2"),
    "no columns": (index("picture", "1"), "line 2"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_one_sentence(name, tmp_path):
    change, words = MISTAKES[name]
    change(write(tmp_path))
    with pytest.raises(DataError, match=words) as caught:
        read(tmp_path)
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)
    assert not (tmp_path / "records").exists()


def test_wrong_requests_are_sentences(tmp_path):
    with pytest.raises(DataError, match="there is no folder"):
        read(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="4 packed pixels a side, not 32"):
        open_dataset("sidd_val", source=write(tmp_path), patch_size=32, data_dir=tmp_path / "r")
    with pytest.raises(UsageError, match="variant 'other'"):
        builder.make_config(tmp_path, variant="other")


def test_the_published_evaluation_keeps_twenty_images():
    assert [image for image in range(40) if image not in blocks.OTHER_ISOS] == KEPT
