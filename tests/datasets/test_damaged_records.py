"""Prepared records that are not as they were written are noticed, whatever has become of them."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from datasets.pipeline import NoiseData, open_dataset
from jaxnoise.errors import DataError


@pytest.fixture(scope="module")
def data(few_patches: None, records: Path) -> NoiseData:
    return open_dataset("camera_sim/exact", data_dir=records)


def same(one: dict[str, np.ndarray], two: dict[str, np.ndarray]) -> bool:
    return one.keys() == two.keys() and all(np.array_equal(one[key], two[key]) for key in one)


def _edit(path: Path, old: str, new: str) -> None:
    content = path.read_text()
    assert old in content
    path.write_text(content.replace(old, new, 1))


def _noise(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for place in range(0, len(content), 1000):
        content[place] ^= 0x55
    path.write_bytes(bytes(content))


def _other_split(train: Path) -> None:
    (test,) = train.parent.glob("*test.array_record*")
    train.write_bytes(test.read_bytes())


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


HARMS = {
    "a shard is cut": ("*train.array_record*", lambda p: os.truncate(p, p.stat().st_size // 2)),
    "a shard is lost": ("*train.array_record*", Path.unlink),
    "a shard is noise": ("*train.array_record*", _noise),
    "a shard is that of another split": ("*train.array_record*", _other_split),
    "a shard is a pipe": ("*train.array_record*", _pipe),
    "the facts are cut": ("facts.json", lambda p: p.write_text("{")),
    "the facts are lost": ("facts.json", Path.unlink),
    "the facts are a pipe": ("facts.json", _pipe),
    "a camera has another name": ("facts.json", lambda p: _edit(p, "camera", "camels")),
    "an ISO number is another": ("facts.json", lambda p: _edit(p, "1600", "1601")),
    "the splits are lost": ("dataset_info.json", Path.unlink),
    "the splits are cut": ("dataset_info.json", lambda p: p.write_text("{")),
    "the features are lost": ("features.json", Path.unlink),
    "the digests are lost": ("digests.json", Path.unlink),
    "the digests are cut": ("digests.json", lambda p: p.write_text("{")),
    "the digests are no table": ("digests.json", lambda p: p.write_text("[1]")),
    "the digests are a pipe": ("digests.json", _pipe),
}


@pytest.fixture
def copy(data: NoiseData, tmp_path: Path) -> Path:
    """A folder of prepared records, to be harmed."""
    shutil.copytree(data.folder, tmp_path / "records" / data.folder.name)
    return tmp_path / "records"


@pytest.mark.fast
@pytest.mark.parametrize("harm", HARMS)
def test_damaged_records_are_a_sentence(harm: str, copy: Path):
    pattern, do = HARMS[harm]
    (path,) = copy.rglob(pattern)
    do(path)
    for _ in range(2):
        with pytest.raises(DataError, match="delete that folder") as caught:
            open_dataset("camera_sim/exact", data_dir=copy)
        assert "\n" not in str(caught.value)


@pytest.mark.fast
def test_records_of_earlier_versions_are_opened(data: NoiseData, copy: Path):
    (digests,) = copy.rglob("digests.json")
    digests.unlink()
    (facts,) = copy.rglob("facts.json")
    _edit(facts, '"has_digests": true', '"has_digests": false')
    old = open_dataset("camera_sim/exact", data_dir=copy)
    batches = [found.batch("train", seed=0, step=0, batch_size=4) for found in (data, old)]
    assert same(*batches)
    (path,) = copy.rglob("dataset_info.json")
    path.unlink()
    with pytest.raises(DataError, match="delete that folder"):
        open_dataset("camera_sim/exact", data_dir=copy)


@pytest.mark.fast
def test_what_the_digest_of_a_large_file_leaves_out_has_checksums(tmp_path):
    from array_record.python.array_record_module import ArrayRecordReader

    from datasets.plain_files import PlainWriter
    from datasets.record_files import PART, digest

    generator, path = np.random.default_rng(0), tmp_path / "large"
    examples = [generator.bytes(50_000) for _ in range(64)]
    PlainWriter().write(path, enumerate(examples))
    content, before = path.read_bytes(), digest(path)
    assert len(content) > 3 * 2**20

    def read() -> list[bytes]:
        reader = ArrayRecordReader(str(path))
        try:
            return [reader.read([index])[0] for index in range(64)]
        finally:
            reader.close()

    assert read() == examples
    for place in generator.integers(PART, len(content) - PART, size=10):
        bit = 1 << int(generator.integers(8))
        path.write_bytes(content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :])
        assert digest(path) == before
        with pytest.raises(Exception, match="."):
            read()
    for place in (0, PART - 1, len(content) - 1):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert digest(path) != before
