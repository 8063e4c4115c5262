"""What is written is read back, by our reader and by another; half a file is never there."""

import itertools
import zipfile
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from jaxnoise.errors import UsageError
from jaxnoise.io import image_writer
from jaxnoise.io.image_writer import TYPES, write_image
from jaxnoise.io.images import read_image, read_stored

pytestmark = pytest.mark.fast

SHAPES = ((1, 1), (7, 5), (1, 6), (7, 5, 3), (1, 1, 3), (4, 4, 4), (3, 2, 16), (7, 5, 1))
CASES = [
    (format, dtype, shape)
    for format, dtypes in TYPES.items()
    for dtype, shape in itertools.product(dtypes, SHAPES)
    if format != "PNG" or shape[2:] in ((), (1,), (3,))
]


def example(dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    random = np.random.default_rng(0)
    if np.dtype(dtype).kind == "f":
        return random.standard_normal(shape).astype(dtype)
    return random.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


@pytest.mark.parametrize(("format", "dtype", "shape"), CASES)
def test_images_come_back(format: str, dtype: str, shape: tuple[int, ...], tmp_path: Path):
    image = example(dtype, shape)
    write_image(tmp_path / "image", image, format=format, array_name="frame")
    stored = read_stored(tmp_path / "image")
    read_as = np.float32 if image.dtype.kind == "f" else image.dtype
    np.testing.assert_array_equal(stored.pixels.reshape(shape), image.astype(read_as))
    assert (stored.format, stored.dtype) == (format, image.dtype)
    # Formats other than NPZ know no difference between one channel and none.
    assert stored.shape == (shape if format == "NPZ" or shape[2:] != (1,) else shape[:2])
    assert stored.array_name == ("frame" if format == "NPZ" else "image")
    assert [path.name for path in tmp_path.iterdir()] == ["image"]


def test_others_read_the_files(tmp_path: Path):
    colour, packed = example("uint8", (7, 5, 3)), example("float32", (7, 5, 4))
    write_image(tmp_path / "a.png", colour, format="PNG")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.png")), colour)
    write_image(tmp_path / "a.tiff", colour, format="TIFF")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.tiff")), colour)
    write_image(tmp_path / "b.tiff", packed, format="TIFF")
    np.testing.assert_array_equal(imagecodecs.imread(tmp_path / "b.tiff"), packed)
    write_image(tmp_path / "c.npz", packed, format="NPZ", array_name="file")
    with np.load(tmp_path / "c.npz") as arrays:
        assert arrays.files == ["file"]
        np.testing.assert_array_equal(arrays["file"], packed)


@pytest.mark.parametrize("format", TYPES)
def test_the_same_image_gives_the_same_bytes(format: str, tmp_path: Path):
    image = example("uint16", (7, 5, 3))
    for name in "ab":
        write_image(tmp_path / name, image, format=format)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("before", [None, b"the old file"])
@pytest.mark.parametrize("format", TYPES)
def test_a_failure_leaves_the_old_file_or_none(
    format: str, before: bytes | None, tmp_path: Path, monkeypatch
):
    path = tmp_path / "image"
    if before is not None:
        path.write_bytes(before)

    def fail(file, *_):
        file.write(b"half a")
        raise KeyboardInterrupt

    monkeypatch.setattr(image_writer, f"_write_{format.lower()}", fail)
    with pytest.raises(KeyboardInterrupt):
        write_image(path, example("uint8", (2, 2)), format=format)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == ([before] if before else [])


def test_an_older_file_is_replaced(tmp_path: Path):
    for value in (1, 2):
        write_image(tmp_path / "a", np.full((2, 2), value, np.uint8), format="PNG")
    assert (read_image(tmp_path / "a") == 2).all()


def test_a_name_from_an_archive_leads_nowhere(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        with archive.open("../../escape.npy", "w") as member:
            np.lib.format.write_array(member, np.zeros((2, 2), np.uint8))
    assert read_stored(tmp_path / "a.npz").array_name == "image"
    with pytest.raises(UsageError, match="cannot name"):
        write_image(tmp_path / "b.npz", np.zeros((2, 2)), format="NPZ", array_name="../../escape")


def test_a_mosaic_tiff_of_another_program_is_grey(tmp_path: Path):
    image = example("uint16", (6, 8))
    tifffile.imwrite(tmp_path / "a.tiff", image, photometric="cfa")
    stored = read_stored(tmp_path / "a.tiff")
    assert stored.shape == (6, 8)
    np.testing.assert_array_equal(stored.pixels[..., 0], image)


@pytest.mark.parametrize(
    ("image", "format", "words"),
    [
        (np.zeros((2, 2), np.float32), "PNG", "uint8 or uint16"),
        (np.zeros((2, 2), np.int64), "NPZ", "int64"),
        (np.zeros((2, 2, 4), np.uint8), "PNG", "1 or 3 channels"),
        (np.zeros((2, 2, 2, 2), np.uint8), "TIFF", "shape"),
        (np.zeros((0, 2), np.uint8), "NPZ", "shape"),
        (np.zeros((2, 2), np.uint8), "JPEG", "PNG, TIFF, NPZ"),
    ],
)
def test_what_a_format_cannot_hold_is_refused(image, format: str, words: str, tmp_path: Path):
    with pytest.raises(UsageError, match=words):
        write_image(tmp_path / "a", image, format=format)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("format", TYPES)
def test_any_byte_order_is_written(format: str, tmp_path: Path):
    for dtype in (">u2", "<u2"):
        image = example("uint16", (7, 5, 3)).astype(dtype)
        write_image(tmp_path / "image", image, format=format)
        np.testing.assert_array_equal(read_image(tmp_path / "image"), image)


def test_a_name_as_long_as_the_system_takes_is_written(tmp_path: Path):
    path = tmp_path / ("a" * 251 + ".png")
    write_image(path, example("uint8", (7, 5)), format="PNG")
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_arrays_beside_an_image_come_back(tmp_path: Path):
    path, image = tmp_path / "a.npz", example("uint16", (7, 5))
    beside = {"cfa": np.array("RGGB"), "file": np.array([1.0])}
    write_image(path, image, format="NPZ", array_name="raw", beside=beside)
    with np.load(path) as arrays:
        assert set(arrays) == {"raw", "cfa", "file"}
        np.testing.assert_array_equal(arrays["raw"], image)
        assert arrays["cfa"] == "RGGB"
