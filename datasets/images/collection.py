"""The images of a folder: which files count, what each is, and the split it belongs to."""

import csv
import hashlib
import io
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from datasets.camera_sim import photographs
from datasets.images.decode import SUFFIXES, decode
from datasets.pairs.index import check_header, quoted, read_text
from datasets.registry import SPLITS
from datasets.source_files import AS_USUAL, Reading
from jaxnoise.errors import DataError

INDEX = "index.csv"
KINDS = ("clean", "noisy")
TEST_SHARE, VALIDATION_SHARE = 0.2, 0.15


@dataclass(frozen=True)
class Item:
    """One image, or a clean and a noisy one that belong together.

    Attributes:
        files: names below the folder by what they are, clean or noisy.
        scene: what the images show; "" where that is not stated.
        split: train, validation or test; "" until one is chosen.
    """

    files: tuple[tuple[str, str], ...]
    scene: str = ""
    split: str = ""

    @property
    def name(self) -> str:
        """Name of the first file."""
        return self.files[0][1]


@dataclass(frozen=True)
class Collection:
    """All images of a folder.

    Attributes:
        folder: the folder, resolved.
        items: in the order of their names or of the index.
        notes: sentences on files that were left out.
        built_in: whether they are the photographs that scikit-image carries.
        indexed: whether an index names them.
        reading: how their files are read.
    """

    folder: Path
    items: tuple[Item, ...]
    notes: tuple[str, ...] = ()
    built_in: bool = False
    indexed: bool = False
    reading: Reading = AS_USUAL

    @property
    def kinds(self) -> tuple[str, ...]:
        """What every item has: clean, noisy or both."""
        return tuple(kind for kind, _ in self.items[0].files)

    @property
    def paths(self) -> dict[str, Path]:
        """All files by name."""
        return {name: self.folder / name for item in self.items for _, name in item.files}

    def content(self, name: str) -> bytes:
        """Bytes of a file."""
        if self.indexed:
            return self.reading.read(self.folder, name)
        return self.reading.read_at(self.folder / name)

    def read(self, name: str) -> np.ndarray:
        """Image of a file, (H, W, C); see `decode`."""
        if self.built_in:
            return next(p for p in photographs.ALL if p.file == name).read()
        return decode(self.content(name), name, max_pixels=self.reading.max_pixels)


def built_in_images() -> Collection:
    """The colour photographs that scikit-image carries, which are clean."""
    folder = photographs.ALL[0].path.parent
    items = tuple(
        Item((("clean", photograph.file),), photograph.scene, split)
        for split, chosen in photographs.SPLITS.items()
        for photograph in chosen
    )
    return Collection(folder.resolve(), items, built_in=True)


def find_images(folder: Path, *, kind: str, reading: Reading = AS_USUAL) -> Collection:
    """Images of a folder and of all below it, or those that its index.csv names.

    Args:
        folder: the folder; its own folders train, validation and test are splits where train is
            one of them.
        kind: clean or noisy, what the images are where no index says it.
        reading: how their files are read.

    Raises:
        DataError: if there is no such folder, it holds no images or its index is wrong.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}: give a folder of images with --source.")
    folder = folder.resolve()
    if (folder / INDEX).exists():
        return Collection(folder, _read_index(folder, reading), indexed=True, reading=reading)
    names, notes = _walk(folder, reading)
    if not names:
        raise DataError(
            f"{folder} holds no images ({', '.join(SUFFIXES)}): give a folder of images with "
            "--source."
        )
    by_folder = any(name.startswith("train/") for name in names)
    items = []
    for name in names:
        split = name.partition("/")[0] if by_folder else ""
        if not by_folder or split in SPLITS:
            items.append(Item(((kind, name),), split=split))
    if outside := len(names) - len(items):
        notes.append(f"{outside} images left out: they are in none of the folders of the splits.")
    return Collection(folder, tuple(items), tuple(notes), reading=reading)


def _walk(folder: Path, reading: Reading) -> tuple[list[str], list[str]]:
    """Names of the images in and below a folder, and sentences on the other files."""
    names, skipped = [], Counter()
    outside = "links lead out of the folder (--follow-links reads them)"

    def leads_out(path: Path) -> bool:
        return not reading.follow_links and not path.resolve().is_relative_to(folder)

    seen = {folder.stat()[1:3]}
    for place, folders, files in os.walk(folder, followlinks=True):
        kept = []
        for name in sorted(folders):
            path = Path(place, name)
            if leads_out(path):
                skipped[outside] += 1
            elif not name.startswith((".", "__MACOSX")) and path.stat()[1:3] not in seen:
                seen.add(path.stat()[1:3])  # links may lead back to a folder above
                kept.append(name)
        folders[:] = kept
        for path in sorted(Path(place, name) for name in files):
            if path.name.startswith((".", "__MACOSX")):
                skipped["they are hidden"] += 1
            elif path.suffix.lower() not in SUFFIXES:
                skipped[f"{path.suffix.lower() or 'no suffix'} is no image"] += 1
            elif leads_out(path):
                skipped[outside] += 1
            elif not path.is_file():
                skipped["they are no files"] += 1
            else:
                names.append(path.relative_to(folder).as_posix())
    return sorted(names), [f"{n} files left out: {why}." for why, n in sorted(skipped.items())]


def _read_index(folder: Path, reading: Reading) -> tuple[Item, ...]:
    path = folder / INDEX
    text = read_text(path)
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""), skipinitialspace=True, strict=True)
        header = [name.strip() for name in reader.fieldnames or ()]
        rows = [{str(k).strip(): str(v or "").strip() for k, v in row.items()} for row in reader]
    except (ValueError, csv.Error) as error:
        raise DataError(f"{path} cannot be read ({error}): save it as CSV in UTF-8.") from error
    check_header(header, (), path)
    kinds = [kind for kind in KINDS if kind in header]
    if not kinds or not rows:
        raise DataError(
            f"{path} names no images: its first line holds {quoted(header)}, and it needs rows and "
            "a column clean, a column noisy or both, joined by commas."
        )
    items = []
    for line, row in enumerate(rows, 2):
        if blank := [kind for kind in kinds if not row[kind]]:
            raise DataError(f"line {line} of {path} leaves {blank[0]} blank: fill it in.")
        if "split" in header and row["split"] not in SPLITS:
            raise DataError(
                f"line {line} of {path} has the split '{row['split']}': use {', '.join(SPLITS)}."
            )
        if "scene" in header and not row["scene"]:
            raise DataError(f"line {line} of {path} leaves scene blank: fill it in.")
        files = tuple((kind, row[kind]) for kind in kinds)
        for _, name in files:
            reading.check_inside(name)
        items.append(Item(files, row.get("scene", ""), row.get("split", "")))
    scenes: dict[str, str] = {}
    for item in items:
        if item.scene and scenes.setdefault(item.scene, item.split) != item.split:
            raise DataError(f"{path} has the scene '{item.scene}' in two splits: give it one.")
    return tuple(items)


def assign_splits(
    collection: Collection,
) -> tuple[tuple[Item, ...], dict[str, str], tuple[str, ...]]:
    """Items with a split each, without copies; digests of all files by name; sentences.

    Items whose split is not stated get one by the content of their files, a whole scene together,
    so that names and order count for nothing.

    Raises:
        DataError: if a file cannot be read, or one is in two splits.
    """
    digests: dict[str, str] = {}
    kept: dict[str, Item] = {}
    copies = 0
    for item in collection.items:
        for _, name in item.files:
            digests[name] = hashlib.sha256(collection.content(name)).hexdigest()
        content = " ".join(digests[name] for _, name in item.files)
        copies += kept.setdefault(content, item) is not item
    _check_apart(collection.items, digests)
    notes = [f"{copies} images left out: they are copies of others."] if copies else []
    if not any(item.split for item in kept.values()):
        for split, share in (("test", TEST_SHARE), ("validation", VALIDATION_SHARE)):
            kept = _hold_out(kept, split, share)
        notes.append("Images were assigned to splits by a hash of their content.")
    elif not any(item.split == "validation" for item in kept.values()):
        kept = _hold_out(kept, "validation", VALIDATION_SHARE)
        notes.append("Images for validation were held out of training by a hash of their content.")
    items = [replace(item, split=item.split or "train") for item in kept.values()]
    if not any(item.split == "train" for item in items):
        raise DataError(f"{collection.folder} has no images for training: mark some as train.")
    _check_apart(items, digests)
    return tuple(items), digests, tuple(notes)


def _hold_out(items: dict[str, Item], split: str, share: float) -> dict[str, Item]:
    """Items of which about a share of the groups for training, in order of a hash, is moved.

    A group is a scene or, without one, all that have the first of their files in common; the last
    group stays.
    """
    groups: dict[str, list[str]] = {}
    for content, item in items.items():
        if item.split in ("", "train"):
            group = f"scene {item.scene}" if item.scene else content.partition(" ")[0]
            groups.setdefault(group, []).append(content)
    order = sorted(groups, key=lambda group: _hash(split, *sorted(groups[group])))
    moved = order[: min(max(1, round(share * len(order))), len(order) - 1)]
    chosen = {content for group in moved for content in groups[group]}
    return {
        content: replace(item, split=split) if content in chosen else item
        for content, item in items.items()
    }


def _check_apart(items: Sequence[Item], digests: dict[str, str]) -> None:
    """Refuse one image in two splits."""
    seen: dict[str, tuple[str, str]] = {}
    for item in items:
        for _, name in item.files:
            split, other = seen.setdefault(digests[name], (item.split, name))
            if split != item.split:
                raise DataError(
                    f"{other} and {name} are the same image in two splits: remove one or give both "
                    "one scene and one split."
                )


def _hash(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()
