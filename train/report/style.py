"""How the report's figures look, and how they become PNG files and inline SVG."""

import contextlib
import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# Drawn in these two colours, text and lines of the SVG follow the light or dark theme of the page.
INK = "#1b1f24"
FAINT = "#d5dae0"
# Every one stands out on white and on near-black.
PALETTE = (
    "#8c939c",
    "#e08a1e",
    "#2f9fd0",
    "#b968c7",
    "#2ba36f",
    "#e5534b",
    "#6a7be0",
    "#b58a3a",
    "#3bb8ae",
    "#d76aa0",
)
WIDTH = 10.4
SHARES = {1: 0.45, 2: 0.8}
"""Of the width, by number of columns: a panel fits on a telephone without shrinking much."""
_STYLE: Any = {
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "lines.linewidth": 1.5,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "svg.fonttype": "none",
    "svg.hashsalt": "jaxnoise",
}

styled = matplotlib.rc_context(_STYLE)
"""Decorates a function that draws, so that titles and legends take the report's style."""


@dataclass(frozen=True)
class Picture:
    """A figure of the report.

    Attributes:
        name: file name without its ending.
        title: heading above it.
        caption: what to look for, one or two sentences.
        figure: the drawing.
        dpi: of its PNG.
        whole: whether its axes belong side by side, so that a narrow page scrolls to show them.
    """

    name: str
    title: str
    caption: str
    figure: Figure = field(repr=False)
    dpi: int = 110
    whole: bool = False


def colours(names: list[str]) -> dict[str, str]:
    """One colour per model, the same in every figure."""
    return {name: PALETTE[index % len(PALETTE)] for index, name in enumerate(names)}


def shown(text: str, length: int = 30) -> str:
    """A name from outside as a label: one line, of bounded length, with no markup in it."""
    text = "".join(character if character.isprintable() else " " for character in text).strip()
    text = text if len(text) <= length else text[: length - 1] + "…"
    return text.replace("$", r"\$")


@styled
def new_figure(
    height: float, rows: int = 1, columns: int = 1, **options: Any
) -> tuple[Figure, Any]:
    """A figure of the report, and its axes as a (rows, columns) array.

    Args:
        height: in inches; the width is `WIDTH`, of which few columns take `SHARES`.
        rows: of axes.
        columns: of axes.
        options: those of `Figure.subplots`.

    Returns:
        The figure, and its axes.
    """
    figure = Figure(figsize=(WIDTH * SHARES.get(columns, 1.0), height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


@styled
def legend_below(figure: Figure, handles: list, *, columns: int = 8) -> None:
    """One legend for all axes, under them."""
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), columns))


@contextlib.contextmanager
def _drawing(figure: Figure) -> Iterator[None]:
    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        # A camera's name may be in a script that the drawing font lacks.
        warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)
        if (layout := figure.get_layout_engine()) is not None:
            for axes in figure.axes:
                # On log axes they cost most of the time that drawing takes.
                axes.minorticks_off()
            # The places of the axes are found once, for all formats; left to the first of them, it
            # would draw twice.
            layout.execute(figure)
            figure.set_layout_engine("none")
        yield


def save_png(picture: Picture, path: Path) -> None:
    """Writes the figure on white."""
    with _drawing(picture.figure):
        picture.figure.savefig(
            path, dpi=picture.dpi, facecolor="white", metadata={"Software": None}
        )


def svg_source(picture: Picture) -> str:
    """The figure as an SVG file, without a background."""
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with _drawing(picture.figure):
        picture.figure.savefig(buffer, format="svg", facecolor="none", metadata=nothing)
    return buffer.getvalue()


def widths(count: int) -> list[float]:
    """Line widths that leave each of several coinciding lines in sight: later ones are thinner."""
    return np.linspace(3.0, 1.2, max(count, 1)).tolist()


def evenly(count: int, limit: int) -> np.ndarray:
    """At most `limit` of the indices below `count`, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, limit)).round().astype(int))
