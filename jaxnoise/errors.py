"""Errors whose message is one sentence for the user: what is wrong and what to do."""


class UsageError(ValueError):
    """A request that cannot be met as stated: an unknown option value, camera or architecture."""


class DataError(ValueError):
    """Data that are missing, damaged or contradict their description."""
