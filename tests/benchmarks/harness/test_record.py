"""A record keeps the numbers with what they depend on."""

import json
import sys

import numpy
import pytest

from benchmarks.harness import record

pytestmark = pytest.mark.fast


def test_a_record_says_how_it_was_made(tmp_path, monkeypatch):
    script = str(record.ROOT / "benchmarks" / "noiseflow_speed.py")
    monkeypatch.setattr(sys, "argv", [script, "--threads", "1"])
    path = record.write_record("speed", {"milliseconds": 2.5}, folder=tmp_path / "results")
    written = json.loads(path.read_text())
    assert written["command"] == "python3 in_venv.py -m benchmarks.noiseflow_speed --threads 1"
    assert written["results"] == {"milliseconds": 2.5}
    assert written["versions"]["numpy"] == numpy.__version__
    assert written["machine"]["processor"] and written["machine"]["cores"] >= 1


def test_a_copy_without_git_is_recorded_as_unknown(tmp_path, monkeypatch):
    monkeypatch.setattr(record, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert record.commit() == "unknown"
