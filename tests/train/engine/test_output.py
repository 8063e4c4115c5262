"""A terminal is shown text that it can print, and is not missed when it is gone."""

import errno
import os
import subprocess
import sys

import pytest

from train.engine.output import plain

pytestmark = pytest.mark.fast

PROGRAM = """
import sys
from types import SimpleNamespace
from train.engine import program
from train.engine.options import Command, Options
from train.engine.output import say

def work(*_, **__):
    say("step 1")
    say("nll \\N{MINUS SIGN}1.5 \\u00d7 \\u4e2d", to_error=False)
    say("camera \\x1b[31mred\\x9b\\udcff")
    say("more " * 20000, to_error=False)

modules = {
    "example.config": SimpleNamespace(COMMANDS={"": Command(options=Options, presets={"cpu": {}})}),
    "example.system": SimpleNamespace(SYSTEMS={"": None}),
    "train.engine.run": SimpleNamespace(run=work),
}
program.import_module = modules.__getitem__
sys.exit(program.main("example", sys.argv[1:]))
"""


def run(**settings):
    environment = {**os.environ, "PYTHONPATH": os.getcwd(), "PYTHONIOENCODING": "ascii"}
    return subprocess.Popen([sys.executable, "-c", PROGRAM], env=environment, **settings)


def test_an_encoding_without_the_minus_sign_gets_a_hyphen():
    process = run(stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, said = process.communicate()
    assert process.returncode == 0
    assert out.startswith(b"nll -1.5 x \\u4e2d\nmore ")
    assert said == b"step 1\ncamera \\x1b[31mred\\x9b\\udcff\n"


def test_a_closed_pipe_does_not_end_the_work():
    reader, writer = os.pipe()
    os.close(reader)
    try:
        assert run(stdout=writer, stderr=writer).wait() == 0
    finally:
        os.close(writer)


def test_text_is_what_it_was_and_orders_are_spelt():
    text = "σ² = −1.5 ± 0.1\tnm\nÅngström 中文\N{NO-BREAK SPACE}é"
    assert plain(text) == text
    assert (
        plain("a\rb\x1b]0;title\x07\u202egnp\udce9") == "a\\rb\\x1b]0;title\\x07\\u202egnp\\udce9"
    )


def test_a_terminal_that_was_closed_is_not_missed(monkeypatch, capsys):
    from train.engine import output
    from train.engine.progress import Progress

    def refuse(*_, **__):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(output, "print", refuse, raising=False)
    given_up = []
    monkeypatch.setattr(output, "give_up", given_up.append)
    Progress("toy", steps=1).say("something")
    assert given_up == [sys.stderr]
