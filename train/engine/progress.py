"""How far a training is: a bar on a terminal, else a line now and then."""

import sys
import time
from collections.abc import Mapping
from contextlib import suppress

from train.engine.output import plain, say

SECONDS_BETWEEN_LINES = 20.0


class Progress:
    """One line that says how far the training is: a bar on a terminal, else a line now and then.

    Sentences may be said before `start`, which opens the bar.

    Args:
        title: what is being trained.
        steps: the last step.
        shown: False keeps silent (all processes but the first).
    """

    def __init__(self, title: str, *, steps: int, shown: bool = True):
        self._title, self._steps, self._first = plain(title), steps, 0
        self._start = self._last_line = time.monotonic()
        self._bar = None
        self._shown = shown

    def start(self, step: int) -> None:
        """Opens the bar and lets the time run from here.

        Args:
            step: the step from which the run goes on.
        """
        self._first = step
        self._start = self._last_line = time.monotonic()
        if self._shown and sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(
                total=self._steps,
                initial=step,
                desc=self._title,
                unit="step",
                dynamic_ncols=True,
                smoothing=0.1,
            )

    def update(self, step: int, values: Mapping[str, float]) -> None:
        """Shows a step.

        Args:
            step: the number of steps taken.
            values: what to show beside it, by name.
        """
        if self._bar is not None:
            with suppress(OSError):  # its terminal may have been closed
                self._bar.set_postfix({key: f"{value:.5g}" for key, value in values.items()}, False)
                self._bar.update(step - self._bar.n)
            return
        now = time.monotonic()
        if not self._shown or (
            now - self._last_line < SECONDS_BETWEEN_LINES and step < self._steps
        ):
            return
        self._last_line = now
        speed = (step - self._first) / max(now - self._start, 1e-9)
        left = (self._steps - step) / max(speed, 1e-9)
        shown = ", ".join(f"{key} {value:.5g}" for key, value in values.items())
        pace = f"{speed:.1f} steps/s, {left:.0f} s left"
        self.say(f"{self._title}: step {step}/{self._steps}, {shown}, {pace}")

    def say(self, sentence: str) -> None:
        """Shows a sentence without breaking the bar.

        Args:
            sentence: one line.
        """
        if not self._shown:
            return
        if self._bar is not None:
            with suppress(OSError):
                self._bar.write(plain(sentence), file=sys.stderr)
        else:
            say(sentence)

    def close(self) -> None:
        """Leaves the line as it is."""
        if self._bar is not None:
            with suppress(OSError):
                self._bar.close()
