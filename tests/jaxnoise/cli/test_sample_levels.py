"""`jaxnoise sample` of a level or a camera's profile, on raw and on photographs by their mosaic."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from skimage import data

from jaxnoise.io.images import read_image, read_stored
from jaxnoise.io.noise_profile import read_profile, variance
from jaxnoise.raw import demosaicing, mosaic_rgb, mosaic_to_packed, packed_to_mosaic
from tests.image_commands import FULL, READ, SHOT, Run, contents, flat, save

SIGMAS = 5.0
whole = demosaicing._menon()
"""The package's own demosaicing, of all rows at once."""


def from_library(model: Path, name: str, clean: np.ndarray, sigma) -> np.ndarray:
    """Noise by the library's own function."""
    import jax

    from jaxnoise.io import load_model
    from jaxnoise.models import cono

    _, config, variables = load_model(model)
    key = jax.random.key(0)
    for word in np.frombuffer(hashlib.sha256(name.encode()).digest()[:8], "<u4").tolist():
        key = jax.random.fold_in(key, word)
    return cono.sample_image(key, variables, config, clean, sigma)


def fractions(stored: np.ndarray) -> np.ndarray:
    return (stored / FULL[stored.dtype.name]).astype(np.float32)


def test_raw_gets_the_noise_of_the_library(tmp_path: Path, run: Run, level_models):
    packed = np.random.default_rng(0).random((9, 11, 4), dtype=np.float32)
    save(tmp_path / "in/a.npz", packed)
    raw = np.random.default_rng(1).integers(0, 65536, (13, 10), dtype=np.uint16)
    save(tmp_path / "raw/b.tiff", raw)
    options = ["--model", level_models["level"], "--sigma", 20, "--noise"]
    code, said = run(tmp_path / "in", "--output", tmp_path / "out", *options)
    assert code == 0 and "noise of sigma 20 of 255" in said, said
    expected = from_library(level_models["level"], "a.npz", packed, 20 / 255)
    np.testing.assert_array_equal(read_image(tmp_path / "out/a_noise.npz"), expected)
    code, said = run(tmp_path / "raw", "--output", tmp_path / "o", *options, "--bayer", "RGGB")
    assert code == 0, said
    clean = fractions(mosaic_to_packed(raw, "RGGB"))
    expected = from_library(level_models["level"], "b.tiff", clean, 20 / 255)
    np.testing.assert_array_equal(
        read_image(tmp_path / "o/b_noise.tiff")[..., 0],
        packed_to_mosaic(expected, "RGGB", raw.shape),
    )


KINDS = {
    "a.png": ("uint8", (40, 36)),
    "b.png": ("uint16", (33, 35)),
    "c.tiff": ("uint16", (2, 3)),
    "d.npz": ("float32", (21, 30)),
}


@pytest.mark.parametrize("name", KINDS)
def test_photographs_get_it_on_their_mosaic(name: str, tmp_path: Path, run: Run, level_models):
    dtype, size = KINDS[name]
    image = (data.astronaut()[: size[0], : size[1]] / 255 * FULL[dtype]).astype(dtype)
    save(tmp_path / "in" / name, image)
    clean_to = tmp_path / "clean"
    options = [
        "--model",
        level_models["level"],
        "--sigma",
        30,
        "--noise",
        "--clean-output",
        clean_to,
    ]
    code, said = run(tmp_path / "in", "--output", tmp_path / "out", *options)
    assert code == 0, said
    mosaic = fractions(mosaic_rgb(image))
    packed = mosaic_to_packed(mosaic, "RGGB")
    noise = from_library(level_models["level"], name, packed, 30 / 255)
    noisy = whole(mosaic + packed_to_mosaic(noise, "RGGB", size))
    clean = whole(mosaic)
    step = 1e-6
    if dtype != "float32":
        full, step = FULL[dtype], 1  # rounding may go either way at a half
        noisy, clean = (np.clip(each * full, 0, full) for each in (noisy, clean))
    for folder, expected in (("out", noisy), ("clean", clean)):
        found = read_stored(tmp_path / folder / name)
        assert found.pixels.dtype == dtype
        assert abs(found.pixels - expected).max() <= (0.5 + 2e-3 if step == 1 else step)
    alone = (
        tmp_path
        / "out"
        / ("d_noise.npz" if name == "d.npz" else name.split(".")[0] + "_noise.tiff")
    )
    expected = whole(mosaic + packed_to_mosaic(noise, "RGGB", size)) - whole(mosaic)
    np.testing.assert_allclose(read_image(alone), expected, atol=1e-6)


def test_levels_of_a_photograph_count(tmp_path: Path, run: Run, camera: Path):
    blacks, white = np.array([100, 200, 300]), 1000
    image = np.broadcast_to(blacks + (white - blacks) // 2, (400, 300, 3)).astype(np.uint16)
    save(tmp_path / "a.tiff", image)
    options = ["--profile", camera, "--iso", 100, "--black-level", "100,200,300"]
    options += ["--white-level", white, "--noise"]
    code, said = run(tmp_path / "a.tiff", "--output", tmp_path / "out", *options)
    assert code == 0, said
    noise = read_image(tmp_path / "out/a_noise.tiff").astype(float)
    # Where red and blue are measured, demosaicing keeps them; green has places of two kinds.
    for place, channel, row in (((0, 0), 0, 0), ((0, 1), 1, 1), ((1, 0), 1, 2), ((1, 1), 2, 3)):
        values = noise[place[0] :: 2, place[1] :: 2, channel]
        expected = SHOT[row] / 2 + READ[row]
        spread = np.sqrt((2 * expected**2 + SHOT[row] ** 3 / 2) / values.size)
        assert abs((values**2).mean() - expected) < SIGMAS * spread
    noisy = read_image(tmp_path / "out/a.tiff").astype(float)
    np.testing.assert_allclose(noisy, np.rint(image + noise * (white - blacks)), atol=1)


def test_a_profile_gives_a_model_its_level(tmp_path: Path, run: Run, level_models, camera: Path):
    clean = np.random.default_rng(0).random((12, 9, 4), dtype=np.float32)
    save(tmp_path / "in/a.npz", clean)
    options = ["--model", level_models["level"], "--profile", camera, "--iso", 400, "--noise"]
    code, said = run(tmp_path / "in", "--output", tmp_path / "out", *options)
    assert code == 0 and "of the level of mine at ISO 400" in said, said
    # Four times the noise at ISO 400, halfway to sixteen times.
    shot, read = read_profile(camera).at(400)
    np.testing.assert_allclose(shot, 4 * SHOT, rtol=1e-5)
    sigma = np.sqrt(variance(clean, shot.astype(np.float32), read.astype(np.float32)))
    expected = from_library(level_models["level"], "a.npz", clean, sigma)
    np.testing.assert_array_equal(read_image(tmp_path / "out/a_noise.npz"), expected)


def test_a_profile_alone_is_its_variance_in_each_channel(tmp_path: Path, run: Run, camera: Path):
    clean = np.full((300, 200, 4), 0.4, np.float32)
    save(tmp_path / "in/a.npz", clean)
    options = ["--profile", camera, "--iso", 100, "--noise"]
    for folder, rows in (("out", []), ("again", ["--rows", 7])):
        code, said = run(tmp_path / "in", "--output", tmp_path / folder, *options, *rows)
        assert code == 0 and "the noise of mine's profile at ISO 100" in said, said
    noise = read_image(tmp_path / "out/a_noise.npz")
    np.testing.assert_array_equal(read_image(tmp_path / "again/a_noise.npz"), noise)
    noise = noise.astype(float)
    for channel in range(4):
        expected, fourth = SHOT[channel] * 0.4 + READ[channel], SHOT[channel] ** 3 * 0.4
        values = noise[..., channel]
        spread = np.sqrt((2 * expected**2 + fourth) / values.size)
        assert abs((values**2).mean() - expected) < SIGMAS * spread
        assert abs(values.mean()) < SIGMAS * np.sqrt(expected / values.size)
    together = np.corrcoef(noise.reshape(-1, 4).T) - np.eye(4)
    assert abs(together).max() < SIGMAS / np.sqrt(noise[..., 0].size)


@pytest.mark.parametrize(
    ("shape", "dtype", "levels", "scale"),
    [
        ((150, 100, 3), "uint8", [], 255),
        ((150, 100), "uint16", [], 65535),
        ((150, 100, 4), "float32", [], 1),
        ((150, 101), "uint16", ["--bayer", "GRBG", "--black-level", 1000], 64535),
    ],
)
def test_sigma_alone_is_white_on_the_stored_numbers(shape, dtype, levels, scale, tmp_path, run):
    suffix = ".npz" if len(shape) == 3 and shape[2] == 4 else ".png"
    clean = save(tmp_path / f"in/a{suffix}", flat(shape, dtype=dtype))
    options = ["--sigma", 12, *levels, "--clean-output", tmp_path / "clean"]
    code, said = run(clean, "--output", tmp_path / "out", *options)
    assert code == 0 and "white noise of sigma 12 of 255" in said, said
    noise = read_image(tmp_path / "out" / clean.name).astype(float) - read_image(clean)
    step = 0 if dtype == "float32" else 1
    expected = (12 / 255 * scale) ** 2 + step / 12
    assert abs(noise.var() / expected - 1) < SIGMAS * np.sqrt(2 / noise.size)
    np.testing.assert_array_equal(read_image(tmp_path / "clean" / clean.name), read_image(clean))


def test_clean_images_go_where_noisy_ones_do(tmp_path: Path, run: Run, level_models):
    save(tmp_path / "in/deep/a.png", flat((8, 9, 3), dtype="uint8"))
    save(tmp_path / "in/b.npz", flat((8, 9, 4)))
    options = ["--model", level_models["level"], "--sigma", 5, "--format", "tiff"]
    code, said = run(
        tmp_path / "in", "--output", tmp_path / "o", "--clean-output", tmp_path / "c", *options
    )
    assert code == 0, said
    assert (
        set(contents(tmp_path / "o")) == set(contents(tmp_path / "c")) == {"deep/a.tiff", "b.tiff"}
    )


def test_the_seed_and_the_name_decide(tmp_path: Path, run: Run, camera: Path):
    for name in "ab":
        save(tmp_path / f"in/{name}.png", data.astronaut()[:20, :30])
    options = ["--profile", camera, "--iso", 1600]
    for folder, seed in (("first", 0), ("again", 0), ("other", 1)):
        run(tmp_path / "in", "--output", tmp_path / folder, "--seed", seed, *options)
    first, again, other = (contents(tmp_path / name) for name in ("first", "again", "other"))
    assert first == again and len({*first.values(), *other.values()}) == 4


def test_a_profile_is_for_numbers_linear_in_light_and_sigma_for_any(
    tmp_path: Path, run: Run, level_models, camera: Path
):
    save(tmp_path / "a.png", data.astronaut()[:8, :8])
    level, profile = ["--sigma", 5], ["--profile", camera, "--iso", 100]
    model = ["--model", level_models["level"]]
    for number, (options, warned) in enumerate(
        ((level, 0), ([*model, *level], 0), (profile, 1), ([*model, *profile], 1))
    ):
        code, said = run(tmp_path / "a.png", "--output", tmp_path / str(number), *options)
        assert (code, said.count("not linear in light")) == (0, warned), said
