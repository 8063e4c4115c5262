"""The command line of the proxy tables."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import cono_proxy

pytestmark = pytest.mark.fast


def test_folders_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("JAXNOISE_DATA", "/photographs")
    options = cono_proxy.parsed([])
    assert options.clean[0] == Path("/photographs/data/clean_mcmaster")
    assert [folder.name for folder in options.real] == list(cono_proxy.REAL)
    assert options.few == options.real[0]


def test_missing_folders_are_a_sentence(monkeypatch, capsys):
    monkeypatch.delenv("JAXNOISE_DATA", raising=False)
    with pytest.raises(SystemExit):
        cono_proxy.parsed(["--table", "1"])
    assert "give --clean and --real, or JAXNOISE_DATA" in capsys.readouterr().err


def test_help_does_not_wait_for_what_is_slow():
    code = (
        "import sys\nfrom benchmarks import cono_proxy\ntry:\n    cono_proxy.main(['--help'])\n"
        "except SystemExit:\n    pass\nassert 'jax' not in sys.modules"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert "--further-steps" in ran.stdout
