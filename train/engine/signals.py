"""SIGTERM, SIGHUP and Ctrl-C: finish the step, save, stop."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from train.engine.errors import Stopped

BETWEEN = "stopped by a signal; the same command goes on from the last checkpoint, if there is one."
"""What a user is told of a stop outside of the training."""

IMPATIENT = 2.0
"""Seconds after which another Ctrl-C means that the user does not want to wait for the saving. One
that comes before is taken for a key that was held down, or a signal sent to a group as well.
"""

MOMENT = 0.02
"""Seconds until a signal is sent again that came where what is raised is forgotten."""


class StopSignals:
    """Turns SIGTERM, SIGHUP and Ctrl-C into an exception at a moment when the run can save.

    Inside `held()` a signal only sets `requested`; elsewhere it raises at once: Stopped for SIGTERM
    and SIGHUP, KeyboardInterrupt for Ctrl-C. After the first signal others are not heard, so that
    none interrupts the saving or the ending, save one more Ctrl-C after `IMPATIENT` seconds.

    Attributes:
        requested: the signal that came, or None.
        calls: how often several processes have looked whether to stop.
    """

    def __init__(self) -> None:
        self.requested: int | None = None
        self.calls = 0
        self._held = self._ended = self._put_off = False
        self._since = 0.0
        self._previous: dict[int, Any] = {}
        self._hook: Any = None
        self._again: threading.Timer | None = None

    def __enter__(self) -> "StopSignals":
        self.listen()
        return self

    def listen(self) -> None:
        """Takes the signals, again where a library has taken them in between."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue  # the run was begun by nohup, to go on when its terminal is closed
            previous = signal.signal(number, self._handle)
            self._previous.setdefault(number, previous)
        if self._hook is None:
            self._hook, sys.unraisablehook = sys.unraisablehook, self._forgotten

    def __exit__(self, *_: object) -> None:
        self.restore()

    def restore(self) -> None:
        """Gives the signals back to who had them before."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._forget_all()

    def ignore(self) -> None:
        """Lets the process end undisturbed once it has been asked to."""
        for number in self._previous:
            signal.signal(number, signal.SIG_IGN)
        self._forget_all()

    def _forget_all(self) -> None:
        self._previous.clear()
        if self._again is not None:
            self._again.cancel()
        if self._hook is not None:
            sys.unraisablehook, self._hook = self._hook, None

    def hold(self) -> None:
        """Hears no signal from here on: the program has nothing left to interrupt."""
        self._ended = True

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keeps signals waiting for the caller to look at `requested`."""
        before, self._held = self._held, True
        try:
            yield
        finally:
            self._held = before

    @contextmanager
    def after(self, sentence: str) -> Iterator[None]:
        """Keeps signals waiting for the end of what must not be interrupted, and raises then.

        Args:
            sentence: for the user.
        """
        with self.held():
            yield
        if self.requested is not None and not self._held:
            self.stop(sentence)

    def stop(self, sentence: str) -> None:
        """Raises what the signal that came stands for.

        Args:
            sentence: what was saved, for the user.

        Raises:
            Stopped: SIGTERM or SIGHUP came.
            KeyboardInterrupt: Ctrl-C came.
        """
        if self.requested == signal.SIGINT:
            raise KeyboardInterrupt(sentence)
        raise Stopped(sentence)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._ended:
            # Nothing is left to interrupt, but more may follow while the process takes its leave.
            self.requested = self.requested or number
            return
        if self.requested is None or self._put_off:
            self._put_off = False
            if self.requested is None:
                self.requested, self._since = number, now
            if self._held:
                return
            self.stop(BETWEEN)
        elif number == signal.SIGINT and now - self._since > IMPATIENT:
            self.requested, self._since = number, now
            self.stop(BETWEEN)

    def _forgotten(self, what: Any) -> None:
        """Sends a signal again whose exception Python would print and forget.

        That is so where it comes in the collection of garbage, in `__del__`, or in what a library
        written in C or a weak reference calls.
        """
        if what.exc_type not in (Stopped, KeyboardInterrupt):
            (self._hook or sys.__unraisablehook__)(what)
        elif self.requested is not None and not self._ended:
            self._put_off = True
            self._again = threading.Timer(MOMENT, os.kill, (os.getpid(), self.requested))
            self._again.daemon = True
            self._again.start()
