"""The command line of RCL's tables."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import rcl_tables

pytestmark = pytest.mark.fast


def test_folders_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("JAXNOISE_DATA", "/photographs")
    options = rcl_tables.parsed(["--table", "5"])
    assert options.clean[0] == Path("/photographs/data/clean_mcmaster")
    assert rcl_tables.images_of(options)["source"] == Path("/photographs/data/srgb_polyu")


def test_missing_folders_are_a_sentence(monkeypatch, capsys):
    monkeypatch.delenv("JAXNOISE_DATA", raising=False)
    with pytest.raises(SystemExit):
        rcl_tables.parsed(["--table", "1"])
    assert "give --clean and --real, or JAXNOISE_DATA" in capsys.readouterr().err


def test_help_does_not_wait_for_what_is_slow():
    code = (
        "import sys\nfrom benchmarks import rcl_tables\ntry:\n    rcl_tables.main(['--help'])\n"
        "except SystemExit:\n    pass\nassert 'jax' not in sys.modules"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert "--pretraining-steps" in ran.stdout
