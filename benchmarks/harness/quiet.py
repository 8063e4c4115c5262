"""Notices that other processes took the machine while something was timed."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Result = TypeVar("Result")

STAT = Path("/proc/stat")
MOST = 0.1
"""Cores that others may take, on average, before a time counts as disturbed."""
TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
"""Parts of a second in which Linux counts."""
COUNTED = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")


def busy_seconds(stat: str) -> float:
    """Seconds of all cores in which somebody worked, the host's other guests included.

    Args:
        stat: content of `/proc/stat`.

    Returns:
        Their sum since the machine started.
    """
    ticks = dict(zip(COUNTED, map(int, stat.split("\n", 1)[0].split()[1:]), strict=False))
    return sum(ticks[name] for name in COUNTED if name not in ("idle", "iowait")) / TICKS


class Others:
    """How many cores other processes take, from when it is made.

    Over less than half a second the answer is coarse, as Linux counts in hundredths.
    """

    def __init__(self):
        self._started = self._now()

    def cores(self) -> float | None:
        """Average number of cores since then; None where the system does not tell."""
        now = self._now()
        if now is None or self._started is None:
            return None
        wall, busy, own = (end - start for end, start in zip(now, self._started, strict=True))
        return round(max(0.0, busy - own) / max(wall, 1e-9), 3)

    def _now(self) -> tuple[float, float, float] | None:
        try:
            busy = busy_seconds(STAT.read_text())
        except OSError:
            return None
        return time.perf_counter(), busy, time.process_time()


def is_disturbed(cores: float | None) -> bool:
    """Whether so much work of others makes a time worthless.

    Args:
        cores: from `Others.cores`.

    Returns:
        False where it is unknown.
    """
    return cores is not None and cores > MOST


def repeated(
    turn: Callable[[], Result], others: Callable[[Result], float | None], tries: int
) -> Result:
    """The first turn during which the machine was quiet, or the quietest of several.

    Args:
        turn: measures something.
        others: cores that others took meanwhile, as the turn's result says.
        tries: how many turns there may be.

    Returns:
        The result of that turn.
    """
    results = []
    for _ in range(tries):
        results.append(turn())
        if not is_disturbed(others(results[-1])):
            return results[-1]
    return min(results, key=lambda result: others(result) or 0.0)
