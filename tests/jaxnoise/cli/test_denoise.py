"""`jaxnoise denoise` gives the estimate of the library, in files of the kind that it was given."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from jaxnoise.io.images import read_image, read_stored
from jaxnoise.raw.mosaic import by_channel, mosaic_to_packed, packed_to_mosaic
from tests.sample_command import FULL, NOISE, SUFFIXES, Run, contents, flat, save

CAMERAS, ISOS = ("phone", "compact"), (100, 400)


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, Path]:
    """Model folders by name: denoisers of RGB and packed raw, both kinds of noise model, a flaw."""
    import jax
    import jax.numpy as jnp

    from jaxnoise.io import save_model
    from jaxnoise.models import denoiser, noise2noiseflow, noiseflow

    raw = denoiser.Config(features=4, depth=3)
    flow = noiseflow.Config(arch="S-Ax1-G-CAM", cameras=CAMERAS, isos=ISOS)
    made = {
        "rgb": ("denoiser", denoiser.Config(channels=3, features=4, depth=3)),
        "unet": ("denoiser", denoiser.Config("unet", channels=3, features=3)),
        "raw": ("denoiser", raw),
        "joint": ("noise2noiseflow", noise2noiseflow.Config(noise_model=flow, denoiser=raw)),
        "flow": ("noiseflow", flow),
    }
    modules = {"denoiser": denoiser, "noise2noiseflow": noise2noiseflow, "noiseflow": noiseflow}
    folder, folders = tmp_path_factory.mktemp("models"), {}
    for name, (kind, config) in made.items():
        variables = modules[kind].init(jax.random.key(1), config)
        # Fresh denoisers change their image too little to be seen in 8 bits.
        loud = jax.tree.map(lambda leaf: 2.0 * leaf + 0.1, variables)
        folders[name] = save_model(folder / name, kind, config, loud if "r" in name else variables)
    broken = jax.tree.map(lambda leaf: jnp.full_like(leaf, jnp.nan), variables := loud)
    del variables
    folders["broken"] = save_model(folder / "broken", kind, config, broken)
    return folders
