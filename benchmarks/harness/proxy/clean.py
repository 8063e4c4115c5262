"""Clean photographs: which one trains, validates or tests, and one folder of them all."""

import csv
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datasets.images.decode import SUFFIXES, decode, with_channels
from jaxnoise.io.image_writer import write_image
from train.engine.files import replace_file

EVERY, TEST, VALIDATION = 8, 0, 3
"""Of so many photographs of a folder one is for the test, one for validation: these places."""
FULL_SCALE = 65535


@dataclass(frozen=True)
class Photograph:
    """A clean photograph.

    Attributes:
        path: its file.
        split: train, validation or test.
    """

    path: Path
    split: str

    @property
    def name(self) -> str:
        """Name that tells it from those of other folders; also that of its scene."""
        return f"{self.path.parent.name}_{self.path.stem}"


def split_of(place: int) -> str:
    """The split of a photograph.

    Args:
        place: in the sorted folder, from 0.
    """
    return {TEST: "test", VALIDATION: "validation"}.get(place % EVERY, "train")


def find_photographs(folders: Sequence[Path]) -> list[Photograph]:
    """The photographs of all folders, each folder split by itself.

    Args:
        folders: of images, whose names differ.

    Raises:
        SystemExit: a folder has too few images, or two images would have one name.
    """
    found = []
    for folder in folders:
        paths = [p for p in sorted(folder.glob("*")) if p.suffix.lower() in SUFFIXES]
        if len(paths) <= max(TEST, VALIDATION):
            raise SystemExit(
                f"{folder} has {len(paths)} image(s): give at least {1 + max(TEST, VALIDATION)}, "
                "so that every split has one."
            )
        found += [Photograph(path, split_of(place)) for place, path in enumerate(paths)]
    names = [photograph.name for photograph in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SystemExit(f"two photographs are called {twice[0]}: rename a file or its folder.")
    return found


def listed(photographs: Sequence[Photograph]) -> dict[str, list[str]]:
    """Names of the photographs by split, each with the start of its file's sha256.

    Args:
        photographs: as found.
    """
    splits: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
    for one in photographs:
        digest = hashlib.sha256(one.path.read_bytes()).hexdigest()
        splits[one.split].append(f"{one.name} {digest[:12]}")
    return splits


def read_photograph(path: Path) -> np.ndarray:
    """A photograph in colour.

    Args:
        path: PNG, TIFF, NPZ, JPEG or WebP, grey or in colour.

    Returns:
        Shape (H, W, 3), float32, fraction of full scale.
    """
    image = with_channels(decode(path.read_bytes(), path.name), 3, path.name)
    if image.dtype.kind == "f":
        return image
    return (image / np.float32(np.iinfo(image.dtype).max)).astype(np.float32)


def write_photograph(path: Path, image: np.ndarray) -> None:
    """Writes a photograph as a PNG file of 16 bits.

    Args:
        path: of the file.
        image: shape (H, W, 3), fraction of full scale; clipped to [0, 1].
    """
    numbers = np.rint(np.clip(image, 0.0, 1.0) * FULL_SCALE).astype(np.uint16)
    write_image(path, numbers, format="PNG")


def write_index(folder: Path, rows: Sequence[dict[str, str]]) -> None:
    """Writes the index.csv of a folder, which says that the folder is complete.

    Args:
        folder: that holds the files.
        rows: values by column, all of the same columns.
    """
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    replace_file(folder / "index.csv", text.getvalue())


def write_clean(folder: Path, photographs: Sequence[Photograph]) -> None:
    """One folder of all photographs for the data set `images`, unless it is there already.

    Args:
        folder: where it goes.
        photographs: as found.
    """
    if (folder / "index.csv").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    for one in photographs:
        write_photograph(folder / f"{one.name}.png", read_photograph(one.path))
    rows = [
        {"clean": f"{one.name}.png", "scene": one.name, "split": one.split} for one in photographs
    ]
    write_index(folder, rows)
