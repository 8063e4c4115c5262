"""Figures of the benchmarks of distances."""

from typing import Any

from matplotlib.lines import Line2D

from benchmarks.harness.distances.methods import OURS
from benchmarks.harness.record import ROOT
from train.report.style import INK, PALETTE, Picture, legend_below, new_figure, styled

FIGURES = ROOT / "docs" / "figures"
OUR_COLOUR = PALETTE[5]
OTHERS = (*PALETTE[1:5], *PALETTE[6:])
LOWEST = 1e-8


@styled
def speed_figure(results: dict[str, Any]) -> Picture:
    """Times against the number of values, and next to each other at one size.

    Args:
        results: of `benchmarks.distances.measure`.
    """
    rows = results["rows"]
    distances = list({row["distance"]: None for row in rows})
    figure, axes = new_figure(6.2, 2, len(distances))
    sizes = {(row["sets"], row["samples"]): None for row in rows}
    sets = max({s for s, _ in sizes}, key=lambda s: (sum(s == other for other, _ in sizes), s))
    shown = sorted(samples for s, samples in sizes if s == sets)
    samples = 16384 if 16384 in shown else shown[-1]
    for column, distance in enumerate(distances):
        own = [row for row in rows if row["distance"] == distance and row["sets"] == sets]
        names = list({row["method"]: None for row in own})
        peers = [name for name in names if name != OURS]
        colour = {**dict(zip(peers, OTHERS, strict=False)), OURS: OUR_COLOUR}
        _curves(axes[0, column], own, names, colour)
        axes[0, column].set_title(f"{distance}, {sets} × {sets} pairs", loc="left")
        _bars(axes[1, column], [row for row in own if row["samples"] == samples], names, colour)
        axes[1, column].set_title(f"{sets} tensors of {samples:,} values", loc="left")
    handles = [
        Line2D([], [], color=INK, label="value and gradient of a loss"),
        Line2D([], [], color=INK, linestyle=(0, (2, 2)), label="value alone"),
        Line2D([], [], color=INK, marker="o", markerfacecolor="white", label="extrapolated (~)"),
    ]
    legend_below(figure, handles)
    caption = f"Times on {results['settings']['device']}, {results['settings']['threads']} cores."
    return Picture("distances", "Speed of distances", caption, figure)


def _curves(axis: Any, rows: list[dict[str, Any]], names: list[str], colour: dict) -> None:
    """Time against number of values."""
    for name in names:
        for task, dashes in (("gradient", "-"), ("value", (0, (2, 2)))):
            points = [row for row in rows if (row["method"], row["task"]) == (name, task)]
            points.sort(key=lambda row: row["samples"])
            x = [row["samples"] for row in points]
            y = [row["milliseconds"] for row in points]
            width = 2.2 if name == OURS else 1.2
            axis.plot(x, y, color=colour[name], linestyle=dashes, linewidth=width)
            for row in points:
                face = "white" if row["extrapolated"] else colour[name]
                style = {"marker": "o", "markersize": 4, "markerfacecolor": face}
                axis.plot(row["samples"], row["milliseconds"], color=colour[name], **style)
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    axis.set_xticks(ticks := sorted({row["samples"] for row in rows}))
    axis.set_xticklabels([f"{tick:,}" for tick in ticks])
    axis.set_xlabel("values of a tensor")
    axis.set_ylabel("milliseconds")


def _bars(axis: Any, rows: list[dict[str, Any]], names: list[str], colour: dict) -> None:
    """One bar per method, value and gradient where it has one, else the value alone."""
    found = []
    for name in names:
        own = {row["task"]: row for row in rows if row["method"] == name}
        if own:
            found.append((name, own.get("gradient") or own["value"]))
    found.sort(key=lambda one: -one[1]["milliseconds"])
    for place, (name, row) in enumerate(found):
        axis.barh(place, row["milliseconds"], color=colour[name], height=0.7)
        text = " ~" if row["extrapolated"] else " "
        text += _milliseconds(row["milliseconds"])
        text += ", value" if row["task"] == "value" else ""
        axis.annotate(text, (row["milliseconds"], place), va="center", fontsize=7.5, color=INK)
    axis.set_yticks(range(len(found)), [name for name, _ in found])
    axis.set_xscale("log")
    largest = max((row["milliseconds"] for _, row in found), default=1.0)
    least = min((row["milliseconds"] for _, row in found), default=1.0)
    axis.set_xlim(least / 3, largest * (largest / least) ** 0.9 * 4)
    axis.grid(visible=False, axis="y")
    axis.set_xlabel("milliseconds")


def _milliseconds(value: float) -> str:
    """About three digits in ms, s or h."""
    if value < 1e3:
        divisor, unit = 1, "ms"
    else:
        divisor, unit = (1e3, "s") if value < 3.6e6 else (3.6e6, "h")
    value /= divisor
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"


@styled
def accuracy_figure(rows: list[dict[str, Any]]) -> Picture:
    """Errors, nodes and times of the squared MMD against the range of the data.

    Args:
        rows: of `benchmarks.distances_accuracy.measure_mmd2`.
    """
    rows = [row for row in rows if isinstance(row["range_over_bandwidth"], float)]
    spans = [row["range_over_bandwidth"] for row in rows]
    forms = list(rows[0]["errors"])
    colour = dict(zip(forms, (OUR_COLOUR, *OTHERS), strict=False))
    figure, axes = new_figure(3.6, 1, 3)
    for form in forms:
        for kinds, dashes in (
            (("biased_above", "unbiased_above"), "-"),
            (("biased_below", "unbiased_below"), (0, (2, 2))),
        ):
            points = [
                (s, _worst(row["errors"][form], kinds)) for s, row in zip(spans, rows, strict=True)
            ]
            _line(axes[0, 0], points, colour[form], dashes)
        kinds = ("gradient_above", "gradient_below")
        points = [
            (s, _worst(row["errors"][form], kinds)) for s, row in zip(spans, rows, strict=True)
        ]
        _line(axes[0, 1], points, colour[form], "-")
        timed = [
            (s, row.get("milliseconds", {}).get(form)) for s, row in zip(spans, rows, strict=True)
        ]
        _line(axes[0, 2], timed, colour[form], "-")
    for span, row in zip(spans, rows, strict=True):
        if "milliseconds" in row:
            place = (span, row["milliseconds"][forms[0]])
            axes[0, 2].annotate(
                f"{row['nodes']['float32'][-1]}", place, xytext=(0, 5), textcoords="offset points",
                ha="center", fontsize=7.5, color=INK,
            )  # fmt: skip
    titles = ("Relative error of MMD²", "Relative error of its gradient", "Time, and nodes")
    for axis, title in zip(axes.flat, titles, strict=True):
        axis.set_title(title, loc="left")
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.set_xlabel("range of the values / bandwidth")
    axes[0, 0].set_ylim(LOWEST / 2, 3)
    axes[0, 1].set_ylim(LOWEST / 2, 3)
    axes[0, 2].set_ylabel("milliseconds, all pairs, with gradient")
    handles = [Line2D([], [], color=colour[form], label=form) for form in forms]
    handles.append(Line2D([], [], color=INK, label="MMD² above 1 / samples"))
    handles.append(Line2D([], [], color=INK, linestyle=(0, (2, 2)), label="below"))
    legend_below(figure, handles)
    caption = "The worst of nine distributions and four ways in which two samples differ."
    return Picture("distances_accuracy", "Accuracy of distances", caption, figure)


def _worst(errors: dict[str, Any], kinds: tuple[str, ...]) -> float | None:
    found = [errors[kind]["worst"] for kind in kinds if kind in errors]
    return max(LOWEST, max(found)) if found else None


def _line(axis: Any, points: list[tuple[float, Any]], colour: str, dashes: Any) -> None:
    points = [(x, y) for x, y in points if y is not None]
    if points:
        x, y = zip(*points, strict=True)
        axis.plot(x, y, color=colour, linestyle=dashes, marker="o", markersize=3)
