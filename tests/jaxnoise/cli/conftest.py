"""The command, run in this process."""

import json
from functools import partial
from pathlib import Path

import pytest

from jaxnoise.cli import main
from jaxnoise.io.noise_profile import FORMAT
from tests.image_commands import READ, SHOT, Run


@pytest.fixture
def command(capsys) -> Run:
    """Runs `jaxnoise`; gives its exit code and what it said."""

    def call(*arguments: object) -> tuple[int, str]:
        code = main([*map(str, arguments)])
        said = capsys.readouterr()
        return code, said.out + said.err

    return call


@pytest.fixture
def run(command) -> Run:
    """Runs `jaxnoise sample`; gives its exit code and what it said."""
    return partial(command, "sample")


@pytest.fixture(scope="session")
def level_models(tmp_path_factory) -> dict[str, Path]:
    """Folders of a model of levels, one for RGB, one of cameras and a denoiser."""
    import jax

    from jaxnoise.io import save_model
    from jaxnoise.models import cono, denoiser, noiseflow

    folder = tmp_path_factory.mktemp("models")
    for name, module, config in (
        ("level", cono, cono.Config()),
        ("rgb", cono, cono.Config(channels=3)),
        ("camera", noiseflow, noiseflow.Config(arch="S-G", cameras=("a",), isos=(100,))),
        ("denoiser", denoiser, denoiser.Config(features=2, depth=2)),
    ):
        variables = module.init(jax.random.key(1), config)
        save_model(folder / name, module.__name__.split(".")[-1], config, variables)
    return {path.name: path for path in folder.iterdir()}


@pytest.fixture
def camera(tmp_path: Path) -> Path:
    """A noise profile of two ISO numbers, of which the higher has sixteen times the
    variance."""
    rows = [
        {"iso": iso, "shot": [*(SHOT * factor)], "read": [*(READ * factor)]}
        for iso, factor in ((100, 1), (1600, 16))
    ]
    content = {"format": FORMAT, "version": 1, "name": "mine", "noise": rows}
    path = tmp_path / "camera.json"
    path.write_text(json.dumps(content))
    return path
