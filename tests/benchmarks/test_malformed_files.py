"""Readers refuse malformed files in a sentence, and the benchmark notices one that does not."""

import json
import random
import subprocess
import sys

import pytest

from benchmarks import malformed_files
from benchmarks.harness.spoil import Sample, spoil

FORMATS = ("PNG", "TIFF", "NPZ", "model folder", "TensorFlow checkpoint", "PyTorch file")


def test_a_few_malformed_files_are_refused_or_harmless(tmp_path):
    command = ["--files", "180", "--output", str(tmp_path), "--formats", *FORMATS]
    # In a process without threads: the benchmark forks.
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.malformed_files", *command],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    table = json.loads((tmp_path / "malformed_files.json").read_text())["results"]["formats"]
    assert table.keys() == set(FORMATS)
    assert all(row["files"] == 30 and row["refused"] > 10 for row in table.values())
    assert [row.get("changed", 0) for name, row in table.items() if name != "TIFF"] == [0] * 5


def test_files_that_declare_much_cost_little(tmp_path):
    command = ["--bombs", "4", "--formats", "JPEG", "WebP", "--output", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.malformed_files", *command],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    table = json.loads((tmp_path / "declared_bombs.json").read_text())["results"]["formats"]
    assert {name: row["files"] for name, row in table.items()} == {"JPEG": 2, "WebP": 2}
    assert all(row["peak_memory_mib"] < 1024 for row in table.values())


MISBEHAVING = """
import json, os, sys, time
from pathlib import Path
import numpy as np
sys.path[0] = os.getcwd()  # the children change it
from benchmarks import malformed_files as benchmark
from benchmarks.harness.spoil import CANARY, Sample
from jaxnoise.errors import DataError

def refuse(sentence):
    raise DataError(sentence)

readers = {
    "crashes": lambda path: os.abort(),
    "hangs": lambda path: time.sleep(60),
    "executes": lambda path: os.mkdir(CANARY),
    "tells": lambda path: refuse("two\\nlines."),
    "breaks": lambda path: 1 / 0,
    "hoards": lambda path: np.ones(2**28, np.uint8).sum(),
    "nan": lambda path: np.float32([np.nan]),
    "refuses": lambda path: refuse("no."),
    "reads": lambda path: np.frombuffer(path.read_bytes(), np.uint8),
}
benchmark.READERS.update(readers)
benchmark.SECONDS, benchmark.MEMORY = 60.0, 2**28  # the machine may be busy
sample = Sample({"file": b"abc"}, "file")
for name in readers:
    benchmark.PATIENCE = 2.0 if name == "hangs" else 60.0
    result = benchmark.read_in_child(Path(sys.argv[1]), name, sample)
    print(name, benchmark.judge(result, None, checksums=name == "reads"), sep="=")
"""


def test_readers_that_misbehave_are_found(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", MISBEHAVING, tmp_path], capture_output=True, text=True, check=True
    )
    assert dict(line.split("=") for line in done.stdout.splitlines()) == {
        "crashes": "crashed",
        "hangs": "hung",
        "executes": "executed",
        "tells": "no sentence",
        "breaks": "no sentence",
        "hoards": "too much memory",
        "nan": "accepted without being finite",
        "refuses": "refused",
        "reads": "changed against its checksum",
    }


@pytest.mark.fast
def test_only_the_same_content_is_unchanged():
    result = {"outcome": "accepted", "finite": True, "digest": "a", "seconds": 0.1, "mib": 100}
    for digest, expected in (("a", "unchanged"), ("b", "changed")):
        original = {**result, "digest": digest}
        assert malformed_files.judge(result, original, checksums=False) == expected
    slow = {**result, "seconds": malformed_files.SECONDS + 0.1}
    assert malformed_files.judge(slow, result, checksums=False) == "too slow"


@pytest.mark.fast
def test_the_same_seed_spoils_the_same_way():
    sample = Sample({"one": bytes(range(200)), "two": b"content"})
    twice = [[spoil(sample, random.Random(seed)) for seed in range(50)] for _ in range(2)]
    assert twice[0] == twice[1]
    assert len({what for what, _ in twice[0]}) > 7
