"""A parser that crashes, hangs, grows, lies or goes silent costs one file and one sentence."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from jaxnoise.errors import DataError, UsageError
from jaxnoise.io import parser_process
from jaxnoise.io.parser_process import ParserProcess

WICKED = """
import ctypes, os, sys, time
import numpy as np
from jaxnoise.io import parser_child

def parse(path, *, do, max_bytes):
    if do == "crash":
        ctypes.string_at(0)
    if do == "leave":
        os._exit(3)
    if do == "be killed" or do == "be killed once" and not os.path.exists(path + ".killed"):
        open(path + ".killed", "w")
        os.kill(os.getpid(), 9)
    if do == "hang":
        while True:
            pass
    if do == "wait":
        time.sleep(1000)
    if do == "grow":
        return np.ones(2**28)
    if do == "raise":
        raise RuntimeError("what\\never")
    if do == "print":
        os.write(1, b"noise on standard output")
        print("more of it")
    if do == "too large":
        return np.zeros(max_bytes + 1, np.uint8)
    if do == "write":
        with open(path + ".new", "wb") as file:
            file.write(b"x")
    if do == "objects":
        return np.array([None])
    return {"a": np.arange(6, dtype=">f8").reshape(2, 3), "b": [[], "text"], "c": np.zeros((0, 2))}

parser_child.PARSERS["wicked"] = __name__
parser_child.serve("wicked", int(sys.argv[2])) if __name__ == "__main__" else None
"""


@pytest.fixture
def child(tmp_path, monkeypatch):
    """A process whose parser misbehaves on request."""
    (tmp_path / "wicked.py").write_text(WICKED)
    plain = parser_process.subprocess.Popen

    def start(command, **options):
        path = f"{tmp_path}{os.pathsep}{options['env']['PYTHONPATH']}"
        options["env"] = {**options["env"], "PYTHONPATH": path}
        assert command[3] == "jaxnoise.io.parser_child"
        return plain([*command[:3], "wicked", *command[4:]], **options)

    monkeypatch.setattr(parser_process.subprocess, "Popen", start)
    monkeypatch.setattr(parser_process, "PROCESSOR_SECONDS", 0.5)
    monkeypatch.setattr(parser_process, "CLOCK_SECONDS", 3.0)
    with ParserProcess("wicked", max_bytes=1000, memory=2**27) as made:
        yield made


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "some.file"
    path.write_bytes(b"content")
    return path


def check_good(child, file):
    read = child.parse(file, {"do": "well"})
    np.testing.assert_array_equal(read["a"], np.arange(6.0).reshape(2, 3))
    assert read["b"] == [[], "text"] and read["c"].shape == (0, 2)


@pytest.mark.parametrize(
    ("do", "words"),
    [
        ("crash", "ended its reader"),
        ("leave", "ended its reader .exit status 3"),
        ("hang", "takes more than"),
        ("wait", "takes too long"),
        ("grow", "128 MiB of memory"),
        ("raise", "cannot be decoded"),
        ("too large", "confused its reader"),
        ("objects", "confused its reader|ended its reader"),
        ("write", "cannot be decoded"),
    ],
)
def test_misbehaviour_is_a_sentence_and_the_next_file_is_read(do, words, child, file):
    check_good(child, file)
    start = time.monotonic()
    with pytest.raises(DataError, match=words) as caught:
        child.parse(file, {"do": do})
    assert time.monotonic() - start < 30
    assert str(file) in str(caught.value) and "\n" not in str(caught.value)
    assert not file.with_name("some.file.new").exists() or do == "write"
    if do == "write":
        assert file.with_name("some.file.new").stat().st_size == 0
    check_good(child, file)


def test_a_child_that_was_killed_from_outside_is_started_once_more(child, file):
    check_good(child, file)
    assert child._process is not None
    child._process.kill()
    check_good(child, file)
    assert child.parse(file, {"do": "be killed once"})["b"] == [[], "text"]
    with pytest.raises(UsageError, match="ended from outside twice .SIGKILL.") as caught:
        child.parse(file, {"do": "be killed"})
    assert str(file) in str(caught.value)
    check_good(child, file)


def test_what_libraries_print_does_no_harm(child, file):
    child.parse(file, {"do": "print"})
    check_good(child, file)


def test_an_interruption_ends_the_child(child, file, monkeypatch):
    check_good(child, file)
    process = child._process

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(parser_process.os, "readv", interrupt)
    with pytest.raises(KeyboardInterrupt):
        child.parse(file, {"do": "well"})
    assert process is not None and process.poll() == -signal.SIGKILL and child._process is None


def test_the_child_ends_with_its_parent(file, tmp_path):
    program = (
        "import sys, time; from pathlib import Path; from jaxnoise.io.mat import MatReader;"
        "reader = MatReader(); process = reader._child._start();"
        "print(process.pid, flush=True); time.sleep(100)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        os.kill(pid, 0)
        parent.kill()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        stat = Path(f"/proc/{pid}/stat")
        if not stat.exists() or ") Z " in stat.read_text():
            return
        time.sleep(0.05)
    pytest.fail("the child lives on")


def test_a_child_that_does_not_start_is_a_sentence(file):
    with (
        ParserProcess("no such parser", max_bytes=10, memory=2**27) as child,
        pytest.raises(UsageError, match="does not start"),
    ):
        child.parse(file, {})
