"""Two runs never share a folder, and a killed one leaves no lock behind."""

import json
import os
import platform
import signal
import subprocess
import sys

import pytest

from jaxnoise.errors import UsageError
from train.engine import lock

pytestmark = pytest.mark.fast

HOLD = """
import sys, time
from pathlib import Path
from train.engine import lock
lock.acquire(Path(sys.argv[1]))
print("holds", flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def _release(monkeypatch):
    monkeypatch.setattr(lock, "PATIENCE", 0.05)
    yield
    lock.release()


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of `tmp_path`."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path],
        env={**os.environ, "PYTHONPATH": os.getcwd()},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "holds\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.mark.parametrize("ask", [lock.acquire, lock.refuse_if_held])
def test_a_held_folder_is_refused_naming_the_holder(tmp_path, holder, ask):
    with pytest.raises(UsageError) as caught:
        ask(tmp_path)
    said = str(caught.value)
    assert f"process {holder.pid} on {platform.node()}" in said
    assert str(tmp_path) in said and "\n" not in said and said.endswith(".")
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    lock.refuse_if_held(tmp_path)
    lock.acquire(tmp_path)
    assert json.loads((tmp_path / lock.FILE).read_text())["pid"] == os.getpid()


def test_the_holder_may_ask_again_and_leaves_nothing(tmp_path):
    for _ in range(2):
        lock.acquire(tmp_path)
        lock.refuse_if_held(tmp_path)
    lock.release()
    assert list(tmp_path.iterdir()) == []
    lock.release()
    lock.refuse_if_held(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_folders_are_locked_each_for_itself(tmp_path, holder):
    other = tmp_path / "other"
    other.mkdir()
    lock.acquire(other)
    lock.release(other)
    with pytest.raises(UsageError):
        lock.acquire(tmp_path)


def test_another_name_of_the_folder_is_the_same_folder(tmp_path, holder):
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(UsageError, match="in use"):
        lock.acquire(tmp_path / "link")


def test_a_folder_made_anew_is_locked_anew(tmp_path):
    lock.acquire(tmp_path)
    (tmp_path / lock.FILE).unlink()
    lock.acquire(tmp_path)
    assert (tmp_path / lock.FILE).exists()


def test_an_unreadable_holder_is_another_process(tmp_path, holder):
    (tmp_path / lock.FILE).write_text("{")
    with pytest.raises(UsageError, match="in use by another process"):
        lock.acquire(tmp_path)


@pytest.mark.parametrize("number", sorted(lock._NO_LOCKS))
def test_without_locks_it_goes_on_and_says_so(tmp_path, monkeypatch, capsys, number):
    import fcntl

    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    lock.acquire(tmp_path)
    assert "has no locks" in capsys.readouterr().err


def test_a_lock_on_a_file_that_was_removed_meanwhile_does_not_count(tmp_path, monkeypatch):
    import fcntl

    flock, opened = fcntl.flock, []

    def late(descriptor, operation):
        if not opened:
            (tmp_path / lock.FILE).unlink()  # the run before ends just now
        opened.append(descriptor)
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    lock.acquire(tmp_path)
    assert len(opened) == 2
    assert json.loads((tmp_path / lock.FILE).read_text())["pid"] == os.getpid()


RACE = """
import os, sys, time
from pathlib import Path
from jaxnoise.errors import UsageError
from train.engine import lock
lock.PATIENCE = 30
folder, turns = Path(sys.argv[1]), int(sys.argv[2])
for _ in range(turns):
    lock.acquire(folder)
    alone = os.open(folder / "alone", os.O_CREAT | os.O_EXCL)
    os.close(alone)
    os.unlink(folder / "alone")
    lock.release()
"""


def test_processes_that_come_and_go_are_alone_each_time(tmp_path):
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    command = [sys.executable, "-c", RACE, tmp_path, "40"]
    processes = [subprocess.Popen(command, env=environment) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "make",
    [
        lambda path, other: path.symlink_to(other),
        lambda path, other: os.link(other, path),
        lambda path, other: os.mkfifo(path),
        lambda path, other: path.symlink_to("/dev/zero"),
        lambda path, other: path.mkdir(),
    ],
)
def test_what_is_no_lock_is_refused_and_left_alone(tmp_path, make):
    place, other = tmp_path / "run", tmp_path / "thesis.txt"
    place.mkdir()
    other.write_text("precious")
    make(place / lock.FILE, other)
    for ask in (lock.refuse_if_held, lock.acquire):
        with pytest.raises(UsageError, match="is a link or no file") as caught:
            ask(place)
        assert "\n" not in str(caught.value)
    assert other.read_text() == "precious"


def test_a_lock_that_was_removed_is_made_again_and_said(tmp_path, capsys):
    lock.acquire(tmp_path)
    lock.look_again()
    assert capsys.readouterr().err == ""
    (tmp_path / lock.FILE).unlink()
    lock.look_again()
    assert "was removed" in capsys.readouterr().err
    assert json.loads((tmp_path / lock.FILE).read_text())["pid"] == os.getpid()


def test_a_folder_that_another_run_has_taken_meanwhile_is_given_up(tmp_path):
    lock.acquire(tmp_path)
    (tmp_path / lock.FILE).unlink()
    command = [sys.executable, "-c", HOLD, tmp_path]
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(UsageError, match=f"in use by process {other.pid}"):
            lock.look_again()
        other.kill()


@pytest.mark.parametrize("again", [False, True])
def test_a_folder_that_was_renamed_or_replaced_is_told(tmp_path, again):
    place = tmp_path / "run"
    place.mkdir()
    lock.acquire(place)
    place.rename(tmp_path / "moved")
    if again:
        place.mkdir()
    with pytest.raises(UsageError, match="was renamed, deleted or replaced"):
        lock.look_again()
    assert not again or list(place.iterdir()) == []
