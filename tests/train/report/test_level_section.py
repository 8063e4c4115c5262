"""The section of noise of stated strength, on noise whose strength and shape are known."""

import json
import re

import numpy as np
import pytest

from train.report.level_numbers import LevelResult, evaluate, largest_miss
from train.report.level_section import format_table, level_section
from train.report.report import Report

pytestmark = pytest.mark.fast

SHAPE = (100, 16, 16, 4)
TERMS = {"contrastive": "contrastive", "alignment": "alignment"}


def result(name="sigma 10", sigma=10 / 255, loud=1.0, seed=0):
    """White noise, and noise whose variance is linear in intensity and a factor too loud."""
    random = np.random.default_rng(seed)
    clean = random.uniform(0, 1, SHAPE).astype(np.float32)
    level = np.full(SHAPE, sigma, np.float32)
    white, other = sigma * random.normal(size=(2, *SHAPE))
    bright = loud * other * np.sqrt(0.5 + clean)
    return LevelResult(
        name=name,
        clean=clean,
        level=level,
        noise={"AWGN": white.astype(np.float32), "CoNo": bright.astype(np.float32)},
        gap={"AWGN": 0.0, "CoNo": 0.01},
        draws=sigma * random.normal(size=(3, *SHAPE[1:])),
        seconds={"AWGN": 0.01},
    )


def test_the_rows_are_what_the_noise_was_made_with():
    rows = {row["name"]: row for row in evaluate([result()], trained="CoNo")["levels"]}
    white, own = rows["AWGN"], rows["CoNo"]
    count = np.prod(SHAPE)
    # A standard deviation of N values is known to (2 N)^-1/2 of itself; noise^2 has a little more
    # spread where its variance varies.
    for row in rows.values():
        assert abs(row["std_ratio"] - 1) < 6 / (2 * count) ** 0.5
        assert abs(row["mean"]) < 5 / count**0.5
        assert abs(row["lag_right"]) < 5 / count**0.5 and abs(row["channels"]) < 5 / count**0.5
    assert abs(white["slope"]) < 4 * white["slope_error"]
    assert abs(own["slope"] - 1) < 4 * own["slope_error"] < 0.2
    # The darkest fifth has a variance of 0.6 on average, the brightest of 1.4.
    assert abs(own["bright_over_dark"] / (1.4 / 0.6) ** 0.5 - 1) < 5 / (count / 5) ** 0.5
    assert own["trained"] and not white["trained"]
    assert white["seconds"] == 0.01 and own["seconds"] is None


def test_the_largest_miss_is_where_the_variance_is_furthest_off():
    found = result()
    # Of the ten intervals the last has 1.45 of the variance, the first 0.55.
    miss = largest_miss(found.noise["CoNo"], found.clean, found.level)
    assert abs(abs(miss) - 0.45) < 5 * 1.45 * (2 / (np.prod(SHAPE) / 40)) ** 0.5
    assert np.isnan(largest_miss(found.noise["CoNo"][:1], found.clean[:1], found.level[:1]))


def test_noise_that_misses_its_level_has_failed():
    made = {"trained": "CoNo", "history": [], "terms": TERMS, "show_images": False}
    assert level_section([result()], **made).failed == ()
    (sentence,) = level_section([result(), result("sigma 20", 20 / 255, 1.5)], **made).failed
    assert "at sigma 20 is 1.5" in sentence
    broken = result()
    broken.noise["CoNo"][:] = np.nan
    section = level_section([broken], **made)
    assert "no number" in section.failed[0] and "not numbers" in section.verdict


def test_the_page_has_the_figures_and_the_numbers(tmp_path):
    history = [
        {"step": 0, "validation_contrastive": 4.1, "validation_alignment": 0.2},
        {"step": 1, "contrastive": 4.0, "alignment": 0.1},
    ]
    section = level_section(
        [result(), result("<b>sigma</b>", 20 / 255)],
        trained="CoNo",
        history=history,
        terms=TERMS,
        show_images=True,
    )
    text = Report(title="Levels", subject="Noise.", sections=[section]).write(tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert "<b>sigma</b>" not in page and text == format_table(section.numbers)
    assert {path.stem for path in (tmp_path / "figures").iterdir()} == {
        "training",
        "levels",
        "draws",
        "noise-against-intensity",
        "strength-by-intensity",
    }
    rows = json.loads((tmp_path / "evaluation.json").read_text())["levels"]
    assert len(rows) == 4
    assert re.search(r"has 1\.0\d? times|has 1\.00 to 1\.0\d|0\.99 to 1\.0", page)
    without = level_section([result()], trained="CoNo", history=[], terms=TERMS, show_images=False)
    assert {picture.name for picture in without.pictures} == {
        "noise-against-intensity",
        "strength-by-intensity",
    }
