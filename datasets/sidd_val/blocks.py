"""The files of SIDD's raw validation blocks, and what is known of their images."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datasets.pairs.index import UNKNOWN_CAMERA, UNKNOWN_ISO
from datasets.sidd_raw.layout import CAMERAS, PHASES, Layout, to_fractions, to_packed
from jaxnoise.errors import DataError
from jaxnoise.io.mat import MatReader

FILES = {"noisy": "ValidationNoisyBlocksRaw.mat", "clean": "ValidationGtBlocksRaw.mat"}
INDEX = "index.csv"
COLUMNS = ("image", "camera", "iso")
SHAPE = (40, 32, 256, 256)
"""Images, blocks of each, rows and columns of a block's mosaic."""
OTHER_ISOS = frozenset((1, 3, 5, 7, 10, 11, 13, 14, 15, 18, 19, 20, 23, 24, 25, 28, 31, 33, 35, 38))
"""Images, counted from 0, that Noise Flow's evaluation leaves out: of other ISOs than 100 to 3200
in the steps it knows."""
MAX_BYTES = 2 * 4 * 40 * 32 * 256 * 256  # in double precision
MAX_INDEX_BYTES = 2**20


@dataclass(frozen=True)
class Known:
    """Camera and ISO of one image, where the folder's index.csv states them."""

    camera: str = UNKNOWN_CAMERA
    iso: int = UNKNOWN_ISO


def read_index(folder: Path, images: tuple[int, ...]) -> dict[int, Known]:
    """What the folder's index.csv states of the images; without one, nothing is known of them.

    Args:
        folder: may hold index.csv with the columns image (0 to 39), camera and iso.
        images: those that it has to state.

    Raises:
        DataError: if the index is wrong or leaves out an image.
    """
    path = folder / INDEX
    if not path.exists():
        return dict.fromkeys(images, Known())
    try:
        if not path.is_file() or path.stat().st_size > MAX_INDEX_BYTES:
            raise DataError(f"{path} is no file or too large to be an index: correct or remove it.")
        reader = csv.DictReader(io.StringIO(path.read_text("utf-8-sig"), newline=""), strict=True)
        rows = [{name: (row.get(name) or "").strip() for name in COLUMNS} for row in reader]
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path} cannot be read ({error}): correct or remove it.") from error
    known: dict[int, Known] = {}
    for line, row in enumerate(rows, 2):
        numbers = [row[name] for name in ("image", "iso")]
        good = all(text.isascii() and text.isdigit() and len(text) < 9 for text in numbers)
        image = int(numbers[0]) if good else -1
        if not good or image >= SHAPE[0] or image in known or row["camera"] not in CAMERAS:
            raise DataError(
                f"line {line} of {path} does not give an image from 0 to {SHAPE[0] - 1}, once, "
                f"with a camera ({', '.join(CAMERAS)}) and an ISO: correct it."
            )
        known[image] = Known(row["camera"], int(numbers[1]))
    if absent := [str(image) for image in images if image not in known]:
        raise DataError(f"{path} says nothing of the images {', '.join(absent)}: add their lines.")
    return {image: known[image] for image in images}


def read_blocks(
    folder: Path, known: dict[int, Known]
) -> Iterator[tuple[int, np.ndarray, np.ndarray, int]]:
    """Number, clean and noisy blocks of each image and how many of their values were NaN.

    Blocks have shape (32, 128, 128, 4), float32 in [0, 1]. One image at a time is in memory here;
    each of the two files is in a child process.

    Args:
        folder: holds both files.
        known: the images to read.

    Raises:
        DataError: if a file is missing, damaged or holds anything else.
    """
    with MatReader(max_bytes=MAX_BYTES) as noisy, MatReader(max_bytes=MAX_BYTES) as clean:
        readers = {"noisy": noisy, "clean": clean}
        for image, facts in known.items():
            found, absent = {}, 0
            for kind, reader in readers.items():
                mosaics, count = _read_image(reader, folder / FILES[kind], image)
                absent += count
                layout = Layout(align=facts.camera != UNKNOWN_CAMERA)
                found[kind] = to_packed(mosaics, PHASES.get(facts.camera, "RGGB"), layout)
            yield image, found["clean"], found["noisy"], absent


def _read_image(reader: MatReader, path: Path, image: int) -> tuple[np.ndarray, int]:
    values = reader.read(path, path.stem, at=(image,))
    if values.shape != SHAPE[1:]:
        raise DataError(
            f"{path} holds images of shape {'x'.join(map(str, values.shape))} where "
            f"{'x'.join(map(str, SHAPE[1:]))} is expected: copy it again from SIDD."
        )
    return to_fractions(values, path)
