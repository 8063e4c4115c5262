"""Commands end as their work does, whatever becomes of what they print."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.image_commands import NOISE, contents, flat, save

GREY = flat((6, 8), dtype="uint16")


@pytest.mark.parametrize("case", ["ascii", "closed pipe", "closed pipe for help"])
def test_any_output_will_do(case: str, tmp_path: Path):
    save(tmp_path / "a.png", GREY)
    (tmp_path / "b.png").write_bytes(b"rubbish")
    out = tmp_path / "gängig"
    inputs = [tmp_path / "a.png"] if case == "ascii" else [tmp_path / "a.png", tmp_path / "b.png"]
    arguments = ["sample", *inputs, "--output", out, *NOISE]
    arguments = ["sample", "--help"] if case.endswith("help") else arguments
    command = [sys.executable, "-m", "jaxnoise", *map(str, arguments)]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    reader, writer = os.pipe()
    if case == "ascii":
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert done.returncode == 0 and "g\\xe4ngig" in done.stdout
    else:
        os.close(reader)
        done = subprocess.run(command, stdout=writer, stderr=writer, env=environment)
        # A damaged image is told by the exit code all the same.
        assert done.returncode == (0 if case.endswith("help") else 3)
    if not case.endswith("help"):
        assert set(contents(out)) == {"a.png"}
    os.close(writer)
