"""The benchmarks of distances: extrapolation, errors, powers, tables and figures."""

import argparse
import json

import numpy as np
import pytest

from benchmarks import distances, distances_accuracy
from benchmarks.harness.distances import oracles, timing
from benchmarks.harness.distances.methods import METHODS, OURS, Method
from benchmarks.harness.distances.problem import Problem
from benchmarks.harness.distances.tables import exponents, tables
from benchmarks.harness.distances.timing import Budget, Entry, Meter, work
from benchmarks.harness.distances.worst import NOT_A_NUMBER, Worst
from train.report.style import save_png

RANDOM = np.random.default_rng(5)
PROBLEM = Problem(*RANDOM.standard_normal((2, 8, 32), np.float32), width=1.5, nodes=16)
SLOW = 0.02


def slow_emd(problem, task):
    """Exact, and takes SLOW seconds for every pair."""
    pairs = [[oracles.emd(x, y) for y in problem.ys] for x in problem.xs]

    def call():
        timing.time.sleep(SLOW * problem.xs.shape[0] ** 2)
        return np.array(pairs)

    return call


@pytest.mark.fast
def test_what_takes_too_long_does_fewer_tensors_and_is_multiplied_up():
    method = Method("EMD", "slow", slow_emd, tasks=("value",))
    entry = Entry(method, "value", PROBLEM, Budget(seconds=6 * SLOW, kernels=0))
    entry.meter.take_turn(0)
    row = entry.row()
    assert (row["sets"], row["measured_sets"], row["extrapolated"]) == (8, 2, True)
    assert 64 * SLOW * 1e3 <= row["least"] <= row["milliseconds"] < 2 * 64 * SLOW * 1e3
    assert row["pairs_per_second"] == pytest.approx(64e3 / row["milliseconds"])
    assert row["relative_error"] == 0


@pytest.mark.fast
def test_kernels_within_each_set_count_once():
    assert (work(8, False), work(8, True), work(1, True)) == (64, 80, 3)


@pytest.mark.fast
def test_a_slow_call_has_fewer_turns():
    calls = []
    meter = Meter(lambda: calls.append(0))
    meter.seconds = [2 * timing.VERY_SLOW]
    meter.take_turn(1)
    meter.seconds = [2 * timing.ENOUGH]
    meter.take_turn(timing.SLOW_ROUNDS)
    assert not calls
    meter.take_turn(0)
    assert len(calls) == timing.CALLS


def made_up_results():
    """Times of 1e-3 d^1.5 B^0.5 for ours and 100 times that, extrapolated, for a peer."""
    rows = []
    for sets, samples in distances.SHAPES:
        for name, factor in ((OURS, 1e-3), ("peer", 0.1)):
            for task in distances.TASKS:
                milliseconds = factor * samples**1.5 * sets**0.5
                row = {"distance": "MMD", "method": name, "task": task, "sets": sets}
                row |= {"samples": samples, "milliseconds": milliseconds, "least": milliseconds}
                row |= {"extrapolated": name != OURS, "relative_error": 1e-6, "calls": 3}
                rows.append(row | {"pairs_per_second": 1.0, "temporary_bytes": 2e6})
    yardsticks = [
        {"sets": sets, "samples": samples, "nodes": 16, "numpy.sort": {"median": 2.0}}
        for sets, samples in distances.SHAPES
    ]
    settings = {"device": "cpu", "threads": 2}
    results = {"settings": settings, "rows": rows, "yardsticks": yardsticks}
    results |= {"exponents": exponents(rows), "not_installed": ["OTT"], "failed": {}}
    return results


@pytest.mark.fast
def test_powers_are_those_of_the_times():
    found = made_up_results()["exponents"]
    assert [(entry["distance"], entry["task"]) for entry in found] == [
        ("MMD", "value"),
        ("MMD", "gradient"),
    ]
    for entry in found:
        assert (entry["in_d"], entry["in_B"]) == (pytest.approx(1.5), pytest.approx(0.5))


@pytest.mark.fast
def test_a_power_of_what_does_not_vary_is_unknown():
    rows = [row for row in made_up_results()["rows"] if row["sets"] == 64]
    assert exponents(rows)[0]["in_B"] is None
    assert exponents(rows)[0]["in_d"] == pytest.approx(1.5)


@pytest.mark.fast
def test_the_tables_mark_what_is_extrapolated_and_name_what_is_missing():
    lines = list(tables(made_up_results()))
    peer = next(line for line in lines if line.startswith("peer"))
    ours = next(line for line in lines if line.startswith(OURS))
    assert peer.count("~") == 2 * len(distances.SHAPES) and "~" not in ours
    assert any("OTT" in line for line in lines)


@pytest.mark.fast
def test_shapes_are_read_and_too_many_threads_refused(monkeypatch, capsys):
    assert distances.shape("64x1024") == (64, 1024)
    monkeypatch.setattr("sys.argv", ["distances", "--threads", "100000"])
    assert distances.main() == 2
    assert "ask for fewer" in capsys.readouterr().err


@pytest.mark.fast
def test_every_distance_has_ours_and_peers_with_names_of_their_own():
    for distance in ("MMD", "EMD", "Bhattacharyya"):
        names = [method.name for method in METHODS if method.distance == distance]
        assert names[0] == OURS and len(names) == len(set(names)) >= 3


@pytest.mark.fast
def test_the_worst_case_is_kept_by_kind_and_nan_is_worst():
    x, y = RANDOM.standard_normal((2, 20))
    truth = oracles.mmd2(x, y, 1.0)
    right = {"biased": truth.biased, "unbiased": truth.unbiased, "gradients": truth.gradients}
    worst = Worst()
    worst.add("right", right, truth, edge=0.0)
    worst.add("wrong", {**right, "biased": 1.5 * truth.biased}, truth, edge=0.0)
    worst.add("nan", {**right, "unbiased": float("nan")}, truth, edge=1.0)
    numbers = worst.numbers()
    assert numbers["biased_above"] == {"worst": pytest.approx(0.5), "case": "wrong"}
    assert numbers["unbiased_below"] == {"worst": NOT_A_NUMBER, "case": "nan"}
    assert numbers["gradient_above"]["worst"] == 0
    assert numbers["smallest_value"] == truth.biased


@pytest.mark.fast
def test_the_error_of_an_emd_gradient_looks_at_sums_over_ties():
    x, y = np.array([0.0, 1.0, 1.0, 3.0]), np.array([1.0, 0.0, 2.0, 4.0])
    # Ranks: 0-0, 1-1, 1-2, 3-4; of the tied ones either may carry the sign.
    y_gradient = np.array([0.0, 0.0, 1.0, 1.0]) / 4
    for x_gradient in ([0.0, -1.0, 0.0, -1.0], [0.0, 0.0, -1.0, -1.0]):
        gradients = np.array(x_gradient) / 4, y_gradient
        assert distances_accuracy.emd_gradient_error(x, y, gradients) == 0
    wrong = np.array([-1.0, -1.0, 0.0, -1.0]) / 4, y_gradient
    assert distances_accuracy.emd_gradient_error(x, y, wrong) == 1


def test_the_figures_are_drawn(tmp_path):
    from benchmarks.harness.distances.figures import accuracy_figure, speed_figure

    save_png(speed_figure(made_up_results()), tmp_path / "speed.png")
    errors = {"biased_above": {"worst": 1e-6, "case": "a"}, "smallest_value": 0.0}
    rows = [
        {
            "range_over_bandwidth": span,
            "nodes": {"float32": [8, 12], "float64": [16]},
            "errors": {form: errors for form in distances_accuracy.FORMS},
            "milliseconds": {form: span for form in distances_accuracy.FORMS},
        }
        for span in (0.1, 1.0, (0.1, 1.0))
    ]
    save_png(accuracy_figure(rows), tmp_path / "accuracy.png")
    assert all((tmp_path / f"{name}.png").stat().st_size > 5000 for name in ("speed", "accuracy"))


def test_a_small_measurement_is_a_complete_record(monkeypatch):
    (ours,) = (m for m in METHODS if (m.distance, m.name) == ("Bhattacharyya", OURS))
    peer = Method("EMD", "slow", slow_emd, tasks=("value",))
    missing = Method("EMD", "nobody has it", slow_emd, packages=("no_such_package_at_all",))
    monkeypatch.setattr("benchmarks.harness.distances.methods.METHODS", (ours, peer, missing))
    sort = {"numpy.sort": lambda: np.sort(PROBLEM.xs)}
    monkeypatch.setattr("benchmarks.harness.distances.methods.yardsticks", lambda _: sort)
    monkeypatch.setattr(distances, "make_problem", lambda *_: PROBLEM)
    monkeypatch.setattr(distances, "memory", lambda *_: [])
    options = argparse.Namespace(shapes=[(8, 32)], quick=True, no_peers=False, threads=1)
    results = json.loads(json.dumps(distances.measure(options), allow_nan=False))
    assert results["not_installed"] == ["nobody has it"] and results["failed"] == {}
    assert len(results["rows"]) == 3
    own = [row for row in results["rows"] if row["method"] == OURS]
    assert all("temporary_bytes" in row and row["milliseconds"] > 0 for row in own)
    assert max(row.get("relative_error", 0) for row in own) < 1e-3
    assert any("Bhattacharyya" in line for line in tables(results))
