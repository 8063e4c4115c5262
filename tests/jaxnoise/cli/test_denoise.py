"""`jaxnoise denoise` writes the estimate of the library, in files of the kind that it was given."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from jaxnoise.io.images import read_image, read_stored
from jaxnoise.raw.mosaic import PHASES, by_channel, mosaic_to_packed, packed_to_mosaic
from tests.forked import Forked
from tests.image_commands import FULL, SUFFIXES, Run, contents, flat, save
from tests.processes import environment

SIZE = (9, 11)


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, Path]:
    """Folders of models by name, whose weights are random; one of them gives no numbers."""
    import jax

    from jaxnoise import models
    from jaxnoise.io import save_model

    random, folder = np.random.default_rng(0), tmp_path_factory.mktemp("models")

    def fill(path, leaf):
        values = random.normal(0, 0.3 / np.sqrt(np.prod(leaf.shape[:-1])), leaf.shape)
        return (np.ones(leaf.shape) if path[-1].key == "var" else values).astype(leaf.dtype)

    net, flow = {"features": 4, "depth": 3}, {"arch": "S-G"}
    made = {
        "rgb": ("denoiser", {**net, "channels": 3}),
        "unet": ("denoiser", {"net": "unet", "channels": 3, "features": 3}),
        "raw": ("denoiser", net),
        "broken": ("denoiser", net),
        "joint": ("noise2noiseflow", {"noise_model": flow, "denoiser": net}),
        "flow": ("noiseflow", flow),
    }
    for name, (kind, fields) in made.items():
        module = models.get(kind)
        config = module.Config(**fields)
        shapes = jax.eval_shape(partial(module.init, config=config), jax.random.key(0))
        variables = jax.tree_util.tree_map_with_path(fill, shapes)
        if name == "broken":
            variables["params"]["conv_0"]["bias"][0] = np.nan
        save_model(folder / name, kind, config, variables)
    return {name: folder / name for name in made}


@pytest.fixture
def denoise(command, tmp_path) -> Run:
    """Runs `jaxnoise denoise` into the folder "out"."""

    def call(*arguments: object) -> tuple[int, str]:
        return command("denoise", *arguments, "--output", tmp_path / "out")

    return call


def from_library(folder: Path, noisy: np.ndarray) -> np.ndarray:
    """The estimate for one image as a batch; unit as given, fraction of full scale."""
    import jax.numpy as jnp

    from jaxnoise import models
    from jaxnoise.io import load_model

    name, config, variables = load_model(folder)
    batch = jnp.asarray(noisy, jnp.float32)[None]
    return np.asarray(models.get(name).denoise(variables, config, batch)[0], np.float64)


def assert_stored(written: np.ndarray, exact: np.ndarray, white: float) -> None:
    """Integers are exact values, clipped and rounded; floats are the values themselves."""
    if written.dtype.kind == "f":
        np.testing.assert_allclose(written, exact, rtol=0, atol=1e-5)
        return
    # float32 leaves a few 1e-7 of full scale open, on either side of where rounding changes.
    error = np.abs(written - np.clip(exact, 0, white))
    assert error.max() <= 0.5 + 1e-6 * white
    assert (exact < 0).any() and (exact > white).any()


@pytest.mark.parametrize(
    ("format", "dtype"),
    [
        *(("PNG", dtype) for dtype in ("uint8", "uint16")),
        *((format, dtype) for format in ("TIFF", "NPZ") for dtype in FULL),
    ],
)
def test_an_image_stays_of_its_kind(format, dtype, tmp_path: Path, denoise: Run, models):
    random, full = np.random.default_rng(0), FULL[dtype]
    if np.dtype(dtype).kind == "f":
        pixels = random.uniform(-0.2, 1.2, (*SIZE, 3)).astype(dtype)
    else:
        pixels = random.choice([0, 1, full // 2, full - 1, full], (*SIZE, 3)).astype(dtype)
    noisy = save(tmp_path / f"in/a{SUFFIXES[format]}", pixels, array_name="frame")
    code, said = denoise(noisy, "--model", models["rgb"])
    assert code == 0, said
    assert said == f"1 denoised image(s) are in {tmp_path / 'out'}.\n"
    before, after = read_stored(noisy), read_stored(tmp_path / "out" / noisy.name)
    assert after._replace(pixels=before.pixels) == before
    assert (after.pixels != before.pixels).mean() > 0.4
    exact = from_library(models["rgb"], before.pixels / full) * full
    assert_stored(after.pixels, exact, full)


@pytest.mark.parametrize("phase", PHASES)
def test_a_mosaic_is_packed_and_put_back(phase, tmp_path: Path, denoise: Run, models):
    blacks, white = [60, 64, 70, 64], 1023
    # What noise takes below black and above white reaches the denoiser.
    mosaic = np.random.default_rng(0).choice([0, 40, 500, 1000, 1023, 1100], SIZE).astype(np.uint16)
    noisy = save(tmp_path / "in/a.tiff", mosaic)
    levels = ["--bayer", phase, "--black-level", "60,64,70,64", "--white-level", white]
    code, said = denoise(noisy, "--model", models["raw"], *levels)
    assert code == 0, said
    black = np.asarray(by_channel(blacks, phase))
    packed = (mosaic_to_packed(mosaic, phase) - black) / (white - black)
    exact = black + from_library(models["raw"], packed) * (white - black)
    written = read_image(tmp_path / "out/a.tiff")[..., 0].astype(float)
    exact = packed_to_mosaic(exact, phase, SIZE)
    assert np.abs(written - np.clip(exact, 0, white)).max() <= 0.5 + 1e-6 * white
    assert (exact > white).any() and written.shape == SIZE


def test_packed_raw_and_the_denoiser_of_a_joint_model(tmp_path: Path, denoise: Run, models):
    pixels = np.random.default_rng(0).uniform(-0.1, 1.1, (*SIZE, 4)).astype(np.float32)
    noisy = save(tmp_path / "in/a.npz", pixels)
    code, said = denoise(noisy, "--model", models["joint"])
    assert code == 0, said
    written = read_image(tmp_path / "out/a.npz")
    assert_stored(written, from_library(models["joint"], pixels), 1.0)
    assert np.abs(written - pixels).max() > 1e-3


def test_bands_change_the_memory_and_not_the_estimate(tmp_path: Path, command: Run, models):
    pixels = np.random.default_rng(0).integers(0, 256, (70, 40, 3), dtype=np.uint8)
    noisy = save(tmp_path / "in/a.png", pixels)
    for net in ("rgb", "unet"):
        images = {}
        for rows in (32, 70):
            to = ["--output", tmp_path / f"{net}{rows}", "--rows", rows]
            assert command("denoise", noisy, "--model", models[net], *to)[0] == 0
            images[rows] = read_image(tmp_path / f"{net}{rows}/a.png").astype(int)
        assert np.abs(images[32] - images[70]).max() <= 1
        assert (images[32] == images[70]).mean() > 0.99


def test_folders_keep_their_structure_and_nothing_is_replaced_without_force(
    tmp_path: Path, denoise: Run, models
):
    for name in ("x/y/a.png", "x/b.png", ".hidden/c.png"):
        save(tmp_path / "in" / name, flat((*SIZE, 3), dtype="uint8"))
    (tmp_path / "in/notes.txt").write_text("hello")
    code, said = denoise(tmp_path / "in", "--model", models["rgb"])
    assert code == 0
    assert "2 denoised image(s)" in said and "1 other file(s) were left alone" in said
    made = contents(tmp_path / "out")
    assert set(made) == {"x/y/a.png", "x/b.png"}
    (tmp_path / "out/x/b.png").write_bytes(b"precious")
    code, said = denoise(tmp_path / "in/x/b.png", tmp_path / "in", "--model", models["rgb"])
    assert code == 2 and "b.png exists" in said and "--force" in said
    assert contents(tmp_path / "out")["x/b.png"] == b"precious"
    assert denoise(tmp_path / "in", "--model", models["rgb"], "--force")[0] == 0
    assert contents(tmp_path / "out") == made


def test_damaged_images_are_named_and_left_out(tmp_path: Path, denoise: Run, models):
    save(tmp_path / "in/a.npz", flat((*SIZE, 3)))
    (tmp_path / "in/b.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
    save(tmp_path / "in/c.npz", flat((*SIZE, 3), light=200.0))
    code, said = denoise(tmp_path / "in", "--model", models["rgb"])
    assert code == 3
    assert "2 of 3 images were left out" in said and said.count("\n") == 3
    assert "b.png cannot be decoded" in said and "c.npz has values from 200 to 200" in said
    assert set(contents(tmp_path / "out")) == {"a.npz"}
    code, said = denoise(tmp_path / "in/c.npz", "--model", models["rgb"], "--white-level", 255)
    assert code == 0, said


def test_dark_raw_images_raise_a_question(tmp_path: Path, denoise: Run, models):
    noisy = save(tmp_path / "in/a.png", np.full((4, 4), 4095, np.uint16))
    options = [noisy, "--bayer", "RGGB", "--model", models["raw"]]
    code, said = denoise(*options)
    assert code == 0 and "4095 of 65535" in said
    code, said = denoise(*options, "--white-level", 4095, "--force")
    assert code == 0 and "65535" not in said


def test_the_number_of_cpu_devices_does_not_change_the_estimate(tmp_path: Path, models):
    random = np.random.default_rng(0)
    save(tmp_path / "in/a.tiff", random.uniform(size=(700, 530, 3)).astype(np.float32))
    images = []
    for devices in ("1", "2", "3", "usual"):
        to, said = tmp_path / devices, tmp_path / f"{devices}.txt"
        chosen = [] if devices == "usual" else ["--cpu-devices", devices]
        options = [*("--output", to), *("--model", models["rgb"]), *chosen]
        arguments = ["denoise", str(tmp_path / "in"), *map(str, options)]
        # What the environment says gives way to the option.
        env = environment(devices="usual" if devices == "usual" else 5)
        process = Forked("jaxnoise", arguments, said=said, folder=tmp_path, environment=env)
        assert process.wait() == 0, said.read_text()
        images.append(read_image(to / "a.tiff"))
    for other in images[1:]:
        np.testing.assert_allclose(other, images[0], rtol=0, atol=1e-6)


def test_cpu_devices_that_come_too_late_are_refused(tmp_path: Path, denoise: Run, models):
    noisy = save(tmp_path / "in/a.png", flat((*SIZE, 3), dtype="uint8"))
    code, said = denoise(noisy, "--model", models["rgb"], "--cpu-devices", 7)
    assert code == 2 and "--cpu-devices 7 comes too late" in said


def test_what_cannot_be_denoised_is_refused(tmp_path: Path, denoise: Run, run: Run, models):
    rgb = save(tmp_path / "rgb.png", flat((*SIZE, 3), dtype="uint8"))
    grey = save(tmp_path / "grey.png", flat(SIZE, dtype="uint8"))
    model = {name: ["--model", folder] for name, folder in models.items()}
    for options, code, words in [
        ([rgb], 2, "--model"),
        ([rgb, *model["flow"]], 2, "a noiseflow, which denoises no images: give a denoiser or"),
        ([rgb, *model["raw"]], 2, "has 3 channel(s), the model was trained on others"),
        ([grey, *model["raw"]], 2, "or mosaics with --bayer"),
        ([grey, *model["rgb"], "--bayer", "RGGB"], 2, "give it RGB images"),
        ([rgb, *model["raw"], "--bayer", "RGGB"], 2, "is no mosaic"),
        ([rgb, *model["rgb"], "--rows", 0], 2, "--rows must be"),
        ([rgb, *model["rgb"], "--cpu-devices", 0], 2, "--cpu-devices must be"),
        ([rgb, *model["rgb"], "--black-level", "x"], 2, "--black-level x cannot be read"),
        ([rgb, *model["rgb"], "--white-level", "nan"], 2, "--white-level must be a finite"),
        ([rgb, *model["rgb"], "--black-level", 255], 2, "not below the white"),
        ([grey, *model["broken"], "--bayer", "RGGB"], 3, "is not finite: use another model"),
        ([rgb, "--model", tmp_path], 3, "config.json is missing"),
        ([tmp_path / "gone.png", *model["rgb"]], 3, "does not exist"),
    ]:
        done, said = denoise(*options)
        assert (done, said.count("\n")) == (code, 1), said
        assert words in said
    code, said = run(rgb, "--output", tmp_path / "out", *model["rgb"])
    assert (code, said.count("\n")) == (2, 1)
    assert "a denoiser, which makes no noise for images by camera and ISO number and" in said
    assert "give a cono or noise2noiseflow or noiseflow model" in said
    assert not (tmp_path / "out").exists()
