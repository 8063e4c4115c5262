"""Rows of metrics.jsonl are strict JSON and end where the checkpoint ends."""

import errno
import json
import os

import numpy as np
import pytest

from jaxnoise.errors import DataError
from train.engine.files import replace_file
from train.engine.metrics import Metrics, read_metrics
from train.engine.progress import Progress

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


class AlmostFull:
    """A file that takes a few bytes at a time, and none at all when its disk is full."""

    def __init__(self, file, room):
        self._file, self._room = file, room

    def write(self, content):
        if self._room == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = self._file.write(content[: min(5, self._room)])
        self._room -= written
        return written

    def __getattr__(self, name):
        return getattr(self._file, name)


def test_a_disk_that_fills_up_is_named_and_the_rest_of_a_row_is_cut(tmp_path):
    path = tmp_path / "metrics.jsonl"
    metrics = Metrics(path)
    metrics._file = AlmostFull(metrics._file, room=60)
    metrics.write(1, {"nll": 1}, {})
    with pytest.raises(OSError, match=str(path)) as caught:
        metrics.write(2, {"nll": 2}, {})
        metrics.write(3, {"nll": 3}, {})
    assert caught.value.errno == errno.ENOSPC
    metrics.close()
    assert path.stat().st_size == 60 and not path.read_bytes().endswith(b"\n")
    again = Metrics(path, step=1)
    again.write(2, {"nll": 20}, {})
    again.close()
    assert [(row["step"], row["nll"]) for row in read_metrics(path)] == [(1, 1), (2, 20)]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_file_that_cannot_be_replaced_stays(tmp_path, monkeypatch, call):
    def refuse(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "config.json"
    replace_file(path, "old")
    monkeypatch.setattr(os, call, refuse)
    with pytest.raises(OSError, match="config.json"):
        replace_file(path, "new")
    assert [(item.name, item.read_text()) for item in tmp_path.iterdir()] == [(path.name, "old")]


@pytest.mark.parametrize(
    "line", ['{"step": 2, "nll": 2', '{"stop": 2}', "7", '{"step": "2"}', "[" * 10**5, "\udcff"]
)
def test_a_damaged_row_costs_that_row_and_is_said(tmp_path, capsys, line):
    path = tmp_path / "metrics.jsonl"
    lines = ['{"step": 1}', line, '{"step": 3}', '{"step": 4}', '{"step": 5, "nl']
    path.write_text("\n".join(lines), encoding="utf-8", errors="surrogateescape")
    metrics = Metrics(path, step=3)
    metrics.close()
    assert read_metrics(path) == [{"step": 1}, {"step": 3}]
    assert capsys.readouterr().err == f"{path} is damaged: 1 line was left out.\n"
    Metrics(path, step=3).close()
    assert capsys.readouterr().err == ""


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
    assert "nll -1.5," in lines[0]


def test_hidden_progress_is_silent(capsys):
    progress = Progress("toy", steps=1, shown=False)
    progress.start(0)
    progress.update(1, {"nll": 0.0})
    progress.say("something")
    assert capsys.readouterr().err == ""


def test_what_is_no_file_is_not_read(tmp_path):
    for name, make in (("pipe", os.mkfifo), ("device", lambda path: path.symlink_to("/dev/zero"))):
        path = tmp_path / f"{name}.jsonl"
        make(path)
        for read in (read_metrics, Metrics):
            with pytest.raises(DataError, match="it is no regular file"):
                read(path)


def test_a_link_in_the_way_of_writing_is_not_followed(tmp_path):
    other = tmp_path / "thesis.txt"
    other.write_text("precious")
    (tmp_path / "metrics.tmp").symlink_to(other)
    Metrics(tmp_path / "metrics.jsonl").close()
    assert other.read_text() == "precious"
    assert not (tmp_path / "metrics.jsonl").is_symlink()


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: lines[1:],
        lambda lines: [lines[0], lines[2], lines[1]],
        lambda lines: [lines[0].replace("-1.5", "-1.6"), *lines[1:]],
        lambda lines: [lines[0].replace('"time"', '"tile"'), *lines[1:]],
        lambda lines: [*lines, lines[0]],
    ],
)
def test_changed_rows_are_not_those_of_the_digest(tmp_path, capsys, change):
    path = tmp_path / "metrics.jsonl"
    metrics = Metrics(path)
    for step in range(3):
        metrics.write(step, {"nll": step - 1.5}, {"seconds": step / 7})
    metrics.close()
    content = path.read_text()
    path.write_text(content.replace('"seconds": 0.28', '"seconds": 0.29'))
    again = Metrics(path, step=3, digest=metrics.digest)
    again.close()
    assert again.digest == metrics.digest
    assert capsys.readouterr().err == ""
    path.write_text("\n".join(change(content.splitlines())) + "\n")
    Metrics(path, step=3, digest=metrics.digest).close()
    assert "is not as it was when step 3 was saved" in capsys.readouterr().err
