"""`jaxnoise sample` on files: each stays of its kind, and gets the noise that was asked for."""

import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jaxnoise.io.images import read_image, read_stored
from jaxnoise.raw.mosaic import PHASES
from tests.image_commands import FULL, NOISE, SUFFIXES, Run, contents, flat, save

SIGMAS = 5.0

LAYOUTS = {
    "grey": ((33, 47), []),
    "grey of one channel": ((33, 47, 1), []),
    "odd mosaic": ((33, 47), ["--bayer", "GRBG"]),
    "RGB": ((16, 31, 3), []),
    "packed": ((20, 20, 4), []),
    "one pixel": ((1, 1), []),
    "one pixel of a mosaic": ((1, 1), ["--bayer", "BGGR"]),
    "one row": ((1, 40, 3), []),
}
KINDS = [
    (format, dtype, layout)
    for format, dtypes in (
        ("PNG", ("uint8", "uint16")),
        ("TIFF", ("uint8", "uint16", "float32", "float64")),
        ("NPZ", ("uint8", "uint16", "float32", "float64")),
    )
    for dtype in dtypes
    for layout in LAYOUTS
    if (format, layout) != ("PNG", "packed")
]


@pytest.mark.parametrize(("format", "dtype", "layout"), KINDS)
def test_an_image_stays_of_its_kind(format: str, dtype: str, layout: str, tmp_path: Path, run: Run):
    shape, options = LAYOUTS[layout]
    clean = save(tmp_path / f"in/a{SUFFIXES[format]}", flat(shape, dtype=dtype), array_name="frame")
    code, said = run(clean, "--output", tmp_path / "out", *NOISE, *options)
    assert code == 0, said
    before, after = read_stored(clean), read_stored(tmp_path / "out" / clean.name)
    assert after._replace(pixels=before.pixels) == before
    noise = (after.pixels.astype(float) - before.pixels) / FULL[dtype]
    assert (noise != 0).mean() > (0.9 if noise.size > 1 else 0)
    variance = 0.01 * 0.5 + 1e-4
    if noise.size > 100:  # the standard error of a variance is near sqrt(2 / n) of it
        assert abs(noise.var() / variance - 1) < SIGMAS * np.sqrt(2.2 / noise.size)


def test_mean_and_variance_of_a_16_bit_png(tmp_path: Path, run: Run):
    clean = save(tmp_path / "in/a.png", flat((600, 500, 3), dtype="uint16", light=0.25))
    assert run(clean, "--output", tmp_path / "out", "--shot", 2e-4, "--read", 1e-6)[0] == 0
    noise = (read_image(tmp_path / "out/a.png").astype(float) - read_image(clean)) / 65535
    light = read_image(clean)[0, 0, 0] / 65535
    variance = 2e-4 * light + 1e-6 + 1 / 12 / 65535**2  # rounding is uniform over one step
    fourth = (2e-4) ** 3 * light
    assert abs(noise.mean()) < SIGMAS * np.sqrt(variance / noise.size)
    spread = np.sqrt((2 * variance**2 + fourth) / noise.size)
    assert abs((noise**2).mean() - variance) < SIGMAS * spread


@pytest.mark.parametrize("phase", PHASES)
def test_every_pixel_of_an_odd_mosaic_gets_noise(phase: str, tmp_path: Path, run: Run):
    clean = save(tmp_path / "in/a.npz", flat((7, 9)))
    assert run(clean, "--output", tmp_path / "out", "--bayer", phase, *NOISE)[0] == 0
    assert (read_image(tmp_path / "out/a.npz") != 0.5).all()


@pytest.mark.parametrize("phase", PHASES)
def test_each_place_of_a_mosaic_has_its_own_black(phase: str, tmp_path: Path, run: Run):
    height, width, blacks, white = 301, 303, [0, 100, 200, 300], 1000
    clean = save(tmp_path / "in/a.tiff", np.full((height, width), 500, np.uint16))
    levels = ["--black-level", "0,100,200,300", "--white-level", white, "--bayer", phase]
    code, said = run(
        clean, "--output", tmp_path / "out", "--shot", 0.02, "--read", 0, "--noise", *levels
    )
    assert code == 0, said
    noise = read_image(tmp_path / "out/a_noise.tiff")[..., 0]
    assert noise.dtype == np.float32
    black = np.tile(np.reshape(blacks, (2, 2)), (151, 152))[:height, :width]
    noisy = np.clip(np.rint(500 + noise.astype(float) * (white - black)), 0, white)
    np.testing.assert_array_equal(read_image(tmp_path / "out/a.tiff")[..., 0], noisy)
    for place, level in enumerate(blacks):
        values = noise[place // 2 :: 2, place % 2 :: 2].astype(float)
        light = (500 - level) / (white - level)
        variance, fourth = 0.02 * light, 0.02**3 * light
        spread = np.sqrt((2 * variance**2 + fourth) / values.size)
        assert abs((values**2).mean() - variance) < SIGMAS * spread


def test_the_noise_alone_is_before_clipping_and_rounding(tmp_path: Path, run: Run):
    random = np.random.default_rng(0)
    save(tmp_path / "in/a.npz", random.random((20, 30, 4), dtype=np.float32))
    save(tmp_path / "in/b.png", random.integers(0, 256, (20, 30, 3), dtype=np.uint8))
    assert run(tmp_path / "in", "--output", tmp_path / "out", "--noise", *NOISE)[0] == 0
    assert set(contents(tmp_path / "out")) == {"a.npz", "a_noise.npz", "b.png", "b_noise.tiff"}
    noise = read_stored(tmp_path / "out/a_noise.npz")
    assert noise.array_name == "noise"
    np.testing.assert_allclose(
        read_image(tmp_path / "out/a.npz") - read_image(tmp_path / "in/a.npz"),
        noise.pixels,
        atol=2e-7,
    )
    noise = read_image(tmp_path / "out/b_noise.tiff").astype(float)
    clean = read_image(tmp_path / "in/b.png")
    assert noise.min() * 255 < -clean.min() and (noise * 255 + clean).max() > 255
    np.testing.assert_array_equal(
        read_image(tmp_path / "out/b.png"), np.clip(np.rint(clean + noise * 255), 0, 255)
    )


def test_the_same_seed_gives_the_same_bytes_and_another_others(tmp_path: Path, run: Run):
    save(tmp_path / "in/deep/a.png", flat((30, 40, 3), dtype="uint8"))
    save(tmp_path / "in/b.npz", flat((30, 40, 3)))
    for name, extra in {
        "first": [],
        "again": ["--seed", 0, "--rows", 7],
        "other": ["--seed", 1],
    }.items():
        assert run(tmp_path / "in", "--output", tmp_path / name, *NOISE, *extra)[0] == 0
    first, again, other = (contents(tmp_path / name) for name in ("first", "again", "other"))
    assert set(first) == {"deep/a.png", "b.npz"}
    assert first == again
    assert all(first[name] != other[name] for name in first)


def test_an_image_has_its_noise_whatever_other_images_there_are(tmp_path: Path, run: Run):
    for name in ("a.npz", "b.npz", "c/a.npz"):
        save(tmp_path / "in" / name, flat((30, 40, 3)))
    assert run(tmp_path / "in", "--output", tmp_path / "all", *NOISE)[0] == 0
    assert run(tmp_path / "in/b.npz", "--output", tmp_path / "one", *NOISE)[0] == 0
    everything = contents(tmp_path / "all")
    assert everything["b.npz"] == contents(tmp_path / "one")["b.npz"]
    assert len(set(everything.values())) == 3  # images alike, names different: noise different


def test_folders_keep_their_structure_and_other_files_are_left_alone(tmp_path: Path, run: Run):
    for name in ("x/y/a.PNG", "x/b.tif", ".hidden/c.png", "x/.d.png"):
        save(tmp_path / "in" / name, flat((4, 4), dtype="uint8"), format="PNG")
    (tmp_path / "in/notes.txt").write_text("hello")
    code, said = run(tmp_path / "in", "--output", tmp_path / "out", *NOISE)
    assert code == 0
    assert set(contents(tmp_path / "out")) == {"x/y/a.PNG", "x/b.tif"}
    assert read_stored(tmp_path / "out/x/b.tif").format == "PNG"  # its bytes, not its name
    assert "2 image(s)" in said and "1 other file(s)" in said
    assert "0.01 * clean + 0.0001" in said and "seed 0" in said


def test_outputs_are_replaced_only_by_force(tmp_path: Path, run: Run):
    for name in ("a.npz", "b.npz"):
        save(tmp_path / "in" / name, flat((4, 4)))
    (tmp_path / "out").mkdir()
    (tmp_path / "out/b.npz").write_bytes(b"precious")
    code, said = run(tmp_path / "in", "--output", tmp_path / "out", *NOISE)
    assert code == 2 and "b.npz exists (1 of 2 outputs do)" in said and "--force" in said
    assert contents(tmp_path / "out") == {"b.npz": b"precious"}
    assert run(tmp_path / "in", "--output", tmp_path / "out", "--force", *NOISE)[0] == 0
    assert read_image(tmp_path / "out/b.npz").shape == (4, 4, 1)


def test_floats_of_any_range_are_fine_with_a_white_level(tmp_path: Path, run: Run):
    clean = save(tmp_path / "in/a.tiff", np.full((9, 9), 600.0, np.float32))
    levels = ["--black-level", 200, "--white-level", 1000]
    code, said = run(clean, "--output", tmp_path / "out", "--shot", 0, "--read", 0.01, *levels)
    assert code == 0, said
    spread = (read_image(tmp_path / "out/a.tiff") - 600).std() / 800
    assert abs(spread / 0.1 - 1) < SIGMAS / np.sqrt(2 * 81)


def test_beyond_black_and_white_the_noise_is_that_of_black_and_white(tmp_path: Path, run: Run):
    noises = {}
    for value in (100, 200, 1000, 1200):
        clean = save(tmp_path / f"{value}/a.tiff", np.full((9, 9), value, np.uint16))
        to = ["--noise", "--output", tmp_path / f"out{value}", *NOISE]
        levels = ["--bayer", "GRBG", "--black-level", 200, "--white-level", 1000]
        assert run(clean, *to, *levels)[0] == 0
        noises[value] = read_image(tmp_path / f"out{value}/a_noise.tiff")
    np.testing.assert_array_equal(noises[100], noises[200])
    np.testing.assert_array_equal(noises[1000], noises[1200])
    assert (noises[200] != noises[1000]).any()


def test_dark_raw_images_raise_a_question_once(tmp_path: Path, run: Run):
    for name in "ab":
        save(tmp_path / f"in/{name}.png", np.full((4, 4), 4095, np.uint16))
    to = ["--bayer", "RGGB", "--shot", 0, "--read", 0, "--output"]
    code, said = run(tmp_path / "in", *to, tmp_path / "out")
    assert code == 0
    assert said.count("4095 of 65535") == 1 and "--white-level" in said
    code, said = run(tmp_path / "in", *to, tmp_path / "sure", "--white-level", 4095)
    assert code == 0 and "65535" not in said


def test_help_is_instant_and_starts_nothing_slow():
    program = (
        "import sys\nfrom jaxnoise.cli import main\n"
        "assert main(['sample', '--help']) == 0\nprint(*sys.modules)"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    seconds = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    assert done.returncode == 0, done.stderr
    *text, modules = done.stdout.splitlines()
    assert {"jax", "numpy", "tqdm", "tifffile", "imagecodecs"} & set(modules.split()) == set()
    assert "variance = A * clean + B" in "\n".join(text)
    assert seconds < 1.0


def test_real_raw_frames(tmp_path: Path, run: Run, real_images: Path):
    for name, phase, black in [
        ("DSC_1339_768x512_rggb", "RGGB", 600),
        ("BlackImage_1920x1080_12bits_BGGR", "BGGR", 0),
    ]:
        with np.load(real_images / "data/raw_single" / f"{name}.npz") as arrays:
            raw, white = arrays["raw"][:401, :299], int(arrays["white_level"])
        clean = save(tmp_path / f"in/{name}.npz", raw)
        levels = ["--bayer", phase, "--black-level", black, "--white-level", white]
        shot, read = 1e-3, 1e-5
        code, said = run(
            clean, "--output", tmp_path / "out", "--shot", shot, "--read", read, "--noise", *levels
        )
        assert code == 0, said
        noisy = read_image(tmp_path / "out" / clean.name)[..., 0]
        noise = read_image(tmp_path / f"out/{name}_noise.npz")[..., 0].astype(float)
        exact = np.rint(raw + noise * (white - black))
        np.testing.assert_array_equal(noisy, np.clip(exact, 0, max(white, int(raw.max()))))
        light = np.clip((raw.astype(float) - black) / (white - black), 0, 1)
        variance = shot * light + read
        # Whitened squares have mean 1; their own variance is 2 + the excess kurtosis.
        squares = noise**2 / variance
        spread = np.sqrt((2 + (shot**3 * light / variance**2).mean()) / squares.size)
        assert abs(squares.mean() - 1) < SIGMAS * spread
