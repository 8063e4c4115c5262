"""Figures of noise of stated strength: pictures, noise against intensity, and several draws."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from jaxnoise.metrics import square_by_intensity
from train.report.level_numbers import LevelResult
from train.report.noise_in_space import photograph
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

_BINS = 20
_DOTS = 1500
_FEWEST = 200
_LEVELS = 3


@styled
def pictures_of_levels(results: Sequence[LevelResult]) -> Picture:
    """Clean and noisy crops of every model, a row for each level."""
    chosen = [results[place] for place in evenly(len(results), _LEVELS)]
    names = list(chosen[0].noise)
    rows = []
    for result in chosen:
        crop = _middling(result.clean)
        clean = result.clean[crop]
        noisy = (clean + result.noise[name][crop] for name in names)
        rows.append((result.name, [photograph(image, like=clean) for image in (clean, *noisy)]))
    return Picture(
        "levels",
        "Noise of every model at the same strength",
        "A held-out crop, a row for each level, in half of the mosaic's resolution. Look for "
        "grain, for patches of colour, and whether bright places have more of it.",
        grid_of_rows(rows, ["clean", *names]),
        dpi=150,
        whole=True,
    )


@styled
def noise_against_intensity(results: Sequence[LevelResult]) -> Picture:
    """A dot for each of some pixels: noise over intensity."""
    chosen = [results[place] for place in evenly(len(results), _LEVELS)]
    names = list(chosen[0].noise)
    colour = colours(names)
    figure, axes = new_figure(1.9 * len(chosen), len(chosen), len(names), sharex=True, sharey="row")
    for row, result in zip(axes, chosen, strict=True):
        dots = evenly(result.clean.size, _DOTS)
        intensity = 255 * result.clean.ravel()[dots]
        for axis, name in zip(row, names, strict=True):
            noise = result.noise[name].ravel()[dots]
            axis.plot(intensity, noise, ".", markersize=1.5, alpha=0.5, color=colour[name])
        row[0].set_ylabel(shown(result.name))
    for axis, name in zip(axes[0], names, strict=True):
        axis.set_title(shown(name), loc="left")
    for axis in axes[-1]:
        axis.set_xlabel("intensity, of 255")
    return Picture(
        "noise-against-intensity",
        "Noise against intensity",
        "Noise as a fraction of full scale, of pixels of the held-out crops, as in the paper's "
        "Figure 5. Look for a cloud that widens to the right.",
        figure,
        whole=True,
    )


@styled
def strength_by_intensity(results: Sequence[LevelResult]) -> Picture:
    """Standard deviation over intensity of every model, beside what was asked for."""
    chosen = [results[place] for place in evenly(len(results), _LEVELS)]
    names = list(chosen[0].noise)
    colour = colours(names)
    figure, axes = new_figure(3.0, 1, len(chosen))
    for axis, result in zip(axes[0], chosen, strict=True):
        for name in names:
            axis.plot(*_strength(result.noise[name], result.clean), color=colour[name])
        asked = _strength(result.level, result.clean)
        axis.plot(*asked, color=INK, linestyle=(0, (1, 1.5)), linewidth=1.2)
        axis.set_title(shown(result.name), loc="left")
        axis.set_xlabel("intensity, of 255")
        axis.set_ylim(bottom=0)
    axes[0, 0].set_ylabel("standard deviation, of 255")
    handles = [Line2D([], [], color=colour[name], label=shown(name)) for name in names]
    handles.append(Line2D([], [], color=INK, linestyle=(0, (1, 1.5)), label="asked for"))
    legend_below(figure, handles)
    return Picture(
        "strength-by-intensity",
        "Strength by intensity",
        "Root mean square of the noise over the clean intensity, all channels together.",
        figure,
    )


@styled
def several_draws(results: Sequence[LevelResult]) -> Picture:
    """One clean crop with several noises of the trained model."""
    result = results[0]
    clean = result.clean[0]
    noisy = [clean + draw for draw in result.draws]
    images = [photograph(image, like=clean) for image in (clean, *noisy)]
    titles = ["clean", *(f"draw {number + 1}" for number in range(len(noisy)))]
    return Picture(
        "draws",
        "Several draws",
        f"One clean crop with {len(noisy)} noises of the trained model at {result.name}: no two "
        "may be alike.",
        grid_of_rows([(result.name, images)], titles),
        dpi=150,
        whole=True,
    )


@styled
def training_of_terms(rows: list[dict[str, Any]], terms: Mapping[str, str]) -> Picture | None:
    """Each term over steps, in training and validation.

    Args:
        rows: of metrics.jsonl.
        terms: name in these rows to heading; in validation they begin with "validation_".
    """
    lines = {
        key: np.array([(row["step"], row[key]) for row in rows if row.get(key) is not None])
        for name in terms
        for key in (name, f"validation_{name}")
    }
    if not any(map(len, lines.values())):
        return None
    figure, axes = new_figure(2.6, 1, len(terms))
    for axis, (name, heading) in zip(axes[0], terms.items(), strict=True):
        found = {
            name: {"alpha": 0.45, "linewidth": 1},
            f"validation_{name}": {"marker": "o", "markersize": 2.5},
        }
        for key, look in found.items():
            if len(lines[key]):
                axis.plot(lines[key][:, 0], lines[key][:, 1], color=INK, **look)
        values = np.concatenate([lines[key][:, 1] for key in found if len(lines[key])] or [[1.0]])
        if values.min() > 0 and values.max() > 20 * values.min():
            axis.set_yscale("log")  # the first steps would hide all others
        axis.set_title(heading, loc="left")
        axis.set_xlabel("step")
    handles = [
        Line2D([], [], color=INK, alpha=0.45, linewidth=1, label="training"),
        Line2D([], [], color=INK, marker="o", markersize=2.5, label="validation"),
    ]
    legend_below(figure, handles)
    return Picture(
        "training",
        "Training",
        "The terms of the loss before their weights. A contrastive term that stays at its first "
        "value does nothing.",
        figure,
    )


def _strength(values: np.ndarray, clean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Intensity and root mean square, of 255, where there are pixels enough."""
    curve = square_by_intensity(values.reshape(-1, 1), clean.reshape(-1, 1), bins=_BINS)
    kept = curve.pixels[0] >= _FEWEST
    return 255 * curve.clean[0, kept], 255 * np.sqrt(curve.square[0, kept])


def _middling(clean: np.ndarray) -> int:
    """The crop of middling detail."""
    return int(np.argsort(clean.std(axis=(1, 2, 3)))[len(clean) // 2])


def grid_of_rows(rows: list[tuple[str, list[np.ndarray]]], titles: list[str]) -> Figure:
    """Pictures side by side.

    Args:
        rows: name of each row, and its pictures in [0, 1].
        titles: of the columns.
    """
    side = 1.3 * max(6 / len(titles), 1)
    figure, axes = new_figure(side * len(rows), len(rows), len(titles))
    for row, (name, images) in zip(axes, rows, strict=True):
        for axis, image in zip(row, images, strict=True):
            axis.imshow(np.clip(np.nan_to_num(image), 0, 1), interpolation="none")
            axis.set(xticks=[], yticks=[])
            axis.grid(False)
            axis.spines[:].set_visible(False)
        row[0].set_ylabel(shown(name), fontsize=8)
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(shown(title, 16), fontsize=8.5)
    return figure
