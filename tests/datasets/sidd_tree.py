"""A small SIDD-Medium Raw, written as the real one is stored, and bursts as of SIDD-Full Raw."""

import shutil
from pathlib import Path

import numpy as np

from tests.mat_files import tags, write_version_5, write_version_7_3

PATTERNS = {"IP": "RGGB", "GP": "BGGR", "S6": "GRBG", "N6": "BGGR", "G4": "BGGR"}
# What a pixel shows under its filter: a level for the colour and a slope down and across.
LEVELS = {"R": 0.10, "Gr": 0.25, "Gb": 0.40, "B": 0.55}
DOWN, ACROSS = 1e-3, 3e-3
# What every shot of a burst is brighter than the one before it, in place of noise.
BRIGHTER = 0.01


def colours(pattern: str, size: tuple[int, int]) -> np.ndarray:
    """Names of the filters of a mosaic: green is Gr in rows of red and Gb in rows of blue."""
    made = np.empty(size, object)
    for row in range(size[0]):
        for column in range(size[1]):
            letter = pattern[2 * (row % 2) + column % 2]
            neighbour = pattern[2 * (row % 2) + (column + 1) % 2]
            made[row, column] = letter if letter != "G" else f"G{neighbour.lower()}"
    return made


def mosaic(pattern: str, size: tuple[int, int]) -> np.ndarray:
    """Clean mosaic whose every pixel tells its colour, its row and its column."""
    levels = np.vectorize(LEVELS.get)(colours(pattern, size)).astype(float)
    rows, columns = np.indices(size)
    return (levels + DOWN * rows + ACROSS * columns).astype(np.float32)


class Tree:
    """The folder, to be filled and spoilt; images of 24x40 pixels."""

    size: tuple[int, int] = (24, 40)
    place = "{folder}"
    """Where the files of a kind lie: a path of {folder} and {kind}, such as 0004_NOISY_RAW."""

    def __init__(self, path: Path):
        self.root = path
        self.data = path / "Data"
        self.random = np.random.default_rng(5)

    def add(self, instance: int, camera: str = "S6", iso: int = 100, frames=("010", "011")) -> Path:
        """One scene instance; noise has a standard deviation of 0.02."""
        folder = self.data / f"{instance:04}_001_{camera}_{iso:05}_00060_3200_L"
        folder.mkdir(parents=True)
        for frame in frames:
            clean = mosaic(PATTERNS[camera], self.size)
            noisy = clean + self.random.normal(0, 0.02, self.size).astype(np.float32)
            self.write(folder, "GT", frame, clean)
            self.write(folder, "NOISY", frame, noisy)
            self.describe(folder, frame, t37398=[1, 0], t51041=[7e-4 * iso / 100, 0.0] * 3)
        return folder

    def add_burst(self, instance: int, camera: str, iso: int, *, shots, clean=()) -> Path:
        """One scene instance whose shots tell their number; some have a clean image."""
        folder = self.data / f"{instance:04}_001_{camera}_{iso:05}_00060_3200_L"
        folder.mkdir(parents=True)
        image = mosaic(PATTERNS[camera], self.size)
        for shot in shots:
            noisy = image + np.float32(BRIGHTER * shot)
            self.write(folder, "NOISY", f"{shot:03}", noisy)
            if shot in clean:
                self.write(folder, "GT", f"{shot:03}", image)
        self.describe(folder, f"{min(shots):03}", t51041=[7e-4 * iso / 100, 1e-5] * 3)
        return folder

    def path(self, folder: Path, kind: str, frame: str) -> Path:
        """File of a kind of a scene instance."""
        name = f"{folder.name[:4]}_{kind}_RAW"
        return Path(self.place.format(folder=folder, kind=name)) / f"{name}_{frame}.MAT"

    def write(self, folder: Path, kind: str, frame: str, image: np.ndarray):
        """An image file."""
        path = self.path(folder, kind, frame)
        path.parent.mkdir(exist_ok=True)
        write_version_7_3(path, x=image)

    def describe(self, folder: Path, frame: str, *, inside: bool = False, **values_by_id):
        """A metadata file with some tags, in the main image or in a part of it."""
        found = tags(**values_by_id)
        info = {"Make": "some", "UnknownTags": found}
        if inside:
            info = {"Make": "some", "SubIFDs": np.array([[info]], object)}
        path = self.path(folder, "METADATA", frame)
        path.parent.mkdir(exist_ok=True)
        write_version_5(path, metadata=info)

    def remove(self):
        """Nothing is left."""
        shutil.rmtree(self.root)


def usual(path: Path) -> Tree:
    """Five training instances of two cameras, two test instances, and two that are left out."""
    tree = Tree(path)
    for instance in (4, 11, 13):
        tree.add(instance, "S6", 100)
    for instance in (17, 18):
        tree.add(instance, "IP", 3200)
    tree.add(54, "S6", 100)
    tree.add(55, "IP", 3200)
    tree.add(1, "S6", 100)
    tree.add(20, "GP", 10000)
    return tree


def bursts(path: Path, *, place: str = "{folder}") -> Tree:
    """Bursts of 14 shots of the instances of `usual`; those of the test have clean images."""
    tree = Tree(path)
    tree.size, tree.place = (16, 24), place
    shots = range(1, 15)
    for instance in (4, 11, 13):
        tree.add_burst(instance, "S6", 100, shots=shots)
    for instance in (17, 18):
        tree.add_burst(instance, "IP", 3200, shots=shots)
    tree.add_burst(54, "S6", 100, shots=shots, clean=(10, 11))
    tree.add_burst(55, "IP", 3200, shots=shots, clean=(10, 11))
    tree.add_burst(1, "S6", 100, shots=(1, 2))
    tree.add_burst(20, "GP", 10000, shots=(1, 2))
    return tree
