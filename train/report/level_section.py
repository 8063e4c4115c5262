"""The section of noise of stated strength: verdict, table and figures."""

from collections.abc import Mapping, Sequence
from typing import Any

from train.report.level_figures import (
    noise_against_intensity,
    pictures_of_levels,
    several_draws,
    strength_by_intensity,
    training_of_terms,
)
from train.report.level_numbers import FEWEST, LevelResult, evaluate
from train.report.render import rendered
from train.report.section import Section
from train.report.style import Picture
from train.report.table import aligned, number, percent

TOLERANCE = 0.2
"""Part of the standard deviation asked for by which noise may miss it and still be of use."""
NOTE = (
    "Std and mean are in units of the level, as a root mean square where that depends on "
    "intensity. The slope is that of the noise's square, in units of the level squared, on "
    "intensity in [0, 1]. Bright and dark are the fifths of the pixels that are the brightest and "
    "the darkest. Lag 1 is the correlation with the next pixel of the same colour, of noise over "
    "its level; channels, the mean one between colours. The largest miss is of the tenths of "
    f"intensity with {FEWEST} pixels or more. The gap is squared MMD between crops of different "
    "images less that within one."
)


def level_section(
    results: Sequence[LevelResult],
    *,
    trained: str,
    history: list[dict[str, Any]],
    terms: Mapping[str, str],
    show_images: bool,
) -> Section:
    """What is known of noise of stated strength.

    Args:
        results: one for each level.
        trained: name of the model that was trained.
        history: rows of its metrics.jsonl.
        terms: names in these rows to headings.
        show_images: False leaves out pictures of crops.

    Returns:
        The section.
    """
    numbers = evaluate(results, trained=trained)
    own = [row for row in numbers["levels"] if row["trained"]]
    pictures: list[Picture | None] = [training_of_terms(history, terms)]
    pictures += [pictures_of_levels(results), several_draws(results)] if show_images else []
    pictures += [noise_against_intensity(results), strength_by_intensity(results)]
    return Section(
        verdict=_verdict(own, trained),
        numbers=numbers,
        html=rendered("levels.html", rows=numbers["levels"], note=NOTE),
        text=format_table(numbers),
        pictures=tuple(picture for picture in pictures if picture is not None),
        failed=tuple(_missed(own)),
    )


def _verdict(own: list[dict[str, Any]], trained: str) -> str:
    if any(row["std_ratio"] is None for row in own):
        return f"The noise of {trained} has values that are not numbers."
    ratios = [row["std_ratio"] for row in own]
    bright = [row["bright_over_dark"] for row in own]
    return (
        f"The noise of {trained} has {_span(ratios)} times the standard deviation that is asked "
        f"for, and is {_span(bright)} times as strong in bright places as in dark ones."
    )


def _span(values: list[float]) -> str:
    low, high = f"{min(values):.2f}", f"{max(values):.2f}"
    return low if low == high else f"{low} to {high}"


def _missed(own: list[dict[str, Any]]) -> list[str]:
    """Sentences on levels that the trained model does not meet."""
    found = []
    for row in own:
        ratio = row["std_ratio"]
        if ratio is None or abs(ratio - 1) > TOLERANCE:
            what = "no number" if ratio is None else f"{ratio:.2f} times what was asked for"
            found.append(
                f"the standard deviation of the noise at {row['level']} is {what}: it is of no use "
                "at this level; raise --alignment-weight, or train with a smaller --learning-rate."
            )
    return found


def format_table(evaluation: dict[str, Any]) -> str:
    """The table for a terminal.

    Args:
        evaluation: of `train.report.level_numbers.evaluate`.

    Returns:
        Aligned lines, without a newline at the end.
    """
    rows = [
        [
            "level",
            "model",
            "std",
            "mean",
            "slope",
            "bright/dark",
            "lag right",
            "down",
            "miss",
            "gap",
        ]
    ]
    for row in evaluation["levels"]:
        values = [
            number(row[key])
            for key in ("std_ratio", "mean", "slope", "bright_over_dark", "lag_right", "lag_down")
        ]
        name = row["name"] if len(row["name"]) <= 20 else row["name"][:19] + "…"
        rows.append([row["level"], name, *values, percent(row["largest_miss"]), number(row["gap"])])
    return aligned(rows)
