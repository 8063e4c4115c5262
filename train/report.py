"""Writes the report of a run: report.html, its figures as PNG files, and evaluation.json."""

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from train import denoised as estimates
from train.denoised import DenoiserResult
from train.figures import Picture, save_png
from train.figures_conditions import histograms, variance_by_intensity
from train.figures_denoising import denoising_curves, pictures_of_estimates, psnr_by_condition
from train.figures_history import learned_parameters, learning_curves
from train.figures_spatial import correlations, pictures_of_noise, spatial_statistics
from train.report_numbers import ModelResult, TestSet, evaluate
from train.report_page import decibels, denoising_section, noise_sections, number, page, percent

__all__ = [
    "DenoiserResult",
    "ModelResult",
    "TestSet",
    "format_denoising_table",
    "format_table",
    "format_tables",
    "write_report",
]

History = dict[str, list[dict[str, Any]]]


def write_report(
    folder: Path,
    *,
    title: str,
    test: TestSet,
    results: Sequence[ModelResult] = (),
    denoised: Sequence[DenoiserResult] = (),
    history: History,
    denoising_history: History | None = None,
    notes: list[str],
    show_images: bool = True,
) -> dict[str, Any]:
    """Writes figures/*.png, evaluation.json and a self-contained report.html.

    Args:
        folder: the run folder; made when missing.
        title: heading of the report.
        test: the test patches.
        results: one entry per noise model, each for all test patches.
        denoised: one entry per denoiser, each for all test patches.
        history: noise model's name to the rows of its metrics.jsonl; may be empty.
        denoising_history: the same of denoisers.
        notes: sentences for the end of the report, such as the unit and the dequantisation.
        show_images: False leaves out pictures of patches, for images whose licence keeps them in.

    Returns:
        What evaluation.json holds: every number in the report's tables.

    Raises:
        ValueError: when there are no results, or one is not about these patches.
    """
    results, denoised = list(results), list(denoised)
    if not results and not denoised:
        raise ValueError("there is nothing to report: pass the result of at least one model.")
    evaluation: dict[str, Any] = {"title": title, "patches": len(test.clean)}
    evaluation["patch_shape"] = list(test.clean.shape[1:])
    verdicts, sections = [], []
    pictures: list[Picture | None] = []
    if denoised:
        evaluation |= estimates.evaluate(test, denoised)
        verdicts.append(_denoising_verdict(evaluation))
        sections.append(denoising_section(evaluation))
    if results:
        evaluation |= evaluate(test, results)
        statistics = spatial_statistics(test, results)
        evaluation["correlation"] = {
            name: _lag_one(values["map"]) for name, values in statistics.items()
        }
        best = _best(evaluation)
        verdicts.insert(0, _verdict(evaluation, best))
        sections.insert(0, noise_sections(evaluation, None if best is None else best["name"]))
        pictures.append(learning_curves(history, evaluation))
    pictures.append(denoising_curves(denoising_history or {}))
    if not show_images:
        notes = [*notes, "Pictures of patches are left out, as asked; all figures are statistics."]
    if denoised:
        pictures += [pictures_of_estimates(test, denoised)] if show_images else []
        pictures.append(psnr_by_condition(evaluation, pooled=test.shots is not None))
    if results:
        pictures += [pictures_of_noise(test, results)] if show_images else []
        pictures.append(histograms(test, results))
        pictures += variance_by_intensity(test, results)
        pictures += correlations(statistics)
        pictures += learned_parameters(history)
    drawn = [picture for picture in pictures if picture is not None]
    evaluation["notes"] = list(notes)

    text = page(title, " ".join(verdicts), evaluation, sections, drawn, list(notes))
    figures = Path(folder) / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    for picture in drawn:
        save_png(picture, figures / f"{picture.name}.png")
    _write(
        Path(folder) / "evaluation.json",
        json.dumps(evaluation, indent=1, allow_nan=False, ensure_ascii=False) + "\n",
    )
    _write(Path(folder) / "report.html", text)
    return evaluation


def _write(path: Path, text: str) -> None:
    """Replaces the file at once, so that a reader never sees half of it."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def _lag_one(correlation) -> dict[str, float | None]:
    middle = len(correlation) // 2
    if middle == 0:
        return {}
    values = {"right": correlation[middle, middle + 1], "down": correlation[middle + 1, middle]}
    return {key: float(value) if math.isfinite(value) else None for key, value in values.items()}


def _best(evaluation: dict[str, Any]) -> dict[str, Any] | None:
    rows = [row for row in evaluation["models"] if row["nll"] is not None]
    return min(rows, key=lambda row: row["nll"], default=None)


def _verdict(evaluation: dict[str, Any], best: dict[str, Any] | None) -> str:
    if best is None:
        return "No model has a finite likelihood on the test patches."
    parts = [f"{best['name']} has the best likelihood: {number(best['nll'])} nats per dimension"]
    if "above_truth" in best:
        error = best["above_truth_standard_error"]
        beside = "" if error is None else f" ± {number(error)}"
        parts.append(f", {number(best['above_truth'])}{beside} above the truth")
    kl, floor = best["kl_smoothed"], evaluation["floor"]["kl_smoothed"]
    if kl is None:
        return "".join(parts) + "; its noise has values that are not numbers."
    return "".join(parts) + f". The KL of its noise is {number(kl)}; the floor is {number(floor)}."


def _denoising_verdict(evaluation: dict[str, Any]) -> str:
    rows = [
        row
        for row in evaluation["denoisers"]
        if row["parameters"] is not None and row["psnr"] is not None
    ]
    best = max(rows, key=lambda row: row["psnr"], default=None)
    if best is None:
        return ""
    return (
        f"{best['name']} is the best denoiser: {decibels(best['psnr'])} dB, and "
        f"{percent(best['error_ratio'])} of the noise's energy is left as error."
    )


def format_tables(evaluation: dict[str, Any]) -> str:
    """The tables of noise models and of denoisers for a terminal.

    Args:
        evaluation: what `write_report` returns.

    Returns:
        Aligned lines, without a newline at the end.
    """
    tables = []
    if "models" in evaluation:
        tables.append(format_table(evaluation))
    if "denoisers" in evaluation:
        tables.append(format_denoising_table(evaluation))
    return "\n\n".join(tables)


def format_denoising_table(evaluation: dict[str, Any]) -> str:
    """The table of denoisers for a terminal.

    Args:
        evaluation: what `write_report` returns.

    Returns:
        Aligned lines, without a newline at the end.
    """
    rows = [["denoiser", "params", "PSNR", "SSIM", "error left"]]
    for row in evaluation["denoisers"]:
        name = row["name"] if len(row["name"]) <= 20 else row["name"][:19] + "…"
        parameters = "–" if row["parameters"] is None else f"{row['parameters']:,}"
        left = percent(row["error_ratio"])
        rows.append([name, parameters, decibels(row["psnr"]), number(row["ssim"]), left])
    return _aligned(rows)


def format_table(evaluation: dict[str, Any]) -> str:
    """The main table for a terminal, at most 100 columns wide.

    Args:
        evaluation: what `write_report` returns.

    Returns:
        Aligned lines, without a newline at the end.
    """
    heads = ("model", "params", "NLL", "above truth", "over AWGN", "KL pooled", "KL patch", "KS")
    floor = evaluation["floor"]
    rows: list[list[str]] = [list(heads)]
    for row in [*evaluation["models"], *([evaluation["truth"]] if evaluation["truth"] else [])]:
        gain = row.get("improvement_over_awgn")
        above = row.get("above_truth")
        error = row.get("above_truth_standard_error")
        rows.append(
            [
                row["name"] if len(row["name"]) <= 20 else row["name"][:19] + "…",
                "–" if row["parameters"] is None else f"{row['parameters']:,}",
                number(row["nll"]),
                number(above) + (f" ± {number(error)}" if error is not None else ""),
                "–" if gain is None else f"{100 * gain:+.1f} %".replace("-", "−"),
                number(row.get("kl_smoothed")),
                number(row.get("patch_kl_smoothed")),
                number(row.get("ks")),
            ]
        )
    last = ["sampling floor", "", "", "", ""]
    last += [number(floor.get(key)) for key in ("kl_smoothed", "patch_kl_smoothed", "ks")]
    rows.append(last)
    if evaluation["truth"] is None:
        rows = [row[:3] + row[4:] for row in rows]
    return _aligned(rows, last_apart=True)


def _aligned(rows: list[list[str]], *, last_apart: bool = False) -> str:
    """Rows as lines of equal columns, the first under a rule, the last as well if it is apart."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    rule = "-" * max(len(line) for line in lines)
    lines.insert(1, rule)
    if last_apart:
        lines.insert(-1, rule)
    return "\n".join(lines)
