"""The section of residuals, from numbers worked by hand."""

import numpy as np
import pytest

from train.report.residual_numbers import ResidualResult, Shown, evaluate
from train.report.residual_section import residual_section

pytestmark = pytest.mark.fast


def result(name, differences, std, error=None):
    values = np.array(std, np.float64)
    return ResidualResult(
        name=name,
        differences=np.array(differences, np.float64),
        gaps=np.array(differences, np.float64),
        std=values,
        square=(values / 255) ** 2,
        error=None if error is None else np.full(len(values), error),
        residual_error=None if error is None else np.full(len(values), error),
    )


@pytest.fixture
def results():
    return [
        result("before", [-1.0, 1.0], [3.0, 4.0], 0.01),
        result("trained", [1.0, 2.0], [6.0, 8.0], 0.001),
        result("truth", [2.0, 4.0], [12.0, 16.0], 0.0),
    ]


@pytest.fixture
def shown():
    images = {name: np.zeros((2, 8, 8, 3)) for name in ("noisy", "before", "trained", "truth")}
    return Shown(images=images, noise_shown=np.array([10.0, 10.0]), truth="truth")


def test_numbers_are_those_by_hand(results, shown):
    numbers = evaluate(results, shown, trained="trained")
    before, trained, truth = numbers["residuals"]
    assert [row["gap"] for row in numbers["residuals"]] == [0.0, 1.5, 3.0]
    assert (before["gaps_above_0"], trained["gaps_above_0"]) == (0.5, 1.0)
    # Sorted, -1 and 1 lie 3 below 2 and 4, and 1 and 2 lie 1 and 2 below.
    assert (before["to_truth"], trained["to_truth"], truth["to_truth"]) == (3.0, 1.5, 0.0)
    assert trained["std_over_truth"] == pytest.approx(0.5)
    assert trained["std"] == pytest.approx(50**0.5)
    assert trained["std_over_shown"] == pytest.approx(50**0.5 / 10)
    assert (before["psnr"], trained["psnr"], truth["psnr"]) == (pytest.approx(20), 30, None)
    assert [row["trained"] for row in numbers["residuals"]] == [False, True, False]
    assert numbers["noisy_psnr"] == pytest.approx(10 * np.log10(255**2 / 200))


def test_the_section_says_what_was_found(results, shown):
    options = {"trained": "trained", "history": [], "terms": {"loss": "loss"}}
    section = residual_section(results, shown, **options, show_images=True)
    assert "1.5000 of 255 further apart" in section.verdict and "3.0000" in section.verdict
    assert "0.5000 times as strong" in section.verdict
    names = [picture.name for picture in section.pictures]
    assert names == ["differences", "residual-strength", "estimates"]
    assert "trained" in section.text and "30.00" in section.text


def test_without_clean_images_nothing_is_said_of_the_truth(results, shown):
    section = residual_section(
        [result("trained", [1.0, 2.0], [6.0, 8.0])],
        shown,
        trained="trained",
        history=[{"step": 1, "loss": 1.0}],
        terms={"loss": "loss"},
        show_images=False,
    )
    (row,) = section.numbers["residuals"]
    assert row["to_truth"] is None and row["psnr"] is None and section.numbers["noisy_psnr"] is None
    assert "true noise" not in section.verdict
    assert [picture.name for picture in section.pictures][0] == "training"


def test_one_image_has_no_differences(shown):
    section = residual_section(
        [result("trained", [], [6.0, 8.0]), result("truth", [], [6.0, 8.0], 0.0)],
        shown,
        trained="trained",
        history=[],
        terms={"loss": "loss"},
        show_images=False,
    )
    assert section.verdict == "" and section.numbers["residuals"][0]["gap"] is None
