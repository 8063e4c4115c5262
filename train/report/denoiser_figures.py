"""Figures of denoisers: their training, pictures of estimates, and PSNR by camera and ISO."""

import math
from typing import Any

import numpy as np
from matplotlib.lines import Line2D

from train.report.denoiser_numbers import DenoiserResult
from train.report.noise_in_space import grid_of_pictures, photograph
from train.report.style import PALETTE, Picture, colours, legend_below, new_figure, shown, styled
from train.report.test_set import TestSet

PSNR = "validation_psnr"


@styled
def denoising_curves(
    history: dict[str, list[dict[str, Any]]], *, of: str = "the denoiser"
) -> Picture | None:
    """PSNR over steps of each trained network.

    Args:
        history: model name to the rows of its metrics.jsonl, of which some hold "validation_psnr",
            or "validation_psnr_..." where something else stands for the clean image.
        of: what is trained, for the title.

    Returns:
        The figure, or None when no row holds either.
    """
    lines = {}
    for name, rows in history.items():
        for key in sorted({key for row in rows for key in row if key.startswith(PSNR)}):
            against = f", against {key.removeprefix(PSNR + '_')}".replace("_", " ")
            points = [
                (row["step"], row[key])
                for row in rows
                if isinstance(row.get(key), int | float) and math.isfinite(row[key])
            ]
            if points:
                lines[name + (against if key != PSNR else "")] = np.array(points, np.float64)
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
        f"Training of {of}",
        "Validation over training steps; higher is better. Against another noisy shot even a "
        "perfect denoiser stays at the noise of that shot.",
        figure,
    )


@styled
def pictures_of_estimates(test: TestSet, results: list[DenoiserResult]) -> Picture:
    """Clean patch and every denoiser's estimate side by side, for a few conditions."""

    def images_of(patch: int) -> list[np.ndarray]:
        clean = test.clean[patch]
        estimates = (result.estimate[patch] for result in results)
        return [photograph(image, like=clean) for image in (clean, *estimates)]

    titles = [test.clean_name, *(result.name for result in results)]
    return Picture(
        "denoised",
        "Noisy and denoised",
        "Each row has the brightness of its first patch. Look for grain that is left, and for "
        "detail that went with it.",
        grid_of_pictures(test, titles, images_of, side=1.3 * max(6 / len(titles), 1)),
        dpi=150,
        whole=True,
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
    axes[0, 0].tick_params(axis="x", rotation=60)
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
