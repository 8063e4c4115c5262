"""The training figure: nats above the truth of each row's own patches."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from train.report.above_truth import above_truth
from train.report.history import learning_curves


class Data:
    """Ten training and four validation patches whose true likelihood is their number."""

    def __init__(self, *, known=True):
        self.fields = dict.fromkeys(("train", "validation"), ("noisy", "truth") if known else ())

    def true_nll(self, split):
        return np.arange(10.0) if split == "train" else 100 + np.arange(4.0)

    def order(self, split, seed, step, batch_size):
        assert (split, seed, batch_size) == ("train", 3, 2)
        return np.array([step, step + 1])


def run_on(data: Data) -> Any:
    config = SimpleNamespace(seed=3, batch_size=2, validation_patches=2)
    return SimpleNamespace(config=config, data={"data": data})


ROWS = [
    {"step": 0, "validation_nll": 102.0},
    {"step": 1, "nll": 0.75},
    {"step": 2, "nll": None},
    {"step": 3, "nll": 2.75, "other": "kept"},
    {"step": 3, "validation_nll": 100.75},
]


def test_each_row_is_relative_to_its_own_patches():
    rows = above_truth(run_on(Data()), ROWS)
    assert rows[0]["validation_nll_above_truth"] == pytest.approx(1.5)
    assert rows[1]["nll_above_truth"] == pytest.approx(0.25)
    assert "nll_above_truth" not in rows[2]
    assert rows[3]["nll_above_truth"] == pytest.approx(0.25) and rows[3]["other"] == "kept"
    assert rows[4]["validation_nll_above_truth"] == pytest.approx(0.25)
    assert ROWS[1] == {"step": 1, "nll": 0.75}


def test_rows_stay_as_they_are_where_nothing_is_known():
    assert above_truth(run_on(Data(known=False)), ROWS) == ROWS
    assert above_truth(run_on(Data()), []) == []


def figure_of(rows, *, truth):
    models = [
        {"name": "white", "nll": -2.0, "above_truth": 0.5},
        {"name": "flow", "nll": -2.4, "above_truth": 0.1},
    ]
    evaluation = {"models": models, "truth": {"name": "truth", "nll": -2.5} if truth else None}
    picture = learning_curves({"flow": rows}, evaluation)
    assert picture is not None
    return picture, picture.figure.axes[0]


def rows_that_fall(start, end, *, ending="_above_truth"):
    levels = np.geomspace(start, end, 50)
    rows: list[dict[str, Any]] = [
        {"step": step, "nll": -2.5 + level, "nll" + ending: level}
        for step, level in enumerate(levels, 1)
    ]
    for row in rows[::10]:
        row |= {"validation_nll": row["nll"], "validation_nll" + ending: row["nll" + ending]}
    return rows


def test_with_the_truth_known_the_axis_is_logarithmic_and_says_so():
    picture, axes = figure_of(rows_that_fall(0.3, 1e-4), truth=True)
    assert axes.get_yscale() == "log"
    assert "above truth" in axes.get_ylabel() and "log scale" in picture.caption
    drawn = axes.lines[0].get_ydata()
    assert max(drawn) == pytest.approx(0.3) and min(drawn) == pytest.approx(1e-4)
    # The baseline's own distance on the test patches, and no line for the truth.
    assert [line.get_ydata()[0] for line in axes.lines[2:]] == [0.5]


def test_what_is_below_the_truth_needs_a_linear_axis():
    rows = rows_that_fall(0.3, 1e-4)
    rows[40]["validation_nll_above_truth"] = -0.01
    picture, axes = figure_of(rows, truth=True)
    assert axes.get_yscale() == "linear" and "above the true one" in picture.caption
    assert "log scale" not in picture.caption


def test_without_the_truth_it_is_the_likelihood():
    picture, axes = figure_of(rows_that_fall(0.3, 1e-4), truth=False)
    assert axes.get_ylabel() == "NLL, nats / dim" and "truth" not in picture.caption
    assert max(axes.lines[0].get_ydata()) == pytest.approx(-2.2)
