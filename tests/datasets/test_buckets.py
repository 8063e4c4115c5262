"""Splits larger than the memory given to sorting come out as those that fit, without TensorFlow."""

from pathlib import Path

import numpy as np
import pytest

from datasets.buckets import KEYS, key_in_order
from datasets.pipeline import open_dataset


@pytest.mark.fast
@pytest.mark.parametrize("name", ["pairs", "images/noisy"])
def test_large_splits_are_sorted_by_way_of_files(name: str, pairs, tmp_path: Path, monkeypatch):
    from tensorflow_datasets.core import shuffle

    source = pairs.index()
    if name != "pairs":
        (source / "index.csv").unlink()
    small = open_dataset(name, source=source, data_dir=tmp_path / "a", patch_size=8)
    monkeypatch.setattr(shuffle, "MAX_MEM_BUFFER_SIZE", 1000)
    large = open_dataset(name, source=source, data_dir=tmp_path / "b", patch_size=8)
    assert large.folder != small.folder and large == small.__class__(
        **{**vars(small), "folder": large.folder}
    )
    for split in small.fields:
        for one, two in zip(
            small.batches(split, batch_size=5), large.batches(split, batch_size=5), strict=True
        ):
            assert one.keys() == two.keys()
            assert all(np.array_equal(one[key], two[key]) for key in one)
    assert not list(tmp_path.rglob("*bucket*"))


@pytest.mark.fast
@pytest.mark.parametrize("count", [1, 7, 100, 12345])
def test_keys_in_order_fill_all_buckets_alike(count: int):
    keys = [key_in_order(number, count) for number in range(count)]
    assert keys == sorted(set(keys)) and keys[0] == 0 and keys[-1] < KEYS
    _, filled = np.unique([key * 100 // KEYS for key in keys], return_counts=True)
    assert filled.max() - filled.min() <= 1
