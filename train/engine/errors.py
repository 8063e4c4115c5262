"""Ways in which a run can end that are not the user's request or data."""


class Diverged(RuntimeError):
    """Training made the model worse than it was, or was not finite. Exit code 4."""


class NoCheckpoint(RuntimeError):
    """A run must be resumed, and none of its checkpoints is usable. Exit code 5."""


class Stopped(BaseException):
    """A signal asked the run to stop. Exit code 75.

    No Exception, like KeyboardInterrupt: whoever handles damaged files, and catches what readers
    raise, must not take a request to stop for damage.
    """
