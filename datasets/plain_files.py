"""ArrayRecord files as they are, for numbers that do not compress."""

import os
from collections.abc import Iterable
from typing import Any

from array_record.python.array_record_module import ArrayRecordWriter
from tensorflow_datasets.core.file_adapters import FileFormat
from tensorflow_datasets.core.writer import ExampleWriter


class PlainWriter(ExampleWriter):
    """Writer of TFDS for ArrayRecord without compression.

    Float noise gives up a tenth of its bytes to compression, which takes three times as long as
    the writing, and more again at every reading.
    """

    def __init__(self):
        """Writer of ArrayRecord files."""
        super().__init__(file_format=FileFormat.ARRAY_RECORD)

    def write(self, path: os.PathLike | str, examples: Iterable[tuple[Any, bytes]]) -> None:
        """Write serialised examples, with their keys, to a file."""
        writer = ArrayRecordWriter(os.fspath(path), "group_size:1,uncompressed")
        for _, example in examples:
            writer.write(example)
        writer.close()
