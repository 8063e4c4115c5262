"""Figures flow with the width of the page, and no text is taken for markup."""

import re
import xml.etree.ElementTree as ElementTree

import pytest
from markupsafe import Markup
from matplotlib.lines import Line2D

from train.report.drawings import PIXELS, drawing
from train.report.page import page
from train.report.section import Section
from train.report.style import INK, WIDTH, Picture, legend_below, new_figure

LEAST_PIXELS = 8
"""Of the smallest text of a figure."""
TELEPHONE = 400 - 2 * 14
"""Pixels of a narrow page's column."""


def make(columns, *, rows=1, whole=False):
    figure, axes = new_figure(3.0, rows, columns)
    for number, axis in enumerate(axes.flat):
        axis.plot([0, 1], [0, 0.0175 * (number + 1)], color=INK)
        axis.set_title(f"panel {number}")
    legend_below(
        figure,
        [
            Line2D([], [], color=INK, label="the data & more"),
            Line2D([], [], color="#123456", linestyle=(0, (5, 3)), label="dashed"),
            Line2D([], [], color="#654321", linestyle="", marker="o", label="dots"),
        ],
    )
    return Picture("one", "A title", "A caption.", figure, whole=whole)


def view_box(panel):
    return [float(value) for value in re.findall(r'viewBox="([^"]*)"', panel.svg)[0].split()]


@pytest.mark.parametrize("columns", [1, 2, 3, 5])
def test_panels_fill_a_wide_page_and_stay_legible_on_a_narrow_one(columns):
    found = drawing(make(columns))
    assert len(found.panels) == columns
    assert sum(panel.width for panel in found.panels) <= 72 * WIDTH * PIXELS
    for panel in found.panels:
        width = view_box(panel)[2]
        # Tick labels of 8 points, where the panel has no more room than the column.
        assert 8 * min(panel.width, TELEPHONE) / width >= LEAST_PIXELS


def test_no_panel_shows_a_part_of_another():
    boxes = [view_box(panel) for panel in drawing(make(2, rows=2)).panels]
    for index, (left, top, width, height) in enumerate(boxes):
        for other_left, other_top, other_width, other_height in boxes[index + 1 :]:
            beside = left + width <= other_left + 4.5 or other_left + other_width <= left + 4.5
            under = top + height <= other_top + 4.5 or other_top + other_height <= top + 4.5
            assert beside or under


def test_labels_lie_inside_their_panel():
    """Widths as of DejaVu Sans, in which the places were found."""
    for panel in drawing(make(3)).panels:
        left = view_box(panel)[0]
        labels = re.findall(r'text-anchor: end[^>]*? x="([0-9.]+)"[^>]*>([0-9.]+)<', panel.svg)
        assert labels
        for end, text in labels:
            digits, points = len(text.replace(".", "")), text.count(".")
            assert float(end) - (5.09 * digits + 2.54 * points) >= left


def test_figures_that_belong_together_are_one_panel():
    assert len(drawing(make(3, whole=True)).panels) == 1


def test_the_legend_is_text():
    keys = drawing(make(2)).keys
    assert [key.label for key in keys] == ["the data & more", "dashed", "dots"]
    assert keys[0].colour == "currentColor" and not keys[0].dashes
    assert keys[1].colour == "#123456" and keys[1].dashes
    assert keys[2].marker and not keys[2].line and not keys[0].marker


def test_the_page_is_well_formed_and_text_is_no_markup():
    section = Section(verdict="<i>", html=Markup("<p>one</p>"), pictures=(make(2),))
    source = page("<b>", "a\x00 & b", [section], failed=["<u>"], notes=["<s>"])
    root = ElementTree.fromstring(source.removeprefix("<!DOCTYPE html>"))
    assert {element.tag for element in root.iter()}.isdisjoint({"b", "i", "u", "s"})
    words = " ".join(root.itertext())
    for text in ("<b>", "a  & b", "<u>", "<s>", "<i>", "one", "the data & more", "A caption."):
        assert text in words
    identifiers = re.findall(r'\bid="([^"]*)"', source)
    assert len(identifiers) == len(set(identifiers))
