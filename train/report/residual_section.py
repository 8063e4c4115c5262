"""The section of residuals: verdict, table and figures."""

from collections.abc import Mapping, Sequence
from typing import Any

from train.report.level_figures import training_of_terms
from train.report.render import rendered
from train.report.residual_figures import (
    densities_of_differences,
    pictures_of_residuals,
    strength_by_crop,
)
from train.report.residual_numbers import ResidualResult, Shown, evaluate
from train.report.section import Section
from train.report.style import Picture
from train.report.table import aligned, decibels, number, percent, short

NOTE = (
    "The gap is the earth mover's distance of the residuals of crops of different images less that "
    "of crops of one image, the mean and its standard error over first crops; to the true noise is "
    "the earth mover's distance of all single differences to those of the true noise. Standard "
    "deviations are root mean squares over crops, over the noise in parts of that of the true "
    "noise, over what is shown in parts of what second differences of the noisy crops show. PSNR "
    "is that of the mean squared error against the clean images, which no training here sees; of "
    "the residual, in what the input sees of it."
)


def residual_section(
    results: Sequence[ResidualResult],
    shown: Shown,
    *,
    trained: str,
    history: list[dict[str, Any]],
    terms: Mapping[str, str],
    show_images: bool,
) -> Section:
    """What is known of residuals.

    Args:
        results: of the networks, and of the true noise where it is known.
        shown: what is shown beside the numbers.
        trained: name of the network that was trained.
        history: rows of its metrics.jsonl; may be empty.
        terms: names in these rows to headings.
        show_images: False leaves out pictures of crops.

    Returns:
        The section.
    """
    numbers = evaluate(results, shown, trained=trained)
    pictures: list[Picture | None] = [training_of_terms(history, terms)]
    pictures += [densities_of_differences(results), strength_by_crop(results, shown)]
    pictures += [pictures_of_residuals(results, shown)] if show_images else []
    note = NOTE
    if numbers["noisy_psnr"] is not None:
        note += f" The noisy crops themselves have {decibels(numbers['noisy_psnr'])} dB."
    return Section(
        verdict=_verdict(numbers, trained),
        numbers=numbers,
        html=rendered("residuals.html", rows=numbers["residuals"], note=note),
        text=format_table(numbers),
        pictures=tuple(picture for picture in pictures if picture is not None),
    )


def _verdict(numbers: Mapping[str, Any], trained: str) -> str:
    rows = {row["name"]: row for row in numbers["residuals"]}
    own = rows[trained]
    if own["gap"] is None:
        return ""
    truth = next((row for row in numbers["residuals"] if row["is_truth"]), None)
    said = (
        f"The residuals of {trained} are {number(own['gap'])} of 255 further apart between images "
        "than within one"
    )
    if truth is None:
        return f"{said}."
    return (
        f"{said}, those of the true noise {number(truth['gap'])}; they are "
        f"{number(own['std_over_truth'])} times as strong as the noise."
    )


def format_table(evaluation: Mapping[str, Any]) -> str:
    """The table for a terminal.

    Args:
        evaluation: of `train.report.residual_numbers.evaluate`.

    Returns:
        Aligned lines, without a newline at the end.
    """
    rows = [["network", "gap", "above 0", "to truth", "std", "over noise", "over shown", "PSNR"]]
    for row in evaluation["residuals"]:
        rows.append(
            [
                short(row["name"], 24),
                number(row["gap"]),
                percent(row["gaps_above_0"]),
                *(number(row[key]) for key in ("to_truth", "std", "std_over_truth")),
                number(row["std_over_shown"]),
                decibels(row["psnr"]),
            ]
        )
    return aligned(rows)
