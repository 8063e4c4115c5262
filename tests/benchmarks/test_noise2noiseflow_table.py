"""The table of Noise2NoiseFlow: which runs it takes, and what theory says beside them."""

from argparse import Namespace

import numpy as np
import pytest

from benchmarks import noise2noiseflow_table as table

pytestmark = pytest.mark.fast


def options(*rows):
    return Namespace(
        **{"preset": "cpu", "data": "exact", "accelerator": "cpu", "steps": 600},
        **{"low_weight": 2.0**12, "rows": rows},
    )


def names(runs):
    return [run.name for run in runs]


def test_a_row_comes_with_the_one_it_is_measured_against():
    runs = table.chosen_runs(options("default", "N2NF"), 7)
    assert names(runs) == ["supervised-NF-7", "supervised-default-7", "N2NF-7", "default-7"]
    every = table.chosen_runs(options(), 0)
    assert len(set(names(every))) == len(every) > 12


def test_an_unknown_row_is_a_sentence():
    with pytest.raises(SystemExit, match="No row is called N2N: choose from .*N2NF"):
        table.chosen_runs(options("N2N"), 0)


@pytest.mark.parametrize("ratio", [0.1, 1.0, 4.0])
def test_the_predicted_excess_is_the_divergence_of_two_gaussians(ratio):
    value = np.linspace(-12, 12, 100_001)
    density = np.exp(-0.5 * value**2) / np.sqrt(2 * np.pi)
    wide = 1 + ratio
    lost = 0.5 * (np.log(wide) + value**2 / wide) - 0.5 * value**2
    assert table.predicted_excess(ratio) == pytest.approx(np.trapezoid(density * lost, value))


def test_a_summary_has_means_ranges_and_where_the_error_is_small():
    rows = [
        {
            "psnr": psnr,
            "by_iso": [{"iso": 100.0, "excess": excess, "error_ratio": ratio}],
            "by_iso_and_camera": [{"iso": 100.0, "excess": excess, "error_ratio": ratio}],
        }
        for psnr, excess, ratio in ((30.0, 0.01, 0.1), (33.0, 0.03, 0.3))
    ]
    found = table.summary(rows)
    assert (found["psnr"], found["psnr_range"]) == (31.5, [30.0, 33.0])
    assert found["by_iso"] == [{"iso": 100.0, "excess": 0.02, "error_ratio": 0.2}]
    assert found["where_ratio_is_small"] == [0.01]
