"""What the project shows a user who gave it something that it cannot use."""


def is_sentence(error: Exception) -> bool:
    """Whether an error is one of those that a user is shown as one sentence.

    Args:
        error: what was raised.
    """
    from jaxnoise.errors import DataError, UsageError
    from train.engine.errors import NoCheckpoint

    text = str(error)
    known = isinstance(error, DataError | UsageError | NoCheckpoint)
    return known and "\n" not in text and text.endswith(".")
