"""`jaxnoise sample` with a model gives the noise of the library, for what the model knows."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from jaxnoise.io.images import read_image
from jaxnoise.raw.mosaic import by_channel, mosaic_to_packed
from tests.image_commands import Run, flat, save

CAMERAS, ISOS = ("phone", "compact"), (100, 400)


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, Path]:
    """Model folders by name: for packed raw with couplings, alone and with a denoiser, for RGB, and
    one that knows little."""
    import jax

    from jaxnoise.io import save_model
    from jaxnoise.models import noise2noiseflow, noiseflow

    folder = tmp_path_factory.mktemp("models")
    raw = noiseflow.Config(arch="S-Ax1-G-CAM", cameras=CAMERAS, isos=ISOS)
    configs = {
        "raw": raw,
        "joint": noise2noiseflow.Config(noise_model=raw, denoiser={"features": 4, "depth": 3}),
        "rgb": noiseflow.Config(arch="S-G-CAM", channels=3, cameras=CAMERAS, isos=ISOS),
        "little": noiseflow.Config(arch="N-Q-W", channels=3, cameras=("only",), isos=(0,)),
    }
    for name, config in configs.items():
        model = noise2noiseflow if name == "joint" else noiseflow
        variables = model.init(jax.random.key(1), config)
        save_model(folder / name, model.__name__.split(".")[-1], config, variables)
    return {name: folder / name for name in configs}


def from_library(model: Path, key_words: list[int], clean: np.ndarray, camera: int, iso: float):
    """The same noise by the library's own functions."""
    import jax

    from jaxnoise.io import load_model
    from jaxnoise.models import noiseflow

    name, config, variables = load_model(model)
    if name == "noise2noiseflow":
        config, variables = config.noise_model, variables["noise_model"]
    key = jax.random.key(0)
    for word in key_words:
        key = jax.random.fold_in(key, word)
    return noiseflow.sample_image(key, variables, config, clean, camera, iso)


def words(name: str) -> list[int]:
    return np.frombuffer(hashlib.sha256(name.encode()).digest()[:8], "<u4").tolist()


@pytest.mark.parametrize("model", ["raw", "joint"])
def test_packed_raw_gets_the_noise_of_the_library(model, tmp_path: Path, run: Run, models):
    clean = np.random.default_rng(0).random((9, 11, 4), dtype=np.float32)
    save(tmp_path / "in/a.npz", clean)
    options = ["--model", models[model], "--camera", "compact", "--iso", 200]
    code, said = run(tmp_path / "in", "--output", tmp_path / "out", "--noise", *options)
    assert code == 0, said
    assert "the noise of compact at ISO 200" in said
    noise = read_image(tmp_path / "out/a_noise.npz")
    expected = from_library(models[model], words("a.npz"), clean, 1, 200.0)
    np.testing.assert_array_equal(noise, expected)
    assert noise.std() > 0


def test_a_mosaic_gets_the_noise_of_the_library(tmp_path: Path, run: Run, models):
    raw = np.random.default_rng(0).integers(0, 1024, (13, 10), dtype=np.uint16)
    save(tmp_path / "in/a.tiff", raw)
    blacks, white, phase = [60, 64, 70, 64], 1023, "GBRG"
    options = ["--model", models["raw"], "--camera", "phone", "--iso", 100, "--noise"]
    levels = ["--bayer", phase, "--black-level", "60,64,70,64", "--white-level", white]
    code, said = run(tmp_path / "in", "--output", tmp_path / "out", *options, *levels)
    assert code == 0, said
    black = np.asarray(by_channel(blacks, phase))
    packed = (mosaic_to_packed(raw, phase) - black) / (white - black)
    expected = from_library(
        models["raw"], words("a.tiff"), np.clip(packed, 0, 1).astype(np.float32), 0, 100.0
    )
    noise = read_image(tmp_path / "out/a_noise.tiff")[..., 0]
    # Packing the noise again shows every pixel that the mosaic has; the first row of GBRG has
    # neither red nor its green.
    again = mosaic_to_packed(noise, phase)
    np.testing.assert_array_equal(again[1:], expected[1:])
    np.testing.assert_array_equal(again[0, :, 2:], expected[0, :, 2:])


def test_a_model_may_be_as_large_as_is_said(tmp_path: Path, run: Run, models):
    clean = save(tmp_path / "in/a.png", flat((8, 9, 3), dtype="uint8"))
    given = [clean, "--output", tmp_path / "out", "--model", models["little"], "--max-model-bytes"]
    code, said = run(*given, 100)
    assert (code, said.count("\n")) == (3, 1) and "bytes, more than 100: " in said
    assert "raise the limit with --max-model-bytes" in said
    assert run(*given, 0)[0] == 2
    assert run(*given, 2**33)[0] == 0


def test_temperature_zero_leaves_the_image(tmp_path: Path, run: Run, models):
    clean = save(tmp_path / "in/a.png", flat((8, 9, 3), dtype="uint8"))
    options = ["--model", models["rgb"], "--camera", "phone", "--iso", 400]
    cold, warm = tmp_path / "cold", tmp_path / "warm"
    assert run(clean, "--output", cold, *options, "--temperature", 0)[0] == 0
    assert run(clean, "--output", warm, *options)[0] == 0
    np.testing.assert_array_equal(read_image(cold / "a.png"), read_image(clean))
    assert (read_image(warm / "a.png") != read_image(clean)).any()


def test_a_model_of_one_camera_needs_no_camera(tmp_path: Path, run: Run, models):
    clean = save(tmp_path / "in/a.png", flat((8, 9, 3), dtype="uint8"))
    code, said = run(clean, "--output", tmp_path / "out", "--model", models["little"])
    assert code == 0, said
    assert "the noise of only at ISO not stated" in said


def test_what_a_model_does_not_know_is_refused(tmp_path: Path, run: Run, models):
    rgb = save(tmp_path / "rgb.png", flat((8, 9, 3), dtype="uint8"))
    grey = save(tmp_path / "grey.png", flat((8, 9), dtype="uint8"))
    packed = save(tmp_path / "packed.npz", flat((8, 9, 4)))
    raw, known = ["--model", models["raw"]], ["--camera", "phone", "--iso", 100]
    for options, words_ in [
        ([packed, *raw, "--iso", 100], "give --camera phone or compact"),
        ([packed, *raw, "--camera", "Phone", "--iso", 100], "use phone or compact"),
        ([packed, *raw, "--camera", "phone"], "give --iso 100 or 400"),
        ([packed, *raw, "--camera", "phone", "--iso", 50], "this model knows 100, 400"),
        ([rgb, *raw, *known], "has 3 channel(s)"),
        ([grey, *raw, *known], "or mosaics with --bayer"),
        ([packed, "--model", models["rgb"], *known], "give it RGB images"),
        ([grey, "--model", models["rgb"], *known, "--bayer", "RGGB"], "give it RGB images"),
        ([packed, *raw, *known, "--temperature", -1], "--temperature must be"),
    ]:
        code, said = run(*options, "--output", tmp_path / "out")
        assert (code, said.count("\n")) == (2, 1), said
        assert words_ in said
    code, said = run(packed, "--output", tmp_path / "out", "--model", tmp_path, *known)
    assert code == 3 and "config.json is missing" in said
    assert not (tmp_path / "out").exists()


@pytest.fixture
def dark_model(models, tmp_path) -> Path:
    """A model for RGB that was trained on 12 bits as they lie in 16, whose full scale is 65535."""
    from jaxnoise.io import load_model, save_model

    learned = {"stored": "uint16", "brightest": 4095 / 65535}
    return save_model(tmp_path / "dark", *load_model(models["rgb"]), learned_from=learned)


CHOSEN = ("--camera", "phone", "--iso", 100)


def test_levels_that_are_not_those_of_the_model_are_told(tmp_path, run: Run, dark_model):
    image = np.random.default_rng(0).integers(0, 4096, (6, 8, 3), dtype=np.uint16)
    image[0, 0] = 4095
    save(tmp_path / "in/a.png", image)
    ask = (tmp_path / "in", "--force", "--model", dark_model, *CHOSEN, "--output", tmp_path / "out")
    code, said = run(*ask, "--white-level", 4095)
    assert code == 0
    # 4095 of 4095, where the images of the training had 4095 of 65535.
    assert "is at 1 of full scale" in said and "trained on reach 0.062:" in said
    for same in (("--white-level", 65535), ()):
        code, said = run(*ask, *same)
        assert (code, "trained on" in said) == (0, False)


def test_what_a_file_states_counts_for_the_levels_of_the_model(tmp_path, run: Run, dark_model):
    image = np.full((6, 8, 3), 3000, np.uint16)
    (tmp_path / "in").mkdir()
    np.savez(tmp_path / "in/a.npz", raw=image, white_level=np.array(4095))
    ask = (tmp_path / "in", "--model", dark_model, *CHOSEN, "--output", tmp_path / "out")
    code, said = run(*ask)
    assert code == 0 and "is at 0.73 of full scale" in said  # 3000 / 4095


def test_a_photograph_for_a_model_of_linear_numbers_is_told(tmp_path, run, models, dark_model):
    save(tmp_path / "in/a.png", np.full((6, 8, 3), 9, np.uint8))
    for model, told in ((dark_model, True), (models["rgb"], False)):
        ask = (tmp_path / "in", "--force", "--model", model, *CHOSEN, "--output", tmp_path / "out")
        code, said = run(*ask)
        assert (code, "as sRGB photographs have" in said) == (0, told)


def test_a_wrong_model_is_told_before_outputs_that_exist(tmp_path, run: Run):
    save(tmp_path / "in/a.png", np.zeros((6, 8, 3), np.uint16))
    save(tmp_path / "out/a.png", np.zeros((6, 8, 3), np.uint16))
    ask = (tmp_path / "in", "--output", tmp_path / "out", "--model", tmp_path / "nothing")
    code, said = run(*ask)
    assert code == 3 and "nothing is not a folder" in said
