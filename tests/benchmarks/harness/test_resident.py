"""The peak of memory counts from when one starts to look."""

import numpy as np
import pytest

from benchmarks.harness import resident


@pytest.mark.skipif(not (resident.PROCESS / "clear_refs").exists(), reason="needs /proc")
def test_what_was_held_for_a_while_is_in_the_peak():
    np.ones(2**24)  # of 128 MiB, gone again: a peak before
    grown = resident.Growth()
    first = grown.bytes()
    np.ones(2**23)
    second = grown.bytes()
    assert first is not None and second is not None
    assert first < 2**24 and second - first == pytest.approx(2**26, rel=0.2)


@pytest.mark.fast
def test_nothing_is_said_where_the_system_does_not_tell(monkeypatch, tmp_path):
    monkeypatch.setattr(resident, "PROCESS", tmp_path)
    assert resident.Growth().bytes() is None
