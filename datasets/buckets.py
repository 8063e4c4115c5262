"""What TFDS does with splits too large to be sorted in memory, without TensorFlow.

It sorts the examples of a split in memory up to a gigabyte. Beyond, it writes them into files, the
buckets, by way of TensorFlow, which this project does without: ordinary files take their place.
"""

import contextlib
import os
from collections.abc import Iterator
from types import SimpleNamespace

BUCKETS = 100
"""Files that are open at once; most systems allow a process 1024 at first."""
KEYS = 2**128
"""Number of keys by which examples are told to buckets."""


class _Never(Exception):
    """Stands for an error that ordinary files do not raise."""


_FILES = SimpleNamespace(
    io=SimpleNamespace(
        gfile=SimpleNamespace(GFile=open, exists=os.path.exists, remove=os.remove),
    ),
    errors=SimpleNamespace(ResourceExhaustedError=_Never),
)


@contextlib.contextmanager
def ordinary_buckets() -> Iterator[None]:
    """Context in which TFDS sorts what does not fit into memory by way of ordinary files."""
    from tensorflow_datasets.core import shuffle

    usual = shuffle.tf, shuffle.BUCKETS_NUMBER
    shuffle.tf, shuffle.BUCKETS_NUMBER = _FILES, BUCKETS
    try:
        yield
    finally:
        shuffle.tf, shuffle.BUCKETS_NUMBER = usual


def key_in_order(number: int, count: int) -> int:
    """Key of an example of a split that keeps its order, so that buckets are equally full.

    Args:
        number: place of the example, from 0.
        count: number of examples of the split.
    """
    return number * (KEYS // count)
