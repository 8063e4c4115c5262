"""Work of other processes is counted, and our own is not."""

import subprocess
import sys
import time

import pytest

from benchmarks.harness import quiet
from benchmarks.harness.quiet import Others, busy_seconds, is_disturbed, repeated

STAT = "cpu  {} 200 300 99999 5000 40 50 60 70 80\ncpu0 1 2 3 4 5 6 7 8 9 10\n"


@pytest.mark.fast
def test_waiting_is_no_work_and_guests_count_once(monkeypatch):
    monkeypatch.setattr(quiet, "TICKS", 100)
    assert busy_seconds(STAT.format(100)) == pytest.approx(7.5)


@pytest.mark.fast
def test_what_this_process_does_is_not_others(monkeypatch, tmp_path):
    monkeypatch.setattr(quiet, "STAT", tmp_path / "stat")
    monkeypatch.setattr(quiet, "TICKS", 100)
    quiet.STAT.write_text(STAT.format(100))
    clocks = {"wall": 10.0, "own": 3.0}
    monkeypatch.setattr(quiet.time, "perf_counter", lambda: clocks["wall"])
    monkeypatch.setattr(quiet.time, "process_time", lambda: clocks["own"])
    others = Others()
    quiet.STAT.write_text(STAT.format(400))
    clocks |= {"wall": 12.0, "own": 5.0}
    assert others.cores() == pytest.approx((3.0 - 2.0) / 2.0)


@pytest.mark.skipif(not quiet.STAT.exists(), reason="needs /proc/stat")
def test_a_busy_process_is_noticed():
    loop = [sys.executable, "-c", "while True: pass"]
    with subprocess.Popen(loop) as process:
        try:
            others = Others()
            time.sleep(2)
            found = others.cores()
        finally:
            process.kill()
    assert is_disturbed(found)


@pytest.mark.fast
def test_nothing_is_said_where_the_system_does_not_tell(monkeypatch, tmp_path):
    monkeypatch.setattr(quiet, "STAT", tmp_path / "none")
    assert Others().cores() is None and not is_disturbed(None)


@pytest.mark.fast
def test_the_first_quiet_turn_counts():
    turns = iter([0.4, 0.02, 0.0])
    assert repeated(lambda: next(turns), lambda cores: cores, 3) == 0.02
    assert next(turns) == 0.0
