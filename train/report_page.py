"""The report as one HTML page that needs nothing but itself."""

import html
import math
from typing import Any

from train.figures import Picture, svg_text

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
    verdict: str,
    evaluation: dict[str, Any],
    sections: list[str],
    pictures: list[Picture],
    notes: list[str],
) -> str:
    """The HTML text of the report, which is also well-formed XML.

    Args:
        title: heading of the page.
        verdict: one line under it.
        evaluation: with the number and the shape of the test patches.
        sections: tables as HTML, from `noise_sections` and `denoising_section`.
        pictures: the figures in their order.
        notes: sentences for the end.

    Returns:
        The page; nothing in it refers to another file or host.
    """
    height, width, channels = evaluation["patch_shape"]
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8"/>',
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>',
        f"<title>{_text(title)}</title><style>{_CSS}</style></head><body><main>",
        f'<h1>{_text(title)}</h1><p class="verdict">{_text(verdict)}</p>',
        f'<p class="soft">{evaluation["patches"]} held-out patches of {height} × {width} × '
        f"{channels}.</p>",
        *sections,
    ]
    for picture in pictures:
        parts.append(
            f'<h2>{_text(picture.title)}</h2><figure role="group" '
            f'aria-label="{_text(picture.title)}">{svg_text(picture)}'
            f"<figcaption>{_text(picture.caption)}</figcaption></figure>"
        )
    if notes:
        parts.append("<h2>Notes</h2><ul>")
        parts += [f"<li>{_text(note)}</li>" for note in notes]
        parts.append("</ul>")
    parts.append("</main></body></html>\n")
    return "\n".join(parts)


def noise_sections(evaluation: dict[str, Any], best: str | None) -> str:
    """The tables of noise models.

    Args:
        evaluation: of `train.report_numbers.evaluate`.
        best: name of the model to set off, if any.

    Returns:
        HTML.
    """
    note = "Lower is better in every column but the improvement. " + _table_note(evaluation)
    parts = [_table(evaluation, best), f'<p class="soft">{_text(note)}</p>', _heat(evaluation)]
    return "\n".join(parts)


def denoising_section(evaluation: dict[str, Any]) -> str:
    """The table of denoisers.

    Args:
        evaluation: of `train.denoised.evaluate`.

    Returns:
        HTML.
    """
    heads = ["denoiser", "parameters", "PSNR<small>dB</small>", "SSIM"]
    heads.append("error left<small>of the noise</small>")
    lines = ['<h2>Denoising</h2><div class="scroll"><table><thead><tr>']
    lines += [f"<th>{head}</th>" for head in heads] + ["</tr></thead><tbody>"]
    known = [row["psnr"] for row in evaluation["denoisers"] if row["psnr"] is not None]
    for row in evaluation["denoisers"]:
        error = row["psnr_standard_error"]
        beside = "" if error is None else f"<small>± {error:.2f}</small>"
        cells = [
            _text(_short(row["name"])),
            "–" if row["parameters"] is None else f"{row['parameters']:,}",
            f"{decibels(row['psnr'])}{beside}",
            number(row["ssim"]),
            percent(row["error_ratio"]),
        ]
        kind = "best" if row["psnr"] == max(known, default=None) else ""
        lines.append(f'<tr class="{kind}">{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>')
    lines.append("</tbody></table></div>")
    if any(
        row["ssim"] is not None or row["psnr_standard_error"] for row in evaluation["denoisers"]
    ):
        note = (
            "Means over patches of estimates clipped to [0, 1], with the full scale as range; SSIM "
            "with a Gaussian window of standard deviation 0.8. The error left is the squared error "
            "of all patches over that of the noisy images."
        )
    else:
        note = (
            "Without clean images: the error against the other shot, less that shot's noise, of "
            "all patches together; PSNR with the full scale as range, error left as a part of the "
            "noise's energy."
        )
    lines.append(f'<p class="soft">{_text(note)}</p>')
    return "\n".join(lines)


def _text(text: str) -> str:
    """Escaped for HTML, without the control characters that XML forbids."""
    kept = "".join(c if c.isprintable() or c in "\n\t" else " " for c in str(text))
    return html.escape(kept)


def _table_note(evaluation: dict[str, Any]) -> str:
    return (
        "KL divergences are between histograms of noise in 66 bins, real to model, in nats; "
        "smoothed adds one to every count, dropped leaves empty bins out. Two finite draws of one "
        "and the same noise do not reach 0 but the floor, here from "
        f"{evaluation['floor_source']}. Standard errors take patches as independent. "
        "KS is the largest gap between cumulative histograms, whose bins of 0.0078 are coarse for "
        "raw noise."
    )


def _table(evaluation: dict[str, Any], best: str | None) -> str:
    with_truth = evaluation["truth"] is not None
    heads = ["model", "parameters", "NLL<small>nats / dim</small>"]
    heads += ["above truth<small>nats / dim</small>"] if with_truth else []
    heads += [
        "likelihood<small>over AWGN</small>",
        "KL pooled<small>smoothed</small>",
        "KL pooled<small>dropped</small>",
        "KL per patch<small>smoothed</small>",
        "KL per patch<small>dropped</small>",
        "KS<small>per patch</small>",
    ]
    lines = ['<div class="scroll"><table><thead><tr>']
    lines += [f"<th>{head}</th>" for head in heads] + ["</tr></thead><tbody>"]
    rows = [*evaluation["models"], *([evaluation["truth"]] if with_truth else [])]
    for row in rows:
        kind = "truth" if row is evaluation["truth"] else "best" if row["name"] == best else ""
        count = "–" if row["parameters"] is None else f"{row['parameters']:,}"
        cells = [_text(_short(row["name"])), count]
        cells.append(number(row["nll"]))
        if with_truth:
            cells.append(_above(row))
        gain = row.get("improvement_over_awgn")
        cells.append("–" if gain is None else f"{100 * gain:+.1f} %".replace("-", "−"))
        for key in ("kl_smoothed", "kl_dropped", "patch_kl_smoothed", "patch_kl_dropped", "ks"):
            floor = evaluation["floor"].get(key)
            bare = floor is None or kind == "truth"
            beside = "" if bare else f"<small>floor {number(floor)}</small>"
            cells.append(f"{number(row.get(key))}{beside}" if key in row else "–")
        columns = "".join(f"<td>{cell}</td>" for cell in cells)
        lines.append(f'<tr class="{kind}">{columns}</tr>')
    return "\n".join([*lines, "</tbody></table></div>"])


def _short(name: str, length: int = 30) -> str:
    return name if len(name) <= length else name[: length - 1] + "…"


def _above(row: dict[str, Any]) -> str:
    if "above_truth" not in row:
        return "0"
    error = row["above_truth_standard_error"]
    beside = "" if error is None else f"<small>± {number(error)}</small>"
    return number(row["above_truth"], signed=True) + beside


def _heat(evaluation: dict[str, Any]) -> str:
    """KL per camera, ISO and intensity bin, shaded by how many times the floor it is."""
    if not evaluation["groups"]:
        return ""
    titles = {"camera": "camera", "iso": "ISO", "intensity": "clean intensity"}
    names = [row["name"] for row in evaluation["models"]]
    lines = ["<h2>KL by camera, ISO and intensity</h2>"]
    lines += ['<div class="scroll"><table class="heat"><thead><tr><th></th><th>floor</th>']
    lines += [f"<th>{_text(_short(name, 22))}</th>" for name in names] + ["</tr></thead><tbody>"]
    for kind, rows in evaluation["groups"].items():
        lines.append(f'<tr class="kind"><td colspan="{len(names) + 2}">{titles[kind]}</td></tr>')
        for row in rows:
            floor = row["floor_smoothed"]
            cells = [f"<td>{_text(_short(row['label']))}</td><td>{number(floor)}</td>"]
            cells += [f"<td{_shade(kl, floor)}>{number(kl)}</td>" for kl in row["kl_smoothed"]]
            lines.append(f"<tr>{''.join(cells)}</tr>")
    lines.append("</tbody></table></div>")
    lines.append(
        '<p class="soft">Pooled KL of the smoothed histograms. Green is within twice the floor, '
        "red is from a thousand times; look for a row that stands out in a good model.</p>"
    )
    return "\n".join(lines)


def _shade(kl: float | None, floor: float | None) -> str:
    if kl is None or not floor or floor <= 0:
        return ""
    # Green up to twice the floor, red from a thousand times.
    place = min(max(math.log(kl / floor / 2) / math.log(500), 0), 1) if kl > 0 else 0
    stops = ((43, 163, 111), (224, 150, 30), (229, 83, 75))
    low = min(int(2 * place), 1)
    pairs = zip(stops[low], stops[low + 1], strict=True)
    mixed = [str(round(a + (2 * place - low) * (b - a))) for a, b in pairs]
    return f' style="background: rgb({" ".join(mixed)} / 0.25)"'
