"""Small datasets that the tests of the pipeline share."""

from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import Popen

import imagecodecs
import numpy as np
import pytest

from jaxnoise.io.mat import MatReader
from jaxnoise.io.parser_process import ParserProcess


@pytest.fixture(scope="module")
def few_patches() -> Iterator[None]:
    """Simulated cameras of few patches per setting: 100 for training, 25 and 50 to judge by."""
    from datasets.camera_sim import camera_sim_dataset_builder as builder

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(builder, "PATCHES_PER_SETTING", {"train": 4, "validation": 1, "test": 2})
        patch.setattr(builder, "FEWEST_PATCHES_PER_SETTING", 1)
        yield


@pytest.fixture(scope="session")
def records(shared_folder: Path) -> Path:
    """Folder of prepared records of few patches, for all processes that run tests."""
    return shared_folder / "records_of_few_patches"


@pytest.fixture(scope="session", autouse=True)
def few_children() -> Iterator[None]:
    """Readers of MAT files hand their child on to the next one, whose start is most of the time."""
    resting: list[tuple[object, Popen[bytes]]] = []
    start = ParserProcess._start

    def start_or_wake(reader: ParserProcess) -> Popen[bytes]:
        kind = (reader.parser, reader.memory)
        for entry in resting:
            if entry[0] == kind:
                resting.remove(entry)
                reader._process = entry[1]
                return entry[1]
        return start(reader)

    def rest(reader: MatReader) -> None:
        child, process = reader._child, reader._child._process
        if process is not None:
            child._process = None
            resting.append(((child.parser, child.memory), process))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ParserProcess, "_start", start_or_wake)
        patch.setattr(MatReader, "close", rest)
        yield
    for _, process in resting:
        with process:
            process.kill()


class PairsFolder:
    """A folder of image pairs to be filled, spoilt and indexed."""

    def __init__(self, path: Path):
        self.path = path
        self.random = np.random.default_rng(0)
        self.header = "noisy,clean,camera,iso,scene,split"
        self.rows: list[list[str]] = []

    def add(self, scene: str, *, camera: str = "one", iso: str = "100", split: str = "train"):
        """One pair of 20x17 8-bit images."""
        clean = self.random.integers(40, 200, (20, 17, 3), dtype=np.uint8)
        noisy = (clean + self.random.integers(-9, 10, clean.shape)).astype(np.uint8)
        number = len(self.rows)
        names = [f"{number}_{kind}.png" for kind in ("noisy", "clean")]
        for name, image in zip(names, (noisy, clean), strict=True):
            self.save(name, image)
        self.rows.append([*names, camera, iso, scene, split])
        return noisy, clean

    def add_second_shots(self, *, clean: tuple[str, ...] = ("train", "validation", "test")):
        """A second noisy image in every row; the rows of other splits lose their clean one."""
        self.header += ",noisy2"
        for row in self.rows:
            image = imagecodecs.png_decode((self.path / row[0]).read_bytes())
            row.append(row[0].replace("noisy", "noisy2"))
            self.save(row[6], image ^ self.random.integers(0, 8, image.shape, dtype=np.uint8))
            if row[5] not in clean:
                (self.path / row[1]).unlink()
                row[1] = ""

    def save(self, name: str, image: np.ndarray):
        """An image as PNG or, for float values, as NPZ."""
        path = self.path / name
        if name.endswith(".npz"):
            np.savez(path, image=image)
        else:
            path.write_bytes(imagecodecs.png_encode(np.ascontiguousarray(image)))

    def index(self) -> Path:
        """The folder, once index.csv is written."""
        width = len(self.header.split(","))
        lines = [self.header, *(",".join(row[:width]) for row in self.rows)]
        (self.path / "index.csv").write_text("\n".join(lines) + "\n")
        return self.path


@pytest.fixture
def pairs(tmp_path: Path) -> PairsFolder:
    """A good folder: four scenes for training, one each for validation and test."""
    path = tmp_path / "pairs"
    path.mkdir()
    folder = PairsFolder(path)
    for scene in "abcd":
        folder.add(scene)
    folder.add("v", split="validation")
    folder.add("t", split="test")
    return folder


@pytest.fixture
def open_pairs(tmp_path: Path) -> Callable:
    """Opener of a folder of pairs as patches of 8 pixels, with records of its own."""
    from datasets.pipeline import open_dataset

    def open_them(folder: PairsFolder, *, patch_size: int | None = 8):
        return open_dataset(
            "pairs",
            source=folder.index(),
            data_dir=tmp_path / "records",
            patch_size=patch_size,
        )

    return open_them
