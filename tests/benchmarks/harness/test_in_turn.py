"""Turns: medians, ratios, and rounds that others disturbed."""

import pytest

from benchmarks.harness import comparison, in_turn
from benchmarks.harness.in_turn import measure, ratio, summary, take_turns

pytestmark = pytest.mark.fast


def turn(*seconds, others=0.0, growth=1000):
    return {"seconds": list(seconds), "others_cores": others, "growth_bytes": growth}


def test_frameworks_take_turns():
    order = []

    def run(name):
        order.append(name)
        return turn(float(len(order)))

    turns = take_turns(run, ("a", "b"), 2)
    assert order == ["a", "b", "a", "b"]
    assert [one["seconds"] for one in turns["b"]] == [[2.0], [4.0]]


def test_a_disturbed_turn_is_repeated_and_the_quietest_kept():
    loads = iter([0.5, 0.0, 0.9, 0.4, 0.6])
    turns = take_turns(lambda _: turn(1.0, others=next(loads)), ("a",), 2, tries=3)
    assert [one["others_cores"] for one in turns["a"]] == [0.0, 0.4]
    assert summary(turns["a"], 10)["disturbed"] == 1


def test_a_summary_is_of_medians():
    found = summary([turn(0.1, 0.2, 9.0), turn(0.4, growth=3000), turn(0.1, growth=2000)], 20)
    assert (found["milliseconds"], found["range"]) == (200.0, [100.0, 400.0])
    assert found["patches_per_second"] == 100.0
    assert (found["growth_bytes"], found["disturbed"]) == (2000, 0)


def test_memory_that_the_system_does_not_tell_is_none():
    assert summary([turn(0.1, growth=None, others=None)], 1)["growth_bytes"] is None


def test_the_ratio_is_to_the_faster_peer():
    turns = {
        "jax": [turn(1.0), turn(2.0), turn(1.0)],
        "slow": [turn(5.0), turn(5.0), turn(5.0)],
        "fast": [turn(1.5), turn(1.5), turn(3.0)],
    }
    assert ratio(turns, "jax", ("slow", "fast")) == {
        "faster_peer": "fast",
        "ratio": 1.5,
        "range": [0.75, 3.0],
    }


def test_a_measurement_does_not_count_the_first_calls():
    calls = []
    found = measure(lambda: calls.append(0), 4)
    assert len(calls) == in_turn.WARM_UP + len(found["seconds"]) == in_turn.WARM_UP + 4
    assert set(found) == {"seconds", "others_cores", "growth_bytes"}


def test_more_cores_than_there_are_and_no_pytorch_are_refused(monkeypatch):
    assert "ask for fewer" in str(in_turn.obstacle([100000], peer=False))
    monkeypatch.setattr(in_turn, "find_spec", lambda _: None)
    assert "pip install torch" in str(in_turn.obstacle([1]))
    assert in_turn.obstacle([1], peer=False) is None


def test_a_device_per_core_unless_one_is_compared():
    workers = ("jax", "jax_xla", "jax_one_device", "check")
    assert [comparison.devices(worker, 2) for worker in workers] == [2, 2, 1, 1]


def test_a_row_has_the_first_process_compile_and_one_core_only_one_device(monkeypatch):
    started = []

    def run_worker(_, worker, threads, arguments, environment):
        started.append((worker, arguments[arguments.index("--steps") + 1]))
        facts = dict.fromkeys(comparison.COMPILED, len(started))
        return turn(0.5) | (facts if worker.startswith("jax") else {})

    monkeypatch.setattr(comparison, "run_worker", run_worker)
    options = comparison.argparse.Namespace(
        batch_sizes=[8], threads=[1], steps=3, rounds=2, tries=1
    )
    (row,) = comparison.compare("m", comparison.TITLES, options, ("training",))
    assert started[:2] == [("jax", "1"), ("jax_xla", "1")]
    assert started[2:6] == [(name, "3") for name in ("jax", "jax_xla", *comparison.PEERS)]
    assert len(started) == 10 and "jax_one_device" not in row
    assert (row["jax"]["compile_seconds"], row["jax_xla"]["compile_seconds"]) == (1, 2)
    assert row["jax_over_torch"]["ratio"] == 1 and row["torch"]["patches_per_second"] == 16
