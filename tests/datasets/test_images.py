"""Whole images: every file is read, counted or named, and splits keep copies together."""

import io
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from datasets.crops import open_images
from datasets.images.collection import assign_splits, find_images
from datasets.images.decode import decode, with_channels
from datasets.pipeline import open_dataset
from datasets.whole_images import WholeImages
from datasets.whole_images import open_images as hold_images
from jaxnoise.errors import DataError, UsageError

pytestmark = pytest.mark.fast


def picture(seed: int, height: int = 24, width: int = 20, channels: int = 3) -> np.ndarray:
    """Random 8-bit image."""
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (height, width, channels), dtype=np.uint8)


def save_png(path: Path, image: np.ndarray) -> None:
    """Image as PNG, with the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(imagecodecs.png_encode(np.ascontiguousarray(image.squeeze())))


def jpeg(image: np.ndarray, orientation: int | None = None) -> bytes:
    """Image as JPEG, with an orientation in its EXIF data."""
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    file = io.BytesIO()
    Image.fromarray(image.squeeze()).save(file, "JPEG", exif=exif, quality=95)
    return file.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eight colour images of several sizes, formats and types, and files that are none."""
    path = tmp_path / "images"
    for number in range(4):
        save_png(path / "deep" / f"{number}.png", picture(number, 24 + number, 40 - number))
    save_png(path / "grey.png", picture(4, channels=1))
    tifffile.imwrite(path / "five.tif", picture(5).astype(np.uint16) * 257, photometric="rgb")
    np.savez(path / "six.npz", image=picture(6).astype(np.float32) / 255)
    (path / "seven.JPG").write_bytes(jpeg(picture(7)))
    (path / "notes.txt").write_text("no image")
    (path / ".hidden.png").write_bytes(b"")
    return path


def everything(data, split: str) -> dict[str, np.ndarray]:
    (batch,) = data.batches(split, batch_size=data.sizes[split])
    return batch


def test_images_come_through_as_their_files_hold_them(folder: Path, tmp_path: Path):
    data = open_images("images", source=folder, data_dir=tmp_path / "records")
    assert sum(data.sizes.values()) == 8 and data.channels == 3 and data.scenes == ()
    assert all(fields == ("clean", "image") for fields in data.fields.values())
    found = {}
    for split, images in data._images.items():
        for place in range(data.sizes[split]):
            example = images.read(place)
            found[int(example["image"])] = example["clean"]
            assert example["clean"].shape[:2] == tuple(images.sizes[place])
    assert sorted(found) == list(range(8))
    expected = [picture(n, 24 + n, 40 - n) for n in range(4)]
    expected += [picture(5).astype(np.uint16) * 257, np.repeat(picture(4, channels=1), 3, axis=-1)]
    expected += [picture(6).astype(np.float32) / 255]
    expected += [imagecodecs.jpeg_decode((folder / "seven.JPG").read_bytes())]
    as_bytes = {(image.dtype.name, image.shape, image.tobytes()) for image in expected}
    assert {(i.dtype.name, i.shape, i.tobytes()) for i in found.values()} == as_bytes
    notes = " ".join(data.notes)
    assert "1 files left out: .txt is no image." in notes
    assert "1 files left out: they are hidden." in notes


def test_patches_lie_side_by_side(folder: Path, tmp_path: Path):
    data = open_dataset("images", source=folder, data_dir=tmp_path / "records", patch_size=10)
    assert data.cameras == () and data.patch_size == 10 and not data.has_truth
    assert data.clean_splits == ("train", "validation", "test")
    whole = open_images("images", source=folder, data_dir=tmp_path / "records")
    for split in data.fields:
        batch = everything(data, split)
        expected, numbers = [], []
        for place in range(whole.sizes[split]):
            example = whole._images[split].read(place)
            image = example["clean"].astype(np.float64)
            image /= {"uint8": 255, "uint16": 65535, "float32": 1}[example["clean"].dtype.name]
            for row in range(0, image.shape[0] - 9, 10):
                for column in range(0, image.shape[1] - 9, 10):
                    expected.append(image[row : row + 10, column : column + 10])
                    numbers.append(int(example["image"]))
        np.testing.assert_allclose(batch["clean"], np.stack(expected), rtol=3e-7)
        assert batch["image"].tolist() == numbers


def test_images_that_do_not_fit_into_memory_are_read_as_needed(folder: Path, tmp_path: Path):
    data = open_images("images", source=folder, data_dir=tmp_path / "records")
    for held in data._images.values():
        assert isinstance(held, WholeImages) and held.held is not None
        for limit in (0, 6000):
            read = hold_images(
                held.source, held.kinds, held.numbers, held.stated, held.folder, memory_limit=limit
            )
            assert (read.held is None) == (held.sizes.prod(axis=1).sum() * 3 > limit)
            for place in range(len(held)):
                np.testing.assert_array_equal(read.read(place)["clean"], held.read(place)["clean"])


def test_without_a_folder_they_are_the_photographs_of_scikit_image(tmp_path: Path):
    from skimage import data as skimage_data

    data = open_images(data_dir=tmp_path)
    assert data.sizes == {"train": 5, "validation": 2, "test": 2}
    names = {}
    for split, images in data._images.items():
        for place in range(data.sizes[split]):
            example = images.read(place)
            names.setdefault(data.scenes[example["scene"]], []).append((split, example["clean"]))
    assert len(names["motorcycle"]) == 2 and sum(map(len, names.values())) == 9
    ((split, cat),) = names["chelsea"]
    assert split == "test"
    np.testing.assert_array_equal(cat, skimage_data.chelsea())


def test_splits_depend_on_content_alone(folder: Path):
    _, digests, notes = assign_splits(found := find_images(folder, kind="clean"))
    before = {digests[item.name]: item.split for item in assign_splits(found)[0]}
    assert sorted(before.values()) == ["test"] * 2 + ["train"] * 5 + ["validation"]
    assert "hash of their content" in notes[0]
    for number, path in enumerate(sorted(folder.glob("deep/*"))):
        path.rename(folder / f"moved_{9 - number}.png")
    items, digests, _ = assign_splits(find_images(folder, kind="clean"))
    assert {digests[item.name]: item.split for item in items} == before


def test_copies_are_left_out_and_never_in_two_splits(tmp_path: Path):
    for name in ("a.png", "b.png", "c.png", "d.png"):
        save_png(tmp_path / name, picture(ord(name[0]) // 2))  # b and c are one image
    items, _, notes = assign_splits(find_images(tmp_path, kind="clean"))
    assert len(items) == 3 and "1 images left out: they are copies of others." in notes
    for split in ("train", "test"):
        save_png(tmp_path / "folders" / split / "a.png", picture(1))
    with pytest.raises(DataError, match="same image in two splits"):
        assign_splits(find_images(tmp_path / "folders", kind="clean"))


def test_noisy_images_of_one_clean_image_stay_together(tmp_path: Path):
    rows = ["clean,noisy"]
    for number in range(12):
        save_png(tmp_path / f"clean{number // 3}.png", picture(number // 3))
        save_png(tmp_path / f"noisy{number}.png", picture(100 + number))
        rows.append(f"clean{number // 3}.png,noisy{number}.png")
    (tmp_path / "index.csv").write_text("\n".join(rows))
    items, _, _ = assign_splits(find_images(tmp_path, kind="clean"))
    splits: dict[str, set[str]] = {}
    for item in items:
        splits.setdefault(item.name, set()).add(item.split)
    assert len(items) == 12 and sorted(map(list, splits.values())) == [
        ["test"],
        ["train"],
        ["train"],
        ["validation"],
    ]


def test_folders_of_splits_are_the_splits(tmp_path: Path):
    for name in ("train/a", "train/deep/b", "train/c", "test/d", "elsewhere/e"):
        save_png(tmp_path / f"{name}.png", picture(ord(name[-1])))
    found = find_images(tmp_path, kind="noisy")
    assert found.kinds == ("noisy",) and any("in none of the folders" in n for n in found.notes)
    items, _, notes = assign_splits(found)
    splits = {item.name: item.split for item in items}
    assert splits.pop("test/d.png") == "test" and len(splits) == 3
    assert sorted(splits.values()) == ["train", "train", "validation"]
    assert "held out of training" in notes[0]


def test_an_index_names_pairs_scenes_and_splits(tmp_path: Path):
    rows = ["clean,noisy,scene,split"]
    for number, split in enumerate(("train", "train", "validation", "test")):
        for kind in ("clean", "noisy"):
            save_png(tmp_path / f"{kind}{number}.png", picture(number + 10 * (kind == "noisy")))
        rows.append(f"clean{number}.png,noisy{number}.png,{'aabc'[number]},{split}")
    (tmp_path / "index.csv").write_text("\n".join(rows))
    data = open_images("images", source=tmp_path, data_dir=tmp_path / "records")
    assert data.sizes == {"train": 2, "validation": 1, "test": 1}
    assert data.scenes == ("a", "b", "c")
    example = data._images["test"].read(0)
    np.testing.assert_array_equal(example["noisy"], picture(13))
    np.testing.assert_array_equal(example["clean"], picture(3))
    assert data.scenes[example["scene"]] == "c"


MISTAKES = {
    "no images": (lambda p: [f.unlink() for f in p.rglob("*.*g*")], "holds no images"),
    "damaged": (lambda p: (p / "deep/0.png").write_bytes(b"\x89PNG\r\n\x1a\nx"), "deep/0.png"),
    "cut JPEG": (lambda p: (p / "j.jpg").write_bytes(jpeg(picture(1))[:300]), "j.jpg.*decoded"),
    "not an image": (lambda p: (p / "x.png").write_text("hello"), "x.png is neither"),
    "floats too large": (lambda p: np.savez(p / "f.npz", np.full((9, 9, 3), 2.0)), "f.npz.*scale"),
    "four channels": (lambda p: np.savez(p / "z.npz", np.zeros((9, 9, 4))), "z.npz has 4 channel"),
    "index without columns": (lambda p: (p / "index.csv").write_text("a,b\n1,2\n"), "a column cl"),
    "index with semicolons": (
        lambda p: (p / "index.csv").write_text("clean;scene\nx.png;a\n"),
        "first line holds 'clean;scene', and it needs",
    ),
    "index with capitals": (
        lambda p: (p / "index.csv").write_text("Clean,Scene\nx.png,a\n"),
        "first line holds 'Clean', 'Scene', and it needs",
    ),
    "index of a stranger": (
        lambda p: (p / "index.csv").write_text("clean\n../secret.png\n"),
        "outside its folder",
    ),
    "index with a wrong split": (
        lambda p: (p / "index.csv").write_text("clean,split\nx.png,dev\n"),
        "split 'dev'",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_sentences(mistake: str, tmp_path: Path):
    source = tmp_path / "images"
    for number in range(3):
        save_png(source / "deep" / f"{number}.png", picture(number))
    spoil, words = MISTAKES[mistake]
    spoil(source)
    with pytest.raises(DataError, match=words) as caught:
        open_images("images", source=source, data_dir=tmp_path / "records")
    assert str(caught.value).count("\n") == 0
    assert not list(tmp_path.glob("records/*"))


def test_wrong_requests_are_sentences(tmp_path: Path):
    with pytest.raises(UsageError, match="--source"):
        open_dataset("images/noisy", data_dir=tmp_path / "records")
    with pytest.raises(UsageError, match="at least 1 pixel"):
        open_dataset("images", data_dir=tmp_path / "records", patch_size=0)
    with pytest.raises(DataError, match="no folder"):
        open_dataset("images", source=tmp_path / "nowhere", data_dir=tmp_path / "records")
    save_png(tmp_path / "small" / "a.png", picture(1))
    with pytest.raises(UsageError, match="smaller patch size"):
        open_dataset("images", source=tmp_path / "small", data_dir=tmp_path / "records")


TURNED = {
    1: lambda image: image,
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    6: lambda image: np.rot90(image, -1),
    8: lambda image: np.rot90(image),
}


@pytest.mark.parametrize("orientation", TURNED)
def test_a_photograph_is_turned_as_its_camera_was(orientation: int):
    # Blocks of one colour survive compression.
    image = np.kron(picture(3, 2, 3), np.ones((16, 16, 1), np.uint8))
    data = jpeg(image, orientation)
    expected = TURNED[orientation](imagecodecs.jpeg_decode(data))
    np.testing.assert_array_equal(decode(data, "x.jpg"), expected)
    assert decode(jpeg(image[..., :1]), "grey.jpg").shape == (32, 48, 1)


def test_a_photograph_with_too_many_pixels_is_refused():
    with pytest.raises(DataError, match="pixels, more than 100:"):
        decode(jpeg(picture(1)), "x.jpg", max_pixels=100)
    decode(jpeg(picture(1)), "x.jpg", max_pixels=10**6)


def test_only_grey_becomes_colour():
    grey = picture(1, channels=1)
    assert (with_channels(grey, 3, "x") == grey).all()
    assert with_channels(grey, 1, "x") is grey
    for image, channels in ((picture(1), 1), (grey, 4)):
        with pytest.raises(DataError, match="folders of their own"):
            with_channels(image, channels, "x")
