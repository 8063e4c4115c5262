"""Signals in any number end a run once, after saving, with the exit code of the first."""

import gc
import os
import signal
import subprocess
import sys
import time
import weakref

import pytest

from train.engine.errors import Stopped
from train.engine.signals import StopSignals

PROGRAM = """
import sys, time
from types import SimpleNamespace
from train.engine import program
from train.engine.options import Command, Options

def work(system, options, *, name, stop):
    with stop.held():
        print("at work", flush=True)
        while stop.requested is None:
            time.sleep(0.01)
        time.sleep(0.3)
        print("saved", flush=True)
    stop.stop("stopped at step 7 of 9, which is saved.")

modules = {
    "example.config": SimpleNamespace(COMMANDS={"": Command(options=Options, presets={"cpu": {}})}),
    "example.system": SimpleNamespace(SYSTEMS={"": None}),
    "train.engine.run": SimpleNamespace(run=work),
}
program.import_module = modules.__getitem__
sys.exit(program.main("example"))
"""


@pytest.fixture(autouse=True)
def all_are_heard():
    """Also by what tests start, and where whoever started them hears neither, as behind nohup."""
    usual = {signal.SIGHUP: signal.SIG_DFL, signal.SIGINT: signal.default_int_handler}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("number", "times", "code"),
    [
        pytest.param(signal.SIGINT, 10, 130, marks=pytest.mark.fast),
        (signal.SIGTERM, 40, 75),
        (signal.SIGHUP, 3, 75),
    ],
)
def test_many_signals_save_once(number, times, code):
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "PYTHONPATH": os.getcwd()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "at work\n"
    for _ in range(times):
        process.send_signal(number)
        time.sleep(0.01)
    while process.poll() is None:  # while it saves, says so and ends
        process.send_signal(number)
        time.sleep(0.01)
    out, said = process.communicate()
    assert (process.returncode, out) == (code, "saved\n")
    assert said == "jaxnoise: stopped at step 7 of 9, which is saved.\n"


@pytest.mark.parametrize(
    "number", [pytest.param(signal.SIGINT, marks=pytest.mark.fast), signal.SIGTERM]
)
def test_signals_that_begin_when_all_is_done_change_no_exit_code(number):
    program = """
import atexit, os, signal, sys, time
from types import SimpleNamespace
from train.engine import lock, program
from train.engine.options import Command, Options

number = int(sys.argv.pop())
# After the last word, when the program gives its lock back, and as slow libraries take their leave.
lock.release = lambda: os.kill(os.getpid(), number)
atexit.register(lambda: [os.kill(os.getpid(), number) for _ in range(3)])
modules = {
    "example.config": SimpleNamespace(COMMANDS={"": Command(options=Options, presets={"cpu": {}})}),
    "example.system": SimpleNamespace(SYSTEMS={"": None}),
    "train.engine.run": SimpleNamespace(run=lambda *_, **__: None),
}
program.import_module = modules.__getitem__
sys.exit(program.main("example"))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(int(number))],
        env={**os.environ, "PYTHONPATH": os.getcwd()},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


IN_A_TEXT = "import os; os.kill(os.getpid(), 2); [None for _ in range(10**6)]"
TRAINER_IN_A_TEXT = f"""
import sys
from types import SimpleNamespace
from train.engine import program
from train.engine.options import Command, Options

modules = {{
    "example.config": SimpleNamespace(
        COMMANDS={{"": Command(options=Options, presets={{"cpu": {{}}}})}}
    ),
    "example.system": SimpleNamespace(SYSTEMS={{"": None}}),
    "train.engine.run": SimpleNamespace(run=lambda *_, **__: exec({IN_A_TEXT!r})),
}}
program.import_module = modules.__getitem__
sys.exit(program.main("example"))
"""
COMMAND_IN_A_TEXT = f"""
import sys
from jaxnoise import cli

cli._commands = lambda: exec({IN_A_TEXT!r})
sys.exit(cli.main([]))
"""


@pytest.mark.fast
@pytest.mark.parametrize("program", [TRAINER_IN_A_TEXT, COMMAND_IN_A_TEXT])
def test_ctrl_c_in_a_text_that_is_executed_has_its_code(tmp_path, program):
    (tmp_path / "interrupted.py").write_text(program)
    done = subprocess.run(
        [sys.executable, "-m", "interrupted"],
        env={**os.environ, "PYTHONPATH": f"{os.getcwd()}{os.pathsep}{tmp_path}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 130  # and not -2, that of the signal
    assert done.stderr.count("\n") == 1


@pytest.mark.fast
def test_a_later_ctrl_c_is_meant(monkeypatch):
    with StopSignals() as stop, stop.held():
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.requested == signal.SIGTERM
        monkeypatch.setattr("train.engine.signals.IMPATIENT", 0)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.fast
def test_a_closed_terminal_is_heard_but_under_nohup():
    before = signal.getsignal(signal.SIGHUP)
    try:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        with StopSignals() as stop, stop.held():
            os.kill(os.getpid(), signal.SIGHUP)
            assert stop.requested is None
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
    with StopSignals() as stop, stop.held():
        os.kill(os.getpid(), signal.SIGHUP)
        assert stop.requested == signal.SIGHUP


@pytest.mark.fast
@pytest.mark.parametrize("place", ["callback", "del", "weak reference"])
def test_a_signal_where_exceptions_are_forgotten_is_not(place, capfd):
    class Last:
        def __del__(self):
            os.kill(os.getpid(), signal.SIGTERM)

    def collecting(phase, details):
        if phase == "stop":
            gc.callbacks.remove(collecting)
            os.kill(os.getpid(), signal.SIGTERM)

    reached = False
    with StopSignals() as stop, pytest.raises(Stopped):
        if place == "del":
            Last()
        elif place == "weak reference":
            thing = set()
            reference = weakref.ref(thing, lambda _: os.kill(os.getpid(), signal.SIGTERM))
            del thing
            assert reference() is None
        else:
            gc.callbacks.append(collecting)
            gc.collect()
        reached = True  # what was raised there is forgotten
        time.sleep(5)
    assert reached and stop.requested == signal.SIGTERM
    assert capfd.readouterr().err == ""
