"""`sample` and `denoise` hold a large image as it is stored, and only bands of it in floats."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.harness import resident
from jaxnoise.cli._denoise_images import Denoiser, denoised_image
from jaxnoise.cli._layouts import Layout
from jaxnoise.cli._sample_images import noisy_image
from jaxnoise.cli._sample_models import Wanted, open_noise
from jaxnoise.cli._sample_photographs import noisy_photograph
from jaxnoise.cli._sample_sources import ShotReadNoise, Source
from jaxnoise.io.noise_profile import NoiseProfile
from jaxnoise.models.cono import image as cono_image
from jaxnoise.models.noiseflow import image as noiseflow_image
from tests.image_commands import READ, SHOT

HEIGHT, WIDTH, ROWS = 8192, 256, 32
FLOATS = HEIGHT * WIDTH * 3 * 4
"""Bytes of the image in floats."""
LAYOUT = Layout(None, None, None)
PROFILE = NoiseProfile("mine", (100,), (tuple(SHOT),), (tuple(READ),))

pytestmark = pytest.mark.skipif(
    not (resident.PROCESS / "clear_refs").exists(), reason="needs /proc"
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    """Folders of small models for images of three or four channels, by name."""
    import jax

    from jaxnoise.io import save_model
    from jaxnoise.models import cono, denoiser, noiseflow

    folder = tmp_path_factory.mktemp("models")
    for name, module, config in (
        ("flow", noiseflow, noiseflow.Config(arch="S-K1", channels=3, cameras=("a",), isos=(1,))),
        ("level", cono, cono.Config(blocks=1, kernels=(1, 3, 1))),
        ("net", denoiser, denoiser.Config(channels=3, features=2, depth=2)),
    ):
        variables = module.init(jax.random.key(0), config)
        save_model(folder / name, module.__name__.split(".")[-1], config, variables)
    return {path.name: path for path in folder.iterdir()}


def noisy(source: Source, pixels: np.ndarray) -> np.ndarray:
    draw = lambda clean: source.bands("a", clean, lambda done: None)  # noqa: E731
    options = {"name": "a", "keep_noise": False}
    if source.photographs:
        return noisy_photograph(pixels, LAYOUT, draw, keep_clean=False, rows=ROWS, **options)[0]
    return noisy_image(pixels, LAYOUT, draw, **options)[0]


def of_model(folder: Path, profile: NoiseProfile | None = None):
    wanted = Wanted(None, None, None, profile, 1.0, seed=0, rows=ROWS)
    source = open_noise(folder, wanted, max_bytes=2**31)
    return lambda pixels: noisy(source, pixels)


def denoised(folder: Path):
    net = Denoiser(folder, rows=ROWS, cpu_devices=None, max_bytes=2**31)
    bands = lambda image: net.bands(image, lambda done: None)  # noqa: E731
    return lambda pixels: denoised_image(pixels, LAYOUT, bands, name="a")


CHANGES = {  # from folders of models to what is done to pixels as they are stored
    "two numbers": lambda folders: (
        lambda pixels: noisy(ShotReadNoise(shot=2e-4, read=1e-6, seed=0, rows=ROWS), pixels)
    ),
    "camera's model": lambda folders: of_model(folders["flow"]),
    "denoised": lambda folders: denoised(folders["net"]),
    "level's model by mosaic": lambda folders: of_model(folders["level"], PROFILE),
}


@pytest.mark.parametrize("name", CHANGES)
def test_no_copy_of_the_image_is_made_in_floats(name, folders, monkeypatch):
    # Of the latent, too, only a few rows of so small an image are drawn at a time.
    monkeypatch.setattr(noiseflow_image, "BAND_PIXELS", ROWS * WIDTH)
    monkeypatch.setattr(cono_image, "LATENT_VALUES", ROWS * WIDTH)
    change = CHANGES[name](folders)
    # Compiles all that is needed, and gives allocators what they keep whatever the height.
    change(np.full((HEIGHT // 4, WIDTH, 3), 12, np.uint8))
    pixels = np.full((HEIGHT, WIDTH, 3), 12, np.uint8)
    grown = resident.Growth()
    made = change(pixels)
    grown = grown.bytes()
    assert made is pixels and grown is not None
    # A mosaic as it is stored, twice, is a sixth of a copy, and one in floats would be a third.
    assert grown < 0.4 * FLOATS, f"{grown / FLOATS:.2f} copies"
