"""How much memory this process holds, and has held at most; Linux."""

from pathlib import Path

PROCESS = Path("/proc/self")


class Growth:
    """The bytes by which a process' peak exceeds what it held when this was made."""

    def __init__(self):
        self._before = None
        if (PROCESS / "clear_refs").exists():
            self._before = _status("VmRSS")
            (PROCESS / "clear_refs").write_text("5")  # forgets the peak so far

    def bytes(self) -> int | None:
        """How many; None where the system does not tell. Memory held already does not count."""
        return None if self._before is None else max(0, _status("VmHWM") - self._before)


def _status(name: str) -> int:
    """A line of the kernel's account of this process, in bytes."""
    lines = (PROCESS / "status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(f"{name}:"))
    return 1024 * int(line.split()[1])
