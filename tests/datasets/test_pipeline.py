"""Batches are functions of (seed, step); records are complete, private and noticed when damaged."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from datasets import records as records_module
from datasets.pipeline import SPLITS, NoiseData, open_dataset
from jaxnoise.errors import DataError, UsageError


@pytest.fixture(scope="module")
def data(few_patches: None, records: Path) -> NoiseData:
    return open_dataset("camera_sim/exact", data_dir=records)


def same(one: dict[str, np.ndarray], two: dict[str, np.ndarray]) -> bool:
    return one.keys() == two.keys() and all(np.array_equal(one[key], two[key]) for key in one)


@pytest.mark.fast
def test_a_training_batch_depends_on_seed_and_step_alone(data: NoiseData, records: Path):
    other = open_dataset("camera_sim/exact", data_dir=records)
    late = data.batch("train", seed=3, step=41, batch_size=8)
    for step in (0, 40, 41, 7):
        data.batch("train", seed=3, step=step, batch_size=8)
        data.batch("train", seed=4, step=step, batch_size=8)
    list(data.batches("train", batch_size=16))
    assert same(late, data.batch("train", seed=3, step=41, batch_size=8))
    assert same(late, other.batch("train", seed=3, step=41, batch_size=8))
    assert not same(late, data.batch("train", seed=3, step=42, batch_size=8))
    assert not same(late, data.batch("train", seed=4, step=41, batch_size=8))


@pytest.mark.fast
def test_each_pass_holds_every_patch_once_in_an_order_of_its_own(data: NoiseData):
    def truths(first: int) -> list[float]:
        steps = range(first, first + 5)
        batches = [data.batch("train", seed=0, step=s, batch_size=20) for s in steps]
        return np.concatenate([batch["truth"] for batch in batches]).tolist()

    (whole,) = data.batches("train", batch_size=100)
    first, second = truths(0), truths(5)
    assert sorted(first) == sorted(second) == sorted(whole["truth"].tolist())
    assert first != second


@pytest.mark.fast
def test_batches_run_over_the_end_of_a_pass(data: NoiseData):
    batch = data.batch("validation", seed=0, step=2, batch_size=10)
    assert len(batch["truth"]) == 10
    assert data.batch("validation", seed=0, step=0, batch_size=60)["clean"].shape[0] == 60


@pytest.mark.fast
@pytest.mark.parametrize(("batch_size", "limit"), [(7, None), (50, None), (64, None), (8, 20)])
def test_evaluation_pads_with_a_mask(data: NoiseData, batch_size: int, limit: int | None):
    (whole,) = data.batches("test", batch_size=50)
    batches = list(data.batches("test", batch_size=batch_size, limit=limit))
    assert all(len(batch[key]) == batch_size for batch in batches for key in batch)
    assert all(batch["mask"].all() for batch in batches[:-1])
    for key in whole:
        kept = np.concatenate([batch[key][batch["mask"]] for batch in batches])
        np.testing.assert_array_equal(kept, whole[key][:limit])
    assert np.isfinite(batches[-1]["noisy"]).all()


@pytest.mark.fast
def test_records_that_do_not_fit_into_memory_are_read_as_needed(data: NoiseData):
    for split in SPLITS:
        held = data._records[split]
        assert isinstance(held, records_module.Records)
        read = records_module.open_records(
            held.source, held.fields, held.folder, block=held.block, memory_limit=0
        )
        assert held.arrays is not None and read.arrays is None and len(read) == len(held)
        places = np.array([3, 0, 24, 3, 11, len(held) - 1])
        assert same(held.take(places), read.take(places))
        np.testing.assert_array_equal(held.column("truth"), read.column("truth"))


@pytest.mark.fast
def test_the_true_likelihood_of_a_batch_is_that_of_its_places(data: NoiseData):
    batch = data.batch("train", seed=3, step=41, batch_size=8)
    places = data.order("train", 3, 41, 8)
    nats = data.true_nll("train")[places] * batch["clean"][0].size
    np.testing.assert_allclose(nats, batch["truth"], rtol=1e-6)


@pytest.mark.fast
def test_a_second_opening_builds_nothing(data: NoiseData, records: Path, monkeypatch):
    def refuse(*_):
        raise AssertionError("built again")

    monkeypatch.setattr(records_module, "_build", refuse)
    assert open_dataset("camera_sim/exact", data_dir=records) == data


@pytest.mark.fast
def test_nothing_but_the_progress_bar_is_said(few_patches: None, tmp_path: Path, capfd, caplog):
    open_dataset("camera_sim/exact", data_dir=tmp_path, seed=9)
    said = capfd.readouterr()
    assert said.out == "" and caplog.text == ""
    lines = said.err.replace("\r", "\n").split("\n")
    assert all(not line or line.startswith("camera_sim/exact ") for line in lines)


@pytest.mark.fast
def test_a_failed_build_leaves_nothing(few_patches: None, tmp_path: Path, monkeypatch):
    from datasets.camera_sim import patches

    def break_off(*_):
        raise KeyboardInterrupt

    data_dir = tmp_path / "deep" / "records"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(patches, "develop", break_off)
        open_dataset("camera_sim/exact", data_dir=data_dir)
    assert not (tmp_path / "deep").exists()


def test_a_killed_build_is_never_served(tmp_path: Path):
    program = (
        "import sys; from pathlib import Path; from datasets.pipeline import open_dataset;"
        "open_dataset('camera_sim/exact', data_dir=Path(sys.argv[1]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        cwd=Path(__file__).parents[2],
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".draft-*/camera_sim/*/*")) and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (draft,) = tmp_path.iterdir()
    assert draft.name.startswith(".draft-")
    # A later build clears drafts that nobody can be working on any more.
    os.utime(draft, (0, 0))
    records_module._remove_stale_drafts(tmp_path)
    assert not draft.exists()


def test_two_builders_at_once_leave_one_set_of_records(
    few_patches: None, tmp_path: Path, monkeypatch
):
    first = open_dataset("camera_sim/exact", data_dir=tmp_path)
    before = {path.name for path in tmp_path.iterdir()}
    # The second builder looked before the first had finished.
    monkeypatch.setattr(records_module, "_is_there", lambda folder: False)
    assert open_dataset("camera_sim/exact", data_dir=tmp_path) == first
    assert {path.name for path in tmp_path.iterdir()} == before


@pytest.mark.fast
def test_a_request_to_stop_is_not_taken_for_damage(tmp_path: Path):
    class Stop(BaseException):
        pass

    class Source:
        def __init__(self, error: type[BaseException]):
            self.error = error

        def __len__(self) -> int:
            return 40

        def __getitem__(self, index: int) -> dict[str, np.ndarray]:
            if index == 20:
                raise self.error
            return {"clean": np.zeros(3)}

    for error, seen in ((Stop, Stop), (MemoryError, MemoryError), (ValueError, DataError)):
        with pytest.raises(seen):
            records_module.open_records(Source(error), ("clean",), tmp_path)


@pytest.mark.fast
def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path):
    (tmp_path / "file").write_text("")
    for place in ("file/records", "no\udcfftext"):
        with pytest.raises(UsageError, match="--data-dir"):
            open_dataset("camera_sim/exact", data_dir=tmp_path / place)


@pytest.mark.fast
@pytest.mark.parametrize(
    ("name", "source", "word"),
    [
        ("camera_sim", None, "camera_sim/exact"),
        ("sidd", None, "pairs"),
        ("pairs", None, "--source"),
        ("camera_sim/exact", Path(), "--source"),
    ],
)
def test_wrong_requests_are_sentences(name: str, source: Path | None, word: str, tmp_path: Path):
    with pytest.raises(UsageError, match=word):
        open_dataset(name, source=source, data_dir=tmp_path / "records")
    assert not (tmp_path / "records").exists()


@pytest.mark.fast
def test_wrong_batches_are_sentences(data: NoiseData):
    with pytest.raises(UsageError, match="validation"):
        data.batch("val", seed=0, step=0, batch_size=1)
    with pytest.raises(UsageError, match="at least one"):
        data.batch("train", seed=0, step=0, batch_size=0)
    with pytest.raises(UsageError, match="at least one"):
        list(data.batches("train", batch_size=-1))
    with pytest.raises(UsageError, match="seed"):
        data.batch("train", seed=-1, step=0, batch_size=1)
    with pytest.raises(UsageError, match="steps"):
        data.batch("train", seed=0, step=-1, batch_size=1)


def test_clipped_pixels_are_marked_in_every_batch(tmp_path: Path, pairs, open_pairs):
    noisy, _ = pairs.add("dark")
    noisy[:10] = 0
    pairs.save(pairs.rows[-1][0], noisy)
    data = open_pairs(pairs)
    assert data.has_clipping and "valid" in data.fields["train"]
    assert any("clipped" in note for note in data.notes)
    batch = data.batch("train", seed=0, step=0, batch_size=data.sizes["train"])
    assert batch["valid"].shape == (*batch["noisy"].shape[:3], 1)
    assert not batch["valid"][batch["noisy"].max(-1) < 0.5 / 255].any()
    for found in data.batches("test", batch_size=3):
        assert found["valid"].all()


def test_unclipped_data_have_no_mask(records, few_patches):
    data = open_dataset("camera_sim/exact", data_dir=records)
    assert not data.has_clipping and "valid" not in data.fields["train"]
    assert "valid" not in data.batch("train", seed=0, step=0, batch_size=2)
