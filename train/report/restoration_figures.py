"""Figures of restored images: pictures side by side, and the PSNR of each crop over its input's."""

from collections.abc import Sequence

import numpy as np
from matplotlib.lines import Line2D

from jaxnoise.metrics import psnr
from train.report.level_figures import grid_of_rows
from train.report.noise_in_space import photograph
from train.report.restoration_numbers import HIGHEST_PSNR, Restoration, RestorationTest
from train.report.style import (
    INK,
    Picture,
    colours,
    evenly,
    legend_below,
    new_figure,
    shown,
    styled,
)

_ROWS, _DOTS = 4, 1500


@styled
def pictures_of_restorations(test: RestorationTest, results: Sequence[Restoration]) -> Picture:
    """The input, every row of the table and the target side by side, for a few crops."""
    # An input of the size of the target is a row of the table already.
    larger = test.inputs.shape != test.targets.shape
    titles = [*(["input"] if larger else []), *(result.name for result in results), test.target]
    rows = []
    for crop in _of_middling_detail(test):
        images = [test.inputs[crop]] if larger else []
        images += [result.estimate[crop] for result in results]
        seen = [photograph(image) for image in (*images, test.targets[crop])]
        rows.append((f"image {int(test.image[crop])}", seen))
    return Picture(
        "restored",
        "Input and restored images",
        "Held-out crops, the input as the network sees it, every row of the table and what it is "
        "compared with. Look for grain that is left, for detail that went with it, and for false "
        "colours at edges.",
        grid_of_rows(rows, titles),
        dpi=150,
        whole=True,
    )


@styled
def psnr_over_input(test: RestorationTest, results: Sequence[Restoration]) -> Picture | None:
    """A dot for each crop: its PSNR over that of the input.

    Returns:
        The figure, or None where nothing is there to compare.
    """
    own = [result for result in results if not result.is_input]
    start = next((result for result in results if result.is_input), None)
    if start is None or not own:
        return None
    dots = evenly(len(test.targets), _DOTS)
    colour = colours([result.name for result in results])
    across = _decibels(start, test, dots)
    figure, axes = new_figure(3.0)
    for result in own:
        up = _decibels(result, test, dots)
        axes[0, 0].plot(across, up, ".", markersize=3, alpha=0.6, color=colour[result.name])
    ends = [float(across.min()), float(across.max())]
    axes[0, 0].plot(ends, ends, color=INK, linestyle=(0, (1, 1.5)), linewidth=1.2)
    axes[0, 0].set_xlabel(f"PSNR of {shown(start.name)}, dB")
    axes[0, 0].set_ylabel("PSNR, dB")
    handles = [
        Line2D([], [], color=colour[result.name], marker=".", linestyle="none", label=label)
        for result, label in ((result, shown(result.name)) for result in own)
    ]
    legend_below(figure, handles)
    return Picture(
        "restored-crops",
        "Each crop",
        "PSNR of held-out crops over that of their input. What is below the dotted line was made "
        "worse.",
        figure,
    )


def _of_middling_detail(test: RestorationTest) -> list[int]:
    """A crop of each of a few images, of middling detail among those of its image."""
    chosen = []
    images = np.unique(test.image)
    for place in evenly(len(images), _ROWS):
        members = np.flatnonzero(test.image == images[place])
        detail = test.targets[members].std(axis=(1, 2, 3))
        chosen.append(int(members[np.argsort(detail)[len(members) // 2]]))
    return chosen


def _decibels(result: Restoration, test: RestorationTest, dots: np.ndarray) -> np.ndarray:
    found = psnr(result.estimate[dots], test.targets[dots], data_range=1.0)
    return np.minimum(np.asarray(found), HIGHEST_PSNR)
