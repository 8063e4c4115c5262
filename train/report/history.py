"""Figures of what happened during training: likelihoods and learned parameters."""

import math
from typing import Any

import numpy as np
from matplotlib.lines import Line2D

from train.report.style import (
    INK,
    PALETTE,
    Picture,
    colours,
    legend_below,
    new_figure,
    shown,
    styled,
)

_POINTS = 300
_SERIES = 12


@styled
def learning_curves(
    history: dict[str, list[dict[str, Any]]], evaluation: dict[str, Any]
) -> Picture | None:
    """NLL over steps of each trained model, with the baselines and the truth as lines.

    Args:
        history: model name to the rows of its metrics.jsonl.
        evaluation: of `train.report.noise_numbers.evaluate`.

    Returns:
        The figure, or None when nothing was trained step by step.
    """
    curves = {name: _curves(rows) for name, rows in history.items()}
    curves = {name: lines for name, lines in curves.items() if any(len(s) for s, _ in lines)}
    if not curves:
        return None
    columns = min(len(curves), 3)
    rows = math.ceil(len(curves) / columns)
    figure, axes = new_figure(2.9 * rows + 0.35, rows, columns)
    colour = colours([row["name"] for row in evaluation["models"]])
    levels = {
        row["name"]: row["nll"]
        for row in evaluation["models"]
        if row["name"] not in curves and row["nll"] is not None
    }
    truth = evaluation["truth"]
    for axis in axes.flat[len(curves) :]:
        axis.set_visible(False)
    for index, (axis, (name, lines)) in enumerate(zip(axes.flat, curves.items(), strict=False)):
        tint = colour.get(name, PALETTE[index % len(PALETTE)])
        (step, nll), (validation_step, validation) = lines
        axis.plot(*_thinned(step, nll), color=tint, alpha=0.45, linewidth=1)
        axis.plot(validation_step, validation, color=tint, marker="o", markersize=2.5)
        for label, level in levels.items():
            axis.axhline(level, color=colour[label], linewidth=1, linestyle=(0, (5, 3)))
        if truth is not None and truth["nll"] is not None:
            axis.axhline(truth["nll"], color=INK, linewidth=1, linestyle=(0, (1, 1.5)))
        _limits(axis, nll, validation, [*levels.values(), truth["nll"] if truth else None])
        axis.set_title(shown(name), loc="left")
        axis.set_xlabel("step")
        axis.set_ylabel("nats per dimension")
    handles = [
        Line2D([], [], color=INK, alpha=0.45, linewidth=1, label="training"),
        Line2D([], [], color=INK, marker="o", markersize=2.5, label="validation"),
    ]
    handles += [
        Line2D([], [], color=colour[label], linestyle=(0, (5, 3)), label=f"{shown(label)} (test)")
        for label in levels
    ]
    if truth is not None:
        handles.append(Line2D([], [], color=INK, linestyle=(0, (1, 1.5)), label="truth (test)"))
    legend_below(figure, handles)
    return Picture(
        "training",
        "Training",
        "Negative log-likelihood over training steps. Look for a flat end, and for validation that "
        "stays with training; lines across are the test NLL of what was fitted in closed form.",
        figure,
    )


def _curves(rows: list[dict[str, Any]]) -> list[tuple[np.ndarray, np.ndarray]]:
    lines = []
    for key in ("nll", "validation_nll"):
        points = [
            (row["step"], row[key])
            for row in rows
            if isinstance(row.get(key), int | float) and math.isfinite(row[key])
        ]
        line = np.array(points, np.float64).reshape(-1, 2)
        lines.append((line[:, 0], line[:, 1]))
    return lines


def _thinned(step: np.ndarray, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means of consecutive points, so that a long run does not make a heavy page."""
    if len(step) <= _POINTS:
        return step, value
    starts = np.linspace(0, len(step), _POINTS, endpoint=False).astype(int)
    sizes = np.diff([*starts, len(step)])
    return np.add.reduceat(step, starts) / sizes, np.add.reduceat(value, starts) / sizes


def _limits(axis, nll, validation, levels) -> None:
    """Leaves the first steps out of sight when they would squeeze all the rest."""
    values = np.concatenate([nll, validation])
    known = [level for level in levels if level is not None]
    late = np.concatenate([nll[len(nll) // 10 :], validation[len(validation) // 4 :]])
    low = min([values.min(), *known])
    high = max([np.quantile(late, 0.99) if len(late) else values.max(), *known])
    margin = 0.05 * max(high - low, 1e-6)
    axis.set_ylim(low - margin, high + margin)


@styled
def learned_parameters(history: dict[str, list[dict[str, Any]]]) -> list[Picture]:
    """Learned signal, gain and camera parameters over training, one figure per model.

    Args:
        history: model name to rows, of which some hold "parameters", such as {"beta1": 0.1,
            "gain/100": 2.0}. What precedes the slash names a panel.

    Returns:
        The figures; none when no row holds parameters.
    """
    pictures = []
    for name, rows in history.items():
        rows = [row for row in rows if row.get("parameters")]
        panels = _panels(rows)
        if len(rows) < 2 or not panels:
            continue
        columns = min(len(panels), 3)
        lines = math.ceil(len(panels) / columns)
        figure, axes = new_figure(3.0 * lines, lines, columns)
        for axis in axes.flat[len(panels) :]:
            axis.set_visible(False)
        for axis, (title, series) in zip(axes.flat, panels.items(), strict=False):
            _panel(axis, title, series)
        pictures.append(
            Picture(
                f"parameters-{len(pictures) + 1}",
                f"Learned parameters of {shown(name)}",
                "The paper's Figures 6 and 7: the shot term beta1 should come to dominate the read "
                "term beta2, gains should follow the ISO, and cameras should differ.",
                figure,
            )
        )
    return pictures


def _panels(rows: list[dict[str, Any]]) -> dict[str, dict[str, np.ndarray]]:
    points: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for row in rows:
        for key, value in row["parameters"].items():
            if isinstance(value, int | float) and math.isfinite(value):
                panel, _, label = key.rpartition("/")
                points.setdefault(panel, {}).setdefault(label, []).append((row["step"], value))
    return {
        panel: {label: np.array(line, np.float64) for label, line in list(series.items())[:_SERIES]}
        for panel, series in points.items()
    }


def _panel(axis, title: str, series: dict[str, np.ndarray]) -> None:
    values = np.concatenate([line[:, 1] for line in series.values()])
    ordered = all(label.isdigit() for label in series)
    for index, (label, line) in enumerate(series.items()):
        colour = sequence(index, len(series)) if ordered else PALETTE[(index + 1) % len(PALETTE)]
        axis.plot(line[:, 0], line[:, 1], color=colour, label=shown(label, 18))
    if values.min() > 0 and values.max() > 20 * values.min():
        axis.set_yscale("log")
    axis.set_title(shown(title or "signal-dependent layer"), loc="left")
    axis.set_xlabel("step")
    axis.margins(x=0.02)
    axis.legend(
        loc="upper left", bbox_to_anchor=(-0.06, -0.2), ncols=min(len(series), 4), columnspacing=1.2
    )


def sequence(index: int, count: int) -> str:
    """Colour of an ordered series such as ISO numbers, from blue to orange through violet."""
    stops = np.array([[47, 127, 214], [150, 95, 205], [222, 80, 130], [232, 145, 45]], float)
    place = (len(stops) - 1) * (index / max(count - 1, 1))
    low = min(int(place), len(stops) - 2)
    mixed = stops[low] + (place - low) * (stops[low + 1] - stops[low])
    return "#" + "".join(f"{round(level):02x}" for level in mixed)
