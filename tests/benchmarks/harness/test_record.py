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


def test_a_processor_is_known_by_its_vector_instructions():
    described = (
        "processor\t: 0\ncpu family\t: 25\nmodel\t\t: 17\nmodel name\t: A B: C\nstepping\t: 1\n"
        "flags\t\t: fpu sse4_2 smep avx2 avx512f fma amx_tile\n\nprocessor\t: 1\nmodel\t: 18\n"
    )
    assert record.processor(described) == {
        **{"processor": "A B: C", "family": "25", "model": "17", "stepping": "1"},
        "features": ["amx_tile", "avx2", "avx512f", "fma", "sse4_2"],
    }
    arm = record.processor("processor\t: 0\nFeatures\t: fp asimd sve\nCPU part\t: 0xd0c\n")
    assert arm == {"part": "0xd0c", "features": ["asimd", "sve"]}


def test_caches_are_those_of_data(tmp_path):
    for index, (level, kind, size) in enumerate(
        [("1", "Data", "32K"), ("1", "Instruction", "48K"), ("2", "Unified", "1024K")]
    ):
        folder = tmp_path / f"index{index}"
        folder.mkdir()
        for name, value in (("level", level), ("type", kind), ("size", size)):
            (folder / name).write_text(f"{value}\n")
    assert record.caches(tmp_path) == {"L1": "32K", "L2": "1024K"}
    assert record.caches(tmp_path / "none") == {}
