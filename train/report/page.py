"""The report as one HTML page that needs nothing but itself."""

from collections.abc import Sequence

from train.report.section import Section
from train.report.style import Picture, svg_text
from train.report.table import escaped

_CSS = """
:root { color-scheme: light dark; --font: system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
  --paper: #ffffff; --ink: #1b1f24; --soft: #5c6570; --line: #d5dae0; --panel: #f6f8fa; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171b; --ink: #e4e8ec; --soft: #98a2ad;
  --line: #343a42; --panel: #1c2025; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.55 var(--font); }
main { max-width: 1080px; margin: 0 auto; padding: 40px 24px 72px; }
h1 { font-size: 30px; line-height: 1.2; letter-spacing: -0.015em; margin: 0 0 10px; }
h2 { font-size: 19px; letter-spacing: -0.01em; margin: 52px 0 8px; }
.failed { font-size: 18px; font-weight: 650; border-left: 4px solid #e5534b; padding-left: 12px; }
.verdict { font-size: 18px; margin: 0 0 8px; max-width: 56em; }
p, li { max-width: 68em; } .soft, figcaption { color: var(--soft); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14px;
  font-variant-numeric: tabular-nums; }
th { font-weight: 600; text-align: right; vertical-align: bottom; padding: 7px 8px;
  border-bottom: 1px solid var(--ink); line-height: 1.3; }
td { text-align: right; padding: 7px 8px; border-bottom: 1px solid var(--line); line-height: 1.3;
  white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 4px; }
td small, th small { display: block; color: var(--soft); font-weight: 400; font-size: 12px; }
tr.best td { background: var(--panel); } tr.best td:first-child { font-weight: 650; }
tr.truth td { font-style: italic; }
table.heat { font-size: 13px; table-layout: fixed; min-width: 720px; }
table.heat th:first-child { width: 19%; } table.heat td { padding: 4px 10px; }
table.heat tr.kind td { font-weight: 600; padding-top: 14px; border-bottom-color: var(--soft); }
figure { margin: 8px 0 0; } figure svg { display: block; width: 100%; height: auto; }
svg * { stroke-linejoin: round; stroke-linecap: butt; }
svg image { image-rendering: pixelated; }
figcaption { font-size: 14px; margin-top: 8px; max-width: 68em; }
@media print { h2 { break-after: avoid; } figure, table { break-inside: avoid; } }
"""


def number(value: float | None, *, signed: bool = False) -> str:
    """A number for a table: four decimals, or two digits when those would hide it."""
    if value is None:
        return "–"
    sign = "+" if signed else ""
    size = abs(value)
    if size >= 1e5 or 0 < size < 0.000095:
        mantissa, exponent = format(value, f"{sign}.1e").split("e")
        text = f"{mantissa}e{int(exponent)}"
    else:
        text = format(value, f"{sign}.5f" if 0 < size < 0.00095 else f"{sign}.4f")
    return text.replace("-", "−")


def decibels(value: float | None) -> str:
    """A PSNR for a table."""
    return "–" if value is None else f"{value:.2f}"


def percent(value: float | None) -> str:
    """A part of the whole for a table."""
    return "–" if value is None else f"{100 * value:.1f} %"


def page(
    title: str,
    subject: str,
    sections: Sequence[Section],
    *,
    failed: Sequence[str],
    notes: Sequence[str],
) -> str:
    """The HTML text of the report, which is also well-formed XML.

    Args:
        title: heading of the page.
        subject: one line on what was looked at.
        sections: in their order.
        failed: sentences that come before all others.
        notes: sentences for the end.

    Returns:
        The page; nothing in it refers to another file or host.
    """
    verdict = " ".join(section.verdict for section in sections if section.verdict)
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8"/>',
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>',
        f"<title>{escaped(title)}</title><style>{_CSS}</style></head><body><main>",
        f"<h1>{escaped(title)}</h1>",
        *(f'<p class="failed">{escaped(sentence)}</p>' for sentence in failed),
        f'<p class="verdict">{escaped(verdict)}</p>',
        f'<p class="soft">{escaped(subject)}</p>',
    ]
    for section in sections:
        parts.append(section.html)
        parts += [_figure(picture) for picture in section.pictures]
    if notes:
        parts.append("<h2>Notes</h2><ul>")
        parts += [f"<li>{escaped(note)}</li>" for note in notes]
        parts.append("</ul>")
    parts.append("</main></body></html>\n")
    return "\n".join(parts)


def _figure(picture: Picture) -> str:
    title = escaped(picture.title)
    return (
        f'<h2>{title}</h2><figure role="group" aria-label="{title}">{svg_text(picture)}'
        f"<figcaption>{escaped(picture.caption)}</figcaption></figure>"
    )
