"""Ways in which a run can end that are not the user's request or data."""


class Diverged(RuntimeError):
    """Too many steps in a row gave a non-finite loss or gradient. Exit code 4."""


class NoCheckpoint(RuntimeError):
    """A run must be resumed, and none of its checkpoints is usable. Exit code 5."""


class Stopped(RuntimeError):
    """A signal asked the run to stop, and what it had learned is saved. Exit code 75."""
