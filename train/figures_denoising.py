"""Figures of denoisers: their training, pictures of estimates, and PSNR by camera and ISO."""

import math
from typing import Any

import numpy as np
from matplotlib.lines import Line2D

from train.denoised import DenoiserResult
from train.figures import (
    PALETTE,
    Picture,
    colours,
    evenly,
    legend_below,
    new_figure,
    shown,
    styled,
)
from train.figures_conditions import condition_label, conditions
from train.figures_spatial import photograph
from train.report_numbers import TestSet

_ROWS = 4


@styled
def denoising_curves(history: dict[str, list[dict[str, Any]]]) -> Picture | None:
    """PSNR over steps of each trained denoiser.

    Args:
        history: model name to the rows of its metrics.jsonl, of which some hold "validation_psnr".

    Returns:
        The figure, or None when no row holds it.
    """
    lines = {}
    for name, rows in history.items():
        points = [
            (row["step"], row["validation_psnr"])
            for row in rows
            if isinstance(row.get("validation_psnr"), int | float)
            and math.isfinite(row["validation_psnr"])
        ]
        if points:
            lines[name] = np.array(points, np.float64)
    if not lines:
        return None
    figure, axes = new_figure(3.0)
    for index, line in enumerate(lines.values()):
        colour = PALETTE[(index + 1) % len(PALETTE)]
        axes[0, 0].plot(line[:, 0], line[:, 1], color=colour, marker="o", markersize=2.5)
    axes[0, 0].set_xlabel("step")
    axes[0, 0].set_ylabel("PSNR of the mean error, dB")
    handles = [
        Line2D([], [], color=PALETTE[(index + 1) % len(PALETTE)], label=shown(name))
        for index, name in enumerate(lines)
    ]
    legend_below(figure, handles)
    return Picture(
        "denoising-training",
        "Training of the denoiser",
        "Validation over training steps; higher is better. Against another noisy shot, where there "
        "is no clean image, even a perfect denoiser stays at the noise of that shot.",
        figure,
    )


@styled
def pictures_of_estimates(test: TestSet, results: list[DenoiserResult]) -> Picture:
    """Clean patch and every denoiser's estimate side by side, for a few conditions."""
    pairs, index = conditions(test)
    patches = []
    for i in evenly(len(pairs), _ROWS):
        members = np.flatnonzero(index == i)
        detail = test.clean[members].std(axis=(1, 2, 3))
        patches.append((pairs[i], int(members[np.argsort(detail)[len(members) // 2]])))
    first = "clean" if test.shots is None else "mean estimate"
    titles = [first, *(shown(result.name, 16) for result in results)]
    figure, axes = new_figure(
        1.3 * len(patches) * max(6 / len(titles), 1), len(patches), len(titles)
    )
    for row, (condition, patch) in zip(axes, patches, strict=True):
        clean = test.clean[patch]
        for axis, image in zip(
            row, [clean, *(result.estimate[patch] for result in results)], strict=True
        ):
            axis.imshow(np.clip(photograph(image, like=clean), 0, 1), interpolation="none")
            axis.set(xticks=[], yticks=[])
            axis.grid(False)
            axis.spines[:].set_visible(False)
        camera, _, iso = condition_label(test, condition).rpartition(", ")
        row[0].set_ylabel(f"{camera}\n{iso}", fontsize=8)
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title, fontsize=8.5)
    return Picture(
        "denoised",
        "Noisy and denoised",
        "Each row has the brightness of its first patch. Look for grain that is left, and for "
        "detail that went with it.",
        figure,
        dpi=150,
    )


@styled
def psnr_by_condition(evaluation: dict[str, Any], *, pooled: bool) -> Picture | None:
    """PSNR of every denoiser per camera and ISO.

    Args:
        evaluation: of `train.denoised.evaluate`.
        pooled: whether it is that of the mean error, not the mean over patches.

    Returns:
        The figure, or None where there are fewer than three of them.
    """
    groups = evaluation["denoised_groups"]
    if len(groups) < 3:
        return None
    names = [row["name"] for row in evaluation["denoisers"]]
    colour = colours(names)
    figure, axes = new_figure(2.9)
    for place, name in enumerate(names):
        values = [
            math.nan if group["psnr"][place] is None else group["psnr"][place] for group in groups
        ]
        axes[0, 0].plot(values, color=colour[name], marker="o", markersize=4, linestyle="none")
    axes[0, 0].set_xticks(range(len(groups)), [shown(group["label"], 16) for group in groups])
    axes[0, 0].tick_params(axis="x", rotation=30)
    axes[0, 0].set_ylabel("PSNR, dB")
    handles = [
        Line2D([], [], color=colour[name], marker="o", linestyle="none", label=shown(name))
        for name in names
    ]
    legend_below(figure, handles)
    return Picture(
        "denoised-conditions",
        "PSNR by camera and ISO",
        ("Of the mean error of each" if pooled else "Mean over the patches of each")
        + "; look for a condition that a denoiser does not improve.",
        figure,
    )
