"""The batch of the next step, made while the devices work on this one."""

import queue
import threading
from collections.abc import Callable
from typing import Any


class Ahead:
    """Makes one batch at a time in a thread that nobody waits for at the end.

    A signal that comes while a batch is made is heard at once: the thread is a daemon, and whoever
    waits does so in short turns.

    Args:
        make: from a step's number to its batch.
    """

    def __init__(self, make: Callable[[int], Any]):
        self._make = make
        self._asked: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._made: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, daemon=True, name="batches")
        self._thread.start()

    def ask(self, step: int) -> None:
        """Asks for the batch of a step."""
        self._asked.put(step)

    def take(self, given_up: Callable[[], bool]) -> Any:
        """Waits for the batch that was asked for first.

        Args:
            given_up: asked a few times a second; True ends the waiting.

        Returns:
            The batch, or None where the waiting was ended.
        """
        while True:
            try:
                batch, error = self._made.get(timeout=0.2)
            except queue.Empty:
                if given_up():
                    return None
                continue
            if error is not None:
                raise error
            return batch

    def close(self) -> None:
        """Lets the thread end after the batch at hand.

        A moment is enough for most batches, and the end of Python is not always kind to a thread
        that is at work.
        """
        self._asked.put(None)
        self._thread.join(timeout=1.0)

    def _work(self) -> None:
        while (step := self._asked.get()) is not None:
            try:
                self._made.put((self._make(step), None))
            except BaseException as error:  # raised where it is waited for
                self._made.put((None, error))
                return
