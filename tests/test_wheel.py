"""The wheel holds the library and nothing else."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_wheel_holds_jaxnoise_only(tmp_path):
    # Built from a copy: setuptools leaves folders beside the sources.
    sources = tmp_path / "sources"
    sources.mkdir()
    for name in (
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "jaxnoise",
        "train",
        "datasets",
        "tests",
    ):
        subprocess.run(["cp", "-r", ROOT / name, sources / name], check=True)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", tmp_path, sources]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"jaxnoise"}
    assert "jaxnoise/py.typed" in names
    # Every file of the library is there, also those in folders that were added later.
    sources_in = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("jaxnoise/**/*.py")}
    assert sources_in <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
