"""Rows of metrics.jsonl are strict JSON and end where the checkpoint ends."""

import json

import numpy as np
import pytest

from train.writer import Metrics, Progress, read_metrics

pytestmark = pytest.mark.fast


def test_rows_are_strict_json(tmp_path):
    metrics = Metrics(tmp_path / "metrics.jsonl")
    values = {"nll": float("nan"), "parameters": {"beta": np.float32(0.5)}, "skipped": 2}
    metrics.write(1, values, {"seconds": 0.25})
    metrics.close()
    expected = {
        "step": 1,
        "nll": None,
        "parameters": {"beta": 0.5},
        "skipped": 2,
        "time": {"seconds": 0.25},
    }
    assert json.loads((tmp_path / "metrics.jsonl").read_text()) == expected


def test_rows_after_the_restored_step_are_cut(tmp_path):
    path = tmp_path / "metrics.jsonl"
    metrics = Metrics(path)
    for step in range(1, 6):
        metrics.write(step, {"nll": step}, {})
    metrics.close()
    with path.open("a") as file:
        file.write('{"step": 6, "nl')  # what kill -9 leaves behind
    again = Metrics(path, step=3)
    again.write(4, {"nll": 40}, {})
    again.close()
    assert [(row["step"], row["nll"]) for row in read_metrics(path)] == [
        (1, 1),
        (2, 2),
        (3, 3),
        (4, 40),
    ]


def test_no_path_writes_nothing(tmp_path):
    metrics = Metrics(None)
    metrics.write(1, {"nll": 1.0}, {})
    metrics.close()
    assert read_metrics(tmp_path / "metrics.jsonl") == []


def test_progress_off_a_terminal_is_a_line_at_the_end(capsys):
    progress = Progress("toy", steps=3)
    progress.start(0)
    for step in (1, 2, 3):
        progress.update(step, {"nll": -1.5})
    progress.close()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "step 3/3" in lines[0]
    assert "nll -1.5000" in lines[0]


def test_hidden_progress_is_silent(capsys):
    progress = Progress("toy", steps=1, shown=False)
    progress.start(0)
    progress.update(1, {"nll": 0.0})
    progress.say("something")
    assert capsys.readouterr().err == ""
