"""Figures of what happened during training: likelihoods and learned parameters."""

import math
from typing import Any

import numpy as np
from matplotlib.lines import Line2D

from train.report.above_truth import ABOVE
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
TRUTH = "truth"
_SERIES = 12


@styled
def learning_curves(
    history: dict[str, list[dict[str, Any]]], evaluation: dict[str, Any]
) -> Picture | None:
    """NLL over steps of each trained model, above the truth where that is known.

    Args:
        history: model name to the rows of its metrics.jsonl; see `train.report.above_truth`.
        evaluation: of `train.report.noise_numbers.evaluate`.

    Returns:
        The figure, or None when nothing was trained step by step.
    """
    above = evaluation["truth"] is not None and any(
        any("validation_nll" + ABOVE in row for row in rows) for rows in history.values()
    )
    curves = {name: _curves(rows, ABOVE if above else "") for name, rows in history.items()}
    curves = {name: lines for name, lines in curves.items() if any(len(s) for s, _ in lines)}
    if not curves:
        return None
    columns = min(len(curves), 3)
    rows = math.ceil(len(curves) / columns)
    figure, axes = new_figure(2.9 * rows + 0.35, rows, columns)
    colour = colours([row["name"] for row in evaluation["models"]])
    levels = _levels(evaluation, "above_truth" if above else "nll", set(curves))
    log = above and _spans_decades([*curves.values()], levels)
    for axis in axes.flat[len(curves) :]:
        axis.set_visible(False)
    for index, (axis, (name, lines)) in enumerate(zip(axes.flat, curves.items(), strict=False)):
        tint = colour.get(name, PALETTE[index % len(PALETTE)])
        (step, nll), (validation_step, validation) = lines
        axis.plot(*_thinned(step, nll), color=tint, alpha=0.45, linewidth=1)
        axis.plot(validation_step, validation, color=tint, marker="o", markersize=2.5)
        for label, level in levels.items():
            axis.axhline(level, color=colour.get(label, INK), linewidth=1, linestyle=_dashes(label))
        if log:
            axis.set_yscale("log", nonpositive="mask")
        else:
            _limits(axis, nll, validation, [*levels.values()])
        axis.set_title(shown(name), loc="left")
        axis.set_xlabel("step")
        axis.set_ylabel("nats / dim above truth" if above else "NLL, nats / dim")
    if log:
        low, high = zip(*(axis.get_ylim() for axis in axes.flat[: len(curves)]), strict=True)
        for axis in axes.flat[: len(curves)]:
            axis.set_ylim(min(low), max(high))
    handles = [
        Line2D([], [], color=INK, alpha=0.45, linewidth=1, label="training"),
        Line2D([], [], color=INK, marker="o", markersize=2.5, label="validation"),
    ]
    handles += [
        Line2D(
            [],
            [],
            color=colour.get(label, INK),
            linestyle=_dashes(label),
            label=f"{shown(label)} (test)",
        )
        for label in levels
    ]
    legend_below(figure, handles)
    return Picture("training", "Training", _caption(above, log), figure)


def _dashes(name: str) -> tuple[float, tuple[float, float]]:
    """Dots for the truth, long dashes for models."""
    return (0, (1, 1.5)) if name == TRUTH else (0, (5, 3))


def _levels(evaluation: dict[str, Any], key: str, trained: set[str]) -> dict[str, float]:
    """Test values of what was not trained step by step, and of the truth unless all is above it."""
    rows = [row for row in evaluation["models"] if row["name"] not in trained]
    if key == "nll" and evaluation["truth"] is not None:
        rows.append(evaluation["truth"])
    return {row["name"]: row[key] for row in rows if row[key] is not None}


def _spans_decades(curves: list, levels: dict[str, float]) -> bool:
    """Whether all validations and nearly all steps are above the truth, by very different sizes."""
    training = np.concatenate([lines[0][1] for lines in curves])
    validation = np.concatenate([lines[1][1] for lines in curves])
    values = np.array([*validation, *levels.values(), *training[training > 0]])
    few = np.count_nonzero(training <= 0) <= 0.05 * len(training)
    return bool(few and (validation > 0).all() and values.size and values.max() > 20 * values.min())


def _caption(above: bool, log: bool) -> str:
    lines = "; lines across are what was fitted in closed form, on the test patches."
    if not above:
        return (
            "Negative log-likelihood in nats per dimension over training steps, one panel per "
            "model. Look for a flat end, and for validation that stays with training" + lines
        )
    axis = ", on a log scale, from which steps at or below the truth are missing" if log else ""
    return (
        "Negative log-likelihood over training steps, one panel per model, in nats per dimension "
        f"above the true one of the same patches{axis}: those of the step's batch for training, "
        "those of the validation split for validation. 0 cannot be beaten but by chance" + lines
    )


def _curves(rows: list[dict[str, Any]], ending: str) -> list[tuple[np.ndarray, np.ndarray]]:
    lines = []
    for key in ("nll", "validation_nll"):
        points = [
            (row["step"], row[key + ending])
            for row in rows
            if isinstance(row.get(key + ending), int | float) and math.isfinite(row[key + ending])
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
                "What the layers have learned, over training steps, one panel for each kind of "
                "parameter; numbers in the legends are ISO numbers. " + _expected(panels),
                figure,
            )
        )
    return pictures


def _expected(panels: dict[str, dict[str, np.ndarray]]) -> str:
    if any("beta1" in series for series in panels.values()):
        return (
            "As in the paper's Figures 6 and 7, the shot term beta1 should come to dominate the "
            "read term beta2, gains should follow the ISO, and cameras should differ."
        )
    return "Look for a flat end; shot and read noise should rise with the ISO."


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
        loc="upper left",
        bbox_to_anchor=(-0.06, -0.2),
        ncols=min(len(series), 5),
        handlelength=1.0,
        columnspacing=0.9,
    )


def sequence(index: int, count: int) -> str:
    """Colour of an ordered series such as ISO numbers, from blue to orange through violet."""
    stops = np.array([[47, 127, 214], [150, 95, 205], [222, 80, 130], [232, 145, 45]], float)
    place = (len(stops) - 1) * (index / max(count - 1, 1))
    low = min(int(place), len(stops) - 2)
    mixed = stops[low] + (place - low) * (stops[low + 1] - stops[low])
    return "#" + "".join(f"{round(level):02x}" for level in mixed)
