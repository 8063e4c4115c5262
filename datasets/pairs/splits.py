"""Pairs of images, and the split of each: by scene, and no file in two."""

import dataclasses
import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from jaxnoise.errors import DataError

SPLITS = ("train", "validation", "test")
VALIDATION_SHARE = 0.15
TEST_SHARE = 0.2


@dataclass(frozen=True)
class Pair:
    """One row of the index: files relative to the folder, and what is known of them.

    Attributes:
        noisy: the noisy image.
        clean: the clean image; "" where there is none.
        camera: name of the camera.
        iso: the ISO number.
        scene: what the images show.
        split: train, validation or test; "" where the index states none.
        noisy2: a second, independent shot of the same scene; "" where there is none.
    """

    noisy: str
    clean: str
    camera: str
    iso: int
    scene: str
    split: str
    noisy2: str = ""

    @property
    def setting(self) -> tuple[str, int]:
        """Camera and ISO."""
        return self.camera, self.iso

    @property
    def files(self) -> dict[str, str]:
        """Names of its files by what they are: noisy, clean, noisy2."""
        named = {"noisy": self.noisy, "clean": self.clean, "noisy2": self.noisy2}
        return {kind: name for kind, name in named.items() if name}


def assign_splits(pairs: list[Pair]) -> tuple[list[Pair], list[str]]:
    """Pairs with a split each, and sentences on how it was chosen.

    Args:
        pairs: pairs that all have a split, or none of which has one ("").

    Raises:
        DataError: if a scene or a file is in two splits, or too few scenes are left for training
            or test.
    """
    notes = []
    if pairs[0].split == "":
        pairs = [dataclasses.replace(pair, split="train") for pair in pairs]
        scenes = len({pair.scene for pair in pairs})
        if scenes < 3:
            raise DataError(
                f"index.csv has {scenes} scene(s), too few to split: name at least 3, or add a "
                "split column."
            )
        pairs = _hold_out(pairs, "test", lambda pair: pair.scene, TEST_SHARE, strict=False)
        notes.append("The index has no split column: about 20 % of the scenes are the test split.")
    _check_scenes(pairs)
    if not any(pair.split == "validation" for pair in pairs):
        pairs, note = _hold_out_validation(pairs)
        notes.append(note)
    _check_files(pairs)
    for split in SPLITS:
        if not any(pair.split == split for pair in pairs):
            raise DataError(
                f"index.csv leaves no images for the split {split}: mark some in the split column."
            )
    trained = {pair.setting for pair in pairs if pair.split == "train"}
    unseen = sorted({pair.setting for pair in pairs if pair.split == "test"} - trained)
    if unseen:
        notes.append(
            "Not in the training split but in the test split: "
            + ", ".join(f"{camera} at ISO {iso}" for camera, iso in unseen)
            + "."
        )
    return pairs, notes


def _check_scenes(pairs: list[Pair]) -> None:
    splits = defaultdict(set)
    for pair in pairs:
        splits[pair.scene].add(pair.split)
    for scene, found in splits.items():
        if len(found) > 1:
            raise DataError(
                f"index.csv has the scene '{scene}' in {' and '.join(sorted(found))}: give each "
                "scene one split."
            )
    for split in ("train", "test"):
        if not any(pair.split == split for pair in pairs):
            raise DataError(
                f"index.csv leaves no images for the split {split}: mark some in the split column."
            )


def _check_files(pairs: list[Pair]) -> None:
    """Refuse a file, noisy or clean, of two splits; within one, rows may share images."""
    splits = defaultdict(set)
    for pair in pairs:
        for file in pair.files.values():
            splits[file].add(pair.split)
    for file, found in splits.items():
        if len(found) > 1:
            raise DataError(
                f"index.csv has the file {file} in {' and '.join(sorted(found))}: give all rows "
                "with it one scene and one split."
            )


def _hold_out_validation(pairs: list[Pair]) -> tuple[list[Pair], str]:
    """Whole scenes, or whole images or bursts where training would lose a camera and ISO with
    every scene.
    """
    burst = _bursts(pairs)
    images = "bursts" if any(pair.noisy2 for pair in pairs) else "images"
    for unit, of in (
        ("scenes", lambda pair: pair.scene),
        (images, lambda pair: burst[_tied(pair)[0]]),
    ):
        held = _hold_out(pairs, "validation", of, VALIDATION_SHARE, strict=True)
        count = len({of(pair) for pair in held if pair.split == "validation"})
        if count:
            return (
                held,
                f"Validation: {count} of the training {unit}, held out by a hash of their names.",
            )
    held = _hold_out(pairs, "validation", lambda pair: pair.scene, VALIDATION_SHARE, strict=False)
    if not any(pair.split == "train" for pair in held):
        raise DataError(
            "index.csv has one scene for training, too few to validate on another: add scenes."
        )
    return (
        held,
        "Validation: training scenes, held out although training has no other of their camera "
        "and ISO.",
    )


def _bursts(pairs: list[Pair]) -> dict[str, str]:
    """Names of the bursts by their files: rows that share a file of `_tied` are one burst."""
    parent: dict[str, str] = {}

    def first(file: str) -> str:
        while parent.setdefault(file, file) != file:
            parent[file] = parent[parent[file]]
            file = parent[file]
        return file

    for pair in pairs:
        for file in _tied(pair):
            # The lower name stands for both, so that the order of rows does not matter.
            one, other = sorted((first(_tied(pair)[0]), first(file)))
            parent[other] = one
    return {file: first(file) for file in list(parent)}


def _tied(pair: Pair) -> tuple[str, ...]:
    """Files that keep rows together: the clean image alone, or all images of a pair of shots."""
    return tuple(pair.files.values()) if pair.noisy2 else (pair.clean,)


def _hold_out(
    pairs: list[Pair], split: str, of: Callable[[Pair], str], share: float, *, strict: bool
) -> list[Pair]:
    """Pairs with about a share of the training groups, in order of a hash, moved to another split.

    Groups whose cameras and ISOs training keeps go first; the others follow unless `strict`.
    """
    groups: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        if pair.split == "train":
            groups[of(pair)].append(pair)
    order = sorted(groups, key=lambda name: hashlib.sha256(f"{split}\0{name}".encode()).digest())
    wanted = max(1, round(share * len(groups)))
    settings = {name: {pair.setting for pair in rows} for name, rows in groups.items()}
    kept = Counter(setting for found in settings.values() for setting in found)
    moved: set[str] = set()
    for covered in (True,) if strict else (True, False):
        for name in order:
            if len(moved) == wanted or name in moved:
                continue
            if not covered or all(kept[setting] > 1 for setting in settings[name]):
                moved.add(name)
                kept.subtract(settings[name])
    return [
        dataclasses.replace(pair, split=split)
        if pair.split == "train" and of(pair) in moved
        else pair
        for pair in pairs
    ]
