"""Interrupted at named points of its writing, a run ends as one that is left alone."""

import errno
import os
import signal
from pathlib import Path

import pytest

from benchmarks.harness import at_point
from benchmarks.harness.at_point import POINTS, Point, Watch
from tests.forked import Forked

TOY = Path(__file__).parents[2] / "train"
OPTIONS = ("--steps", "40", "--mean-steps", "0", "--accelerator", "cpu", "--pause", "0")


def run_toy(workdir, *interruption):
    program = ["benchmarks.harness.at_point", *interruption, "toy"] if interruption else ["toy"]
    module, *before = program
    said = workdir.with_name("said.txt")
    arguments = [*before, "fit", "--workdir", str(workdir), *OPTIONS]
    code = Forked(module, arguments, said=said, folder=TOY).wait()
    return code, said.read_text()


def all_files(workdir):
    """Names of all files; those of arrays are random."""
    found = (path.relative_to(workdir).as_posix() for path in workdir.rglob("*"))
    return sorted("array" if len(name) > 32 and "/d/" in name else name for name in found)


def test_a_run_that_meets_every_kind_of_interruption_is_the_straight_run(tmp_path):
    interrupted = tmp_path / "interrupted"
    assert run_toy(interrupted, "kill", "it takes its name")[0] == -signal.SIGKILL
    assert run_toy(interrupted, "kill", "the last old step is deleted")[0] == -signal.SIGKILL
    code, said = run_toy(interrupted, "full", "the model is written")
    assert code == 2
    assert said.splitlines()[-1].startswith("jaxnoise: the disk is full")
    assert "Traceback" not in said
    assert run_toy(interrupted, "kill", "the model takes its name")[0] == -signal.SIGKILL
    assert run_toy(interrupted)[0] == 0
    assert run_toy(tmp_path / "straight")[0] == 0
    assert all_files(interrupted) == all_files(tmp_path / "straight")
    for part in ("checkpoints/40/leaves/metadata", "model/model.safetensors", "model/config.json"):
        content = [(tmp_path / name / part).read_bytes() for name in ("interrupted", "straight")]
        assert content[0] == content[1]


def test_a_disk_that_is_full_during_a_save_leaves_the_steps_before(tmp_path):
    code, said = run_toy(tmp_path / "run", "full", "its hashes are written")
    assert code == 2
    assert said.count("jaxnoise:") == 1 and "Traceback" not in said
    assert "make room and give the same command again" in said.splitlines()[-1]
    checkpoints = tmp_path / "run/checkpoints"
    assert [path.name for path in checkpoints.iterdir() if path.name.isdigit()] == ["7"]
    assert run_toy(tmp_path / "run")[0] == 0
    assert sorted(path.name for path in checkpoints.iterdir()) == ["28", "35", "40"]


@pytest.mark.fast
def test_the_process_ends_at_the_right_occurrence(monkeypatch):
    killed = []
    monkeypatch.setattr(at_point.os, "kill", lambda *arguments: killed.append(arguments))
    watch = Watch(Point("os.rename", r"/a\b", 2), "kill")
    watch("os.rename", ("/b", "/c", -1, -1))
    watch("open", ("/a", "w", 0))
    watch("os.rename", ("/a", "/c", -1, -1))
    assert not killed
    monkeypatch.setattr(watch, "_refuse", lambda *_: None)  # the process would be gone
    watch("os.rename", ("/a", "/c", -1, -1))
    assert killed == [(os.getpid(), signal.SIGKILL)]


@pytest.mark.fast
def test_removals_are_counted_from_the_point_on(monkeypatch):
    killed = []
    monkeypatch.setattr(at_point.os, "kill", lambda *arguments: killed.append(arguments))
    watch = Watch(Point("shutil.rmtree", "/a", removals=2), "kill")
    monkeypatch.setattr(watch, "_refuse", lambda *_: None)
    watch("os.remove", ("/x", -1))
    watch("shutil.rmtree", ("/a", None))
    for expected in (0, 0, 1):
        watch("os.remove", ("x", 3))
        assert len(killed) == expected


@pytest.mark.fast
def test_a_full_disk_stays_full_below_the_point():
    watch = Watch(Point("open", "/run/metrics"), "full")
    watch("open", ("/run/config", "w", 0))
    with pytest.raises(OSError, match="metrics") as caught:
        watch("open", ("/run/metrics", "w", 0))
    assert caught.value.errno == errno.ENOSPC
    for event in (("open", ("/run/x/y", "ab", 0)), ("os.mkdir", ("/run/z", 511, -1))):
        with pytest.raises(OSError):
            watch(*event)
    watch("open", ("/run/config", "r", 0))
    watch("open", ("/elsewhere", "w", 0))
    watch("os.rename", ("/run/a", "/run/b", -1, -1))


@pytest.mark.fast
def test_every_point_has_a_pattern_of_its_own():
    assert len(set(POINTS.values())) == len(POINTS) >= 12
