"""SIGTERM and Ctrl-C: finish the step, save, stop."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from train.engine.errors import Stopped


class StopSignals:
    """Turns SIGTERM and the first Ctrl-C into an exception at a moment when the run can save.

    Inside `held()` a signal only sets `requested`; elsewhere it raises at once: Stopped for
    SIGTERM, KeyboardInterrupt for Ctrl-C. A second Ctrl-C always raises.

    Attributes:
        requested: the signal that came, or None.
        calls: how often several processes have looked whether to stop.
    """

    def __init__(self) -> None:
        self.requested: int | None = None
        self.calls = 0
        self._held = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> "StopSignals":
        self.listen()
        return self

    def listen(self) -> None:
        """Takes the signals, again where a library has taken them in between."""
        for number in (signal.SIGTERM, signal.SIGINT):
            previous = signal.signal(number, self._handle)
            self._previous.setdefault(number, previous)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keeps signals waiting for the caller to look at `requested`."""
        self._held = True
        try:
            yield
        finally:
            self._held = False

    def stop(self, sentence: str) -> None:
        """Raises what the signal that came stands for.

        Args:
            sentence: what was saved, for the user.

        Raises:
            Stopped: SIGTERM came.
            KeyboardInterrupt: Ctrl-C came.
        """
        if self.requested == signal.SIGINT:
            raise KeyboardInterrupt(sentence)
        raise Stopped(sentence)

    def _handle(self, number: int, _: FrameType | None) -> None:
        again = self.requested == signal.SIGINT and number == signal.SIGINT
        if self.requested is None or number == signal.SIGINT:
            self.requested = number
        if not self._held or again:
            self.stop(
                "stopped by a signal; the same command goes on from the last checkpoint, if there "
                "is one."
            )
