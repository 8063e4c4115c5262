"""Figures of residuals: how far those of different images are apart, how strong they are."""

from collections.abc import Sequence

import numpy as np
from matplotlib.lines import Line2D

from train.report.level_figures import grid_of_rows
from train.report.noise_in_space import photograph
from train.report.residual_numbers import ResidualResult, Shown
from train.report.style import INK, Picture, colours, legend_below, new_figure, shown, styled

_BINS = 60
_TAIL = 0.005
"""Part of the differences that is left out at either end of the axis."""


@styled
def densities_of_differences(results: Sequence[ResidualResult]) -> Picture | None:
    """Density of the differences of distances, as in Figure 2 of the paper.

    Args:
        results: of the networks and of the true noise.

    Returns:
        The figure; None where no two crops are of different images.
    """
    every = np.concatenate([result.differences for result in results])
    every = every[np.isfinite(every)]
    if not every.size:
        return None
    low, high = np.quantile(every, (_TAIL, 1 - _TAIL))
    edges = np.linspace(low, max(high, low + 1e-6), _BINS + 1)
    colour = colours([result.name for result in results])
    figure, axes = new_figure(3.2)
    for result in results:
        counts, _ = np.histogram(result.differences, edges)
        density = counts / (max(len(result.differences), 1) * np.diff(edges))
        axes[0, 0].stairs(density, edges, color=colour[result.name], linewidth=1.5)
    axes[0, 0].axvline(0, color=INK, linewidth=0.8, linestyle=(0, (1, 1.5)))
    axes[0, 0].set_xlabel("distance to another image less that to the same one, of 255")
    axes[0, 0].set_ylabel("density")
    handles = [Line2D([], [], color=colour[row.name], label=shown(row.name)) for row in results]
    legend_below(figure, handles)
    return Picture(
        "differences",
        "Residuals of one image and of others",
        "Earth mover's distance of residuals of two crops of different images less that of two "
        "crops of one image, as in the paper's Figure 2. What lies right of 0 tells images apart; "
        "look for a curve that comes to lie on that of the true noise.",
        figure,
    )


@styled
def strength_by_crop(results: Sequence[ResidualResult], seen: Shown) -> Picture:
    """Standard deviation of each crop's residual over that of its true noise."""
    truth = next((result for result in results if result.name == seen.truth), None)
    across = seen.noise_shown if truth is None else truth.std
    own = [result for result in results if result is not truth]
    colour = colours([result.name for result in results])
    figure, axes = new_figure(3.4, 1, len(own), sharey=True)
    for axis, result in zip(axes[0], own, strict=True):
        axis.plot(across, result.std, ".", markersize=4, alpha=0.6, color=colour[result.name])
        axis.axline((0, 0), slope=1, color=INK, linestyle=(0, (1, 1.5)), linewidth=1)
        axis.set_title(shown(result.name), loc="left")
        axis.set_xlabel("noise that crops show, of 255" if truth is None else "noise, of 255")
        axis.set(xlim=(0, None), ylim=(0, None))
    axes[0, 0].set_ylabel("residual, of 255")
    return Picture(
        "residual-strength",
        "Strength of the residual of each crop",
        "Standard deviations. On the line the residual is as strong as the noise; above it, detail "
        "is taken for noise as well; dots on the axis are of a network that hands back its input.",
        figure,
    )


@styled
def pictures_of_residuals(results: Sequence[ResidualResult], seen: Shown) -> Picture:
    """Noisy crops, estimates of every network, and the clean crops where they are known."""
    noisy = seen.images["noisy"]
    names = [result.name for result in results if result.name != seen.truth]
    titles = ["noisy", *names]
    images = [noisy, *(seen.images[name] for name in names)]
    if seen.truth in seen.images:
        titles.append("clean")
        images.append(seen.images[seen.truth])
    rows = []
    for number in range(len(noisy)):
        like = noisy[number]
        rows.append((f"crop {number + 1}", [photograph(own[number], like=like) for own in images]))
    return Picture(
        "estimates",
        "Crops and what the networks make of them",
        "Held-out crops. Look for grain that is left, for colour that has shifted, and for detail "
        "that went with the noise.",
        grid_of_rows(rows, titles),
        dpi=150,
        whole=True,
    )
