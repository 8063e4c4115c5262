"""Files as strangers have them: linked, turned, photographed, oddly named, on any terminal."""

import io
import os
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from jaxnoise.io.images import read_image
from jaxnoise.noise import shot_read
from tests.image_commands import NOISE, Run, contents, flat, save

pytestmark = pytest.mark.fast

GREY = flat((6, 8), dtype="uint16")
NONE = ["--shot", 0, "--read", 0]


def photograph(path: Path, *, orientation: int = 1) -> Path:
    buffer, exif = io.BytesIO(), Image.Exif()
    exif[274] = orientation
    image = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)
    Image.fromarray(image).save(buffer, path.suffix[1:].replace("jpg", "jpeg"), exif=exif)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(buffer.getvalue())
    return path


def test_linked_folders_are_searched_once_and_loops_end(tmp_path: Path, run: Run):
    save(tmp_path / "in/a/1.png", GREY)
    save(tmp_path / "far/2.png", GREY)
    save(tmp_path / "beside.png", GREY)
    for name, target in (("b", "far"), ("c", "far"), ("a/up", "in"), ("out_of", ".")):
        (tmp_path / "in" / name).symlink_to(tmp_path / target)
    code, said = run(tmp_path / "in", "--output", tmp_path / "out", *NOISE)
    assert code == 0 and "2 image(s)" in said
    assert set(contents(tmp_path / "out")) == {"a/1.png", "b/2.png"}
    code, said = run(tmp_path / "in", "--output", tmp_path / "far/out", *NOISE)
    assert code == 2 and "a linked folder of the input" in said


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_photographs_become_png_as_a_viewer_shows_them(suffix: str, tmp_path: Path, run: Run):
    path = photograph(tmp_path / f"in/a{suffix}", orientation=6)
    code, said = run(tmp_path / "in", "--output", tmp_path / "out", *NONE)
    assert code == 0 and "looks like an sRGB photograph" in said
    made = imagecodecs.png_decode((tmp_path / "out/a.png").read_bytes())
    with Image.open(path) as file:
        np.testing.assert_array_equal(made, np.rot90(np.asarray(file), -1))
    code, said = run(path, "--output", tmp_path / "o2", "--format", "tiff", "--noise", *NONE)
    assert code == 0 and set(contents(tmp_path / "o2")) == {"a.tiff", "a_noise.tiff"}
    np.testing.assert_array_equal(read_image(tmp_path / "o2/a.tiff"), made)


def test_what_is_not_read_is_counted_by_kind(tmp_path: Path, run: Run):
    save(tmp_path / "in/a.png", GREY)
    for name in ("b.NEF", "c.nef", "d.dng", "e.bmp", "f.npy", "notes.txt"):
        (tmp_path / "in" / name).write_bytes(b"x")
    code, said = run(tmp_path / "in", "--output", tmp_path / "out", *NOISE)
    assert code == 0
    assert "1 .dng, 2 .nef (convert raw files to 16-bit TIFF" in said
    assert "1 .bmp (save it as PNG or TIFF)" in said and "1 .npy (save it with numpy" in said
    assert "1 other file(s) were left alone" in said
    (tmp_path / "in/a.png").unlink()
    code, said = run(tmp_path / "in", "--output", tmp_path / "out", *NOISE)
    assert (code, said.count("\n")) == (3, 1) and "2 .nef" in said


def test_a_file_says_what_its_numbers_mean(tmp_path: Path, run: Run):
    """The noise of 10-bit raw, and a file that says of its own result what it said of the image."""
    raw, blacks = np.full((200, 300), 563, np.uint16), [60, 62, 64, 66]
    path = tmp_path / "a.npz"
    np.savez(path, raw=raw, cfa="GBRG", black_level=blacks, white_level=1023)
    code, said = run(path, "--output", tmp_path / "out", "--shot", 2e-3, "--read", 0)
    assert code == 0, said
    with np.load(tmp_path / "out/a.npz") as made:
        assert made["cfa"] == "GBRG" and made["black_level"].tolist() == blacks
        assert made["white_level"] == 1023
        noise = made["raw"] - raw.astype(float)
    for place, black in enumerate(blacks):
        part = noise[place // 2 :: 2, place % 2 :: 2]
        variance = 2e-3 * (563 - black) * (1023 - black) + 1 / 12
        assert part.var() == pytest.approx(variance, rel=5 * np.sqrt(2 / part.size))
    options = ["--white-level", 4095, "--bayer", "RGGB"]
    code, said = run(path, "--output", tmp_path / "o2", *options, *NOISE)
    assert code == 0
    assert "states 1023 itself, and --white-level says 4095, which counts" in said
    assert "states GBRG itself, and --bayer says RGGB, which counts" in said


def test_doubtful_levels_get_a_sentence_each_and_once(tmp_path: Path, run: Run):
    image = flat((6, 8, 3), dtype="uint16", light=0.1)
    for name in "ab":
        save(tmp_path / f"in/{name}.png", image)
    dark = "is 6553 of 65535: if full scale is lower, give --white-level"
    above = "is 6553, above the white level 4095"
    for options, words in ((NOISE, dark), ([*NOISE, "--white-level", 4095], above)):
        code, said = run(tmp_path / "in", "--output", tmp_path / "out", "--force", *options)
        assert (code, said.count("\n"), said.count(words)) == (0, 2, 1), said
    save(tmp_path / "c.png", flat((6, 8, 3), dtype="uint8"))
    code, said = run(tmp_path / "c.png", "--output", tmp_path / "o", *NOISE)
    assert code == 0 and "not linear in light" in said
    code, said = run(tmp_path / "c.png", "--output", tmp_path / "p", "--white-level", 255, *NOISE)
    assert code == 0 and "linear" not in said


def test_a_mosaic_is_not_turned(tmp_path: Path, run: Run):
    buffer, exif = io.BytesIO(), Image.Exif()
    exif[274] = 3
    Image.fromarray(GREY).save(buffer, "TIFF", exif=exif)
    (tmp_path / "a.tif").write_bytes(buffer.getvalue())
    code, said = run(tmp_path / "a.tif", "--output", tmp_path / "o", "--bayer", "RGGB", *NOISE)
    assert code == 2 and "orientation tag" in said


def test_more_pixels_are_read_where_that_is_asked_for(tmp_path: Path, run: Run):
    clean = save(tmp_path / "a.png", GREY)
    options = ["--output", tmp_path / "o", *NOISE, "--max-pixels"]
    code, said = run(clean, *options, 47)
    assert code == 3 and "6x8 pixels, more than 47: " in said and "--max-pixels" in said
    assert run(clean, *options, 48)[0] == 0
    assert run(clean, *options, 0)[0] == 2


def test_half_floats_stay_half_floats_where_they_can(tmp_path: Path, run: Run):
    for name, white in (("a", 1), ("b", 65504)):
        path = tmp_path / f"{name}.npz"
        np.savez(path, image=np.full((40, 40, 3), white / 2, np.float16))
        code, said = run(
            path, "--output", tmp_path / "o", "--white-level", white, "--shot", 0, "--read", 1
        )
        if name == "a":
            with np.load(tmp_path / "o/a.npz") as made:
                assert code == 0 and made["image"].dtype == np.float16
                assert (made["image"] - 0.5).std() == pytest.approx(1, abs=0.06)
        else:
            assert code == 3 and "float16 cannot hold" in said


def test_bands_have_the_noise_of_the_whole(tmp_path: Path, run: Run, monkeypatch):
    from jaxnoise.cli import _sample_sources

    image = np.random.default_rng(0).random((50, 20, 3), np.float32)
    save(tmp_path / "a.npz", image)
    monkeypatch.setattr(_sample_sources, "BAND_VALUES", 500)
    words = _sample_sources.words_of("a.npz")
    noise = shot_read.sample_image(np.random.default_rng([7, *words]), image, shot=0.1, read=1e-4)
    for rows in ([], ["--rows", 1], ["--rows", 7]):
        options = ["--shot", 0.1, "--read", 1e-4, "--seed", 7, "--noise", "--force", *rows]
        assert run(tmp_path / "a.npz", "--output", tmp_path / "o", *options)[0] == 0
        np.testing.assert_array_equal(read_image(tmp_path / "o/a_noise.npz"), noise)


def test_names_do_no_harm_to_the_terminal(tmp_path: Path, run: Run):
    save(tmp_path / "in/\x1b[31mred\n.png", GREY)
    (tmp_path / "in/\x1b]0;title\x07.png").write_bytes(b"rubbish")
    save(tmp_path / ("in/" + os.fsdecode(b"\xff") + ".png"), GREY)
    save(tmp_path / ("in/" + "a" * 251 + ".png"), GREY)
    code, said = run(tmp_path / "in", "--output", tmp_path / "out\x1b[1m", *NOISE)
    assert code == 3 and "1 of 4 images were left out" in said
    assert all(letter.isprintable() or letter == "\n" for letter in said)
    assert len(contents(tmp_path / "out\x1b[1m")) == 3
    code, said = run(tmp_path / "in", "--output", tmp_path / "o", "--noise", *NOISE)
    assert code == 2 and "more than 255 bytes: rename it" in said
    assert not (tmp_path / "o").exists()
