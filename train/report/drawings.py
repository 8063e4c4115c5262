"""Figures as parts of a page: panels that flow with its width, and their legend as text."""

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from train.report.style import FAINT, INK, WIDTH, Picture, styled, svg_source

PIXELS = 1032 / (72 * WIDTH)
"""Of the page for a point of a figure: a figure of full width fills the column of text."""
_MARGIN = 2.0
_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"


@dataclass(frozen=True)
class Panel:
    """A piece of a figure.

    Attributes:
        width: in pixels of the page at its widest.
        svg: an `<svg>` element.
    """

    width: int
    svg: Markup = field(repr=False)


@dataclass(frozen=True)
class Key:
    """An entry of a legend: how something is drawn, and what it is."""

    label: str
    colour: str
    width: float
    opacity: float
    dashes: str
    marker: bool
    line: bool


@dataclass(frozen=True)
class Drawing:
    """A figure of the page.

    Attributes:
        picture: what it shows.
        panels: its axes, each of which can stand in a row of its own; one where they cannot.
        keys: its legend.
    """

    picture: Picture
    panels: tuple[Panel, ...]
    keys: tuple[Key, ...]


def drawing(picture: Picture) -> Drawing:
    """The figure as the page shows it.

    Args:
        picture: a figure, with titles that are text.
    """
    axes = [axis for axis in picture.figure.axes if axis.get_visible()]
    for number, axis in enumerate(axes):
        axis.set_gid(f"panel-{number}")
    text = _themed(svg_source(picture), prefix=f"{picture.name}-")
    if picture.whole:
        return Drawing(picture, (Panel(round(72 * WIDTH * PIXELS), Markup(text)),), ())
    root = ElementTree.fromstring(text)
    groups = {group.get("id"): group for group in root.iter(f"{{{_SVG}}}g")}
    shared = [child for child in root if child.tag == f"{{{_SVG}}}defs"]
    panels = []
    for number, box in enumerate(_boxes(picture, axes)):
        content = [groups[f"{picture.name}-panel-{number}"], *([] if number else shared)]
        panels.append(_panel(content, *box))
    return Drawing(picture, tuple(panels), tuple(_keys(picture)))


def _themed(text: str, *, prefix: str) -> str:
    """An SVG file as an element of a page, with the page's colours and font."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'<svg ([^>]*?)width="[^"]*" ?', r"<svg \1", text, count=1)
    text = re.sub(r'<svg ([^>]*?)height="[^"]*" ?', r"<svg \1", text, count=1)
    # A style element inside an inline SVG would apply to the whole page.
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r"font-family: [^;\"]*'DejaVu Sans'[^;\"]*;? ?", "", text)
    text = re.sub(r"font: ([^;\"]*?)'DejaVu Sans'[^;\"]*", r"font: \1var(--font)", text)
    text = re.sub(r'\bid="', f'id="{prefix}', text)
    text = text.replace("url(#", f"url(#{prefix}")
    text = re.sub(r'href="#', f'href="#{prefix}', text)
    return text.replace(INK, "currentColor").replace(FAINT, "var(--line)")


# How many ticks there are depends on the style.
@styled
def _boxes(picture: Picture, axes: list[Any]) -> list[tuple[float, float, float, float]]:
    """Left, top, width and height of each panel in points; those of a row are of one height."""
    figure = picture.figure
    canvas: Any = figure.canvas
    renderer, point = canvas.get_renderer(), figure.dpi / 72
    boxes = [axis.get_tightbbox(renderer) for axis in axes]
    rows = [axis.get_subplotspec().rowspan.start for axis in axes]
    found = []
    for box, row in zip(boxes, rows, strict=True):
        beside = [other for other, place in zip(boxes, rows, strict=True) if place == row]
        top, bottom = max(other.y1 for other in beside), min(other.y0 for other in beside)
        left, width = box.x0 / point - _MARGIN, box.width / point + 2 * _MARGIN
        up = figure.bbox.height / point - top / point - _MARGIN
        found.append((left, up, width, (top - bottom) / point + 2 * _MARGIN))
    return found


def _panel(
    content: list[ElementTree.Element], left: float, top: float, width: float, height: float
) -> Panel:
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _XLINK)
    inside = "".join(ElementTree.tostring(part, encoding="unicode") for part in content)
    box = f"{left:.1f} {top:.1f} {width:.1f} {height:.1f}"
    text = f'<svg xmlns="{_SVG}" viewBox="{box}">{inside}</svg>'
    return Panel(int(width * PIXELS), Markup(text))


def _keys(picture: Picture) -> list[Key]:
    found = []
    for legend in picture.figure.legends:
        for handle, label in zip(legend.legend_handles, legend.get_texts(), strict=True):
            line: Any = handle
            # There is no public name for what the line was made with.
            _, dashes = getattr(line, "_unscaled_dash_pattern", (0, None))
            colour = line.get_color()
            found.append(
                Key(
                    label=label.get_text().replace(r"\$", "$"),
                    colour="currentColor" if colour == INK else colour,
                    width=line.get_linewidth(),
                    opacity=1.0 if line.get_alpha() is None else line.get_alpha(),
                    dashes=" ".join(str(dash) for dash in dashes or ()),
                    marker=line.get_marker() not in ("None", "", None),
                    line=line.get_linestyle() not in ("None", "", " "),
                )
            )
    return found
