"""`sample` and `denoise` hold a large image as it is stored, and only bands of it in floats."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.harness import resident
from jaxnoise.cli._denoise_images import Denoiser, denoised_image
from jaxnoise.cli._layouts import Layout
from jaxnoise.cli._sample_images import noisy_image
from jaxnoise.cli._sample_sources import ModelNoise, ShotReadNoise

HEIGHT, WIDTH, ROWS = 6144, 1024, 32
FLOATS = HEIGHT * WIDTH * 3 * 4
"""Bytes of the image in floats."""
LAYOUT = Layout(None, None, None)

pytestmark = pytest.mark.skipif(
    not (resident.PROCESS / "clear_refs").exists(), reason="needs /proc"
)


@pytest.fixture(scope="module")
def changes(tmp_path_factory) -> dict:
    """What is done to pixels as they are stored, by name."""
    import jax

    from jaxnoise.io import save_model
    from jaxnoise.models import denoiser, noiseflow

    folder: Path = tmp_path_factory.mktemp("models")
    flow = noiseflow.Config(arch="S-Ax1-K1", channels=3, cameras=("only",), isos=(100,))
    net = denoiser.Config(channels=3, features=2, depth=2)
    save_model(folder / "flow", "noiseflow", flow, noiseflow.init(jax.random.key(0), flow))
    save_model(folder / "net", "denoiser", net, denoiser.init(jax.random.key(0), net))
    common = {"seed": 0, "rows": ROWS}
    flow = ModelNoise(
        folder / "flow", camera=None, iso=None, temperature=1.0, max_bytes=2**31, **common
    )
    counts = ShotReadNoise(shot=2e-4, read=1e-6, **common)
    net = Denoiser(folder / "net", rows=ROWS, cpu_devices=None, max_bytes=2**31)

    def noisy(source, pixels):
        draw = lambda clean: source.bands("a", clean, lambda done: None)  # noqa: E731
        return noisy_image(pixels, LAYOUT, draw, name="a", keep_noise=False)[0]

    def denoised(pixels):
        bands = lambda image: net.bands(image, lambda done: None)  # noqa: E731
        return denoised_image(pixels, LAYOUT, bands, name="a")

    return {
        "model": lambda pixels: noisy(flow, pixels),
        "two numbers": lambda pixels: noisy(counts, pixels),
        "denoised": denoised,
    }


@pytest.mark.parametrize("name", ["model", "two numbers", "denoised"])
def test_no_copy_of_the_image_is_made_in_floats(name, changes):
    change = changes[name]
    change(np.full((8 * ROWS, WIDTH, 3), 3000, np.uint16))  # compiles all that is needed
    pixels = np.full((HEIGHT, WIDTH, 3), 3000, np.uint16)
    grown = resident.Growth()
    made = change(pixels)
    grown = grown.bytes()
    assert made is pixels and grown is not None
    # Half of a copy would already be more than bands of so few rows take.
    assert grown < FLOATS / 2, f"{grown / FLOATS:.2f} copies"
