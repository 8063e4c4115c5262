"""The registry: every data set has an entry, and its batches hold what the entry says at most."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from datasets import as_float, registry
from datasets.pipeline import open_dataset
from jaxnoise.noise.camera import SIMULATIONS

ROOT = Path(__file__).parents[2]


@pytest.mark.fast
def test_every_folder_of_a_builder_is_in_the_registry():
    folders = {path.parent.name for path in ROOT.glob("datasets/*/*_dataset_builder.py")}
    assert {entry.module.split(".")[1] for entry in registry.ENTRIES.values()} == folders


@pytest.mark.fast
@pytest.mark.parametrize("entry", registry.ENTRIES.values(), ids=lambda entry: entry.name)
def test_an_entry_names_a_builder_and_known_fields(entry: registry.Entry):
    module = entry.load()
    for name in ("make_config", "fingerprint", "facts", "builder"):
        assert callable(getattr(module, name))
    assert set(entry.fields) <= {*as_float.IMAGES, *as_float.NUMBERS, "valid"}
    assert (entry.source is None) <= (not entry.needs_source)


@pytest.mark.fast
def test_batches_hold_what_fields_say(few_patches: None, records: Path):
    for name in ("camera_sim/exact", "camera_sim/full"):
        data = open_dataset(name, data_dir=records)
        assert data.independent_draws and data.simulated
        assert data.families == registry.get(name).families
        for split, fields in data.fields.items():
            # Only a data set with clipped pixels has a mask of them.
            assert set(fields) | {"valid"} == set(registry.get(name).fields)
            assert ("valid" in fields) == data.has_clipping
            batch = data.batch(split, seed=0, step=0, batch_size=3)
            assert set(batch) == set(fields)
            assert batch["image"].dtype == batch["scene"].dtype == np.int32


@pytest.mark.fast
def test_nothing_depends_on_the_name_of_a_data_set(few_patches: None, records: Path, monkeypatch):
    entry = dataclasses.replace(
        registry.get("camera_sim/exact"), name="other", independent_draws=False
    )
    monkeypatch.setitem(registry.ENTRIES, "other", entry)
    ours = open_dataset("other", data_dir=records)
    theirs = open_dataset("camera_sim/exact", data_dir=records)
    assert ours.fields == theirs.fields and not ours.independent_draws
    one, two = (data.batch("train", seed=1, step=2, batch_size=4) for data in (ours, theirs))
    assert all(np.array_equal(one[key], two[key]) for key in two)


@pytest.mark.fast
def test_only_simulated_noise_lies_in_a_family():
    for entry in registry.ENTRIES.values():
        assert entry.simulated or not entry.families


@pytest.mark.fast
@pytest.mark.parametrize("variant", ["exact", "exact-white"])
def test_the_filter_of_a_family_inverts_that_of_the_simulation(variant: str):
    """What a filter of that reach leaves of the simulated correlation, in nats per dimension."""
    taps = SIMULATIONS[variant].taps
    reach = max(int(name.partition("-K")[2] or 0) for name in registry.ENTRIES[
        f"camera_sim/{variant}"].families)  # fmt: skip
    size = 12
    inverse, left = np.zeros((size, size)), np.zeros((size + 1, size + 1))
    for row, column in np.ndindex(size, size):
        earlier = sum(
            weight * inverse[row - up, column - over]
            for (up, over), weight in taps.items()
            if (up, over) != (0, 0) and row >= up and column >= over
        )
        inverse[row, column] = (row == column == 0) - earlier
    for row, column in np.ndindex(reach + 1, reach + 1):
        for (up, over), weight in taps.items():
            left[row + up, column + over] += weight * inverse[row, column]
    assert 0.5 * np.log((left**2).sum()) < 1e-5
