"""The section of noise models: verdict, tables and figures."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from train.report.candidates import includes
from train.report.history import learned_parameters, learning_curves
from train.report.noise_by_condition import histograms, variance_by_intensity
from train.report.noise_in_space import correlations, pictures_of_noise, spatial_statistics
from train.report.noise_numbers import ModelResult, evaluate
from train.report.render import rendered
from train.report.section import Section
from train.report.style import Picture
from train.report.table import aligned, number
from train.report.test_set import TestSet

MARGIN_OVER_WHITE = 0.01
"""Nats per dimension by which chance may put a good model above white noise."""


def noise_section(
    test: TestSet,
    results: Sequence[ModelResult],
    *,
    history: Mapping[str, list[dict[str, Any]]],
    show_images: bool,
) -> Section:
    """What is known of noise models.

    Args:
        test: the test patches.
        results: one entry per model, each for all test patches.
        history: model's name to the rows of its metrics.jsonl; may be empty.
        show_images: False leaves out pictures of patches.

    Returns:
        The section.

    Raises:
        ValueError: when a result is not about these patches.
    """
    results = list(results)
    numbers = evaluate(test, results)
    statistics = spatial_statistics(test, results)
    numbers["contain_the_simulator"] = _containing(test, results)
    numbers["correlation"] = {name: _lag_one(values["map"]) for name, values in statistics.items()}
    pictures: list[Picture | None] = [learning_curves(dict(history), numbers)]
    pictures += [pictures_of_noise(test, results)] if show_images else []
    pictures.append(histograms(test, results))
    pictures += variance_by_intensity(test, results)
    pictures += correlations(statistics, test.origin)
    pictures += learned_parameters(dict(history))
    best = best_rows(numbers)
    note = "Lower is better in every column but the improvement. " + _table_note(test, numbers)
    return Section(
        verdict=_verdict(numbers, best),
        numbers=numbers,
        html=rendered(
            "noise.html",
            machinery=_machinery(numbers),
            rows=[*numbers["models"], *([numbers["truth"]] if numbers["truth"] else [])],
            best={row["name"] for row in best},
            note=note,
            kinds={"camera": "camera", "iso": "ISO", "intensity": "clean intensity"},
            shade=_shade,
            **{key: numbers[key] for key in ("models", "truth", "floor", "groups")},
        ),
        text=format_table(numbers),
        pictures=tuple(picture for picture in pictures if picture is not None),
        failed=tuple(_above_white(numbers, results)),
    )


def best_rows(numbers: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows that the table shows with the lowest NLL: several where it shows the same digits."""
    rows = [row for row in numbers["models"] if row["nll"] is not None]
    lowest = min((row["nll"] for row in rows), default=None)
    return [row for row in rows if number(row["nll"]) == number(lowest)]


def _verdict(numbers: Mapping[str, Any], best: list[dict[str, Any]]) -> str:
    if not best:
        return "No model has a finite likelihood on the test patches."
    first = min(best, key=lambda row: row["nll"])
    names = " and ".join(row["name"] for row in best)
    have = "has" if len(best) == 1 else "have"
    parts = [f"{names} {have} the best likelihood: {number(first['nll'])} nats per dimension"]
    if "above_truth" in first:
        error = first["above_truth_standard_error"]
        beside = "" if error is None else f" ± {number(error)}"
        parts.append(f", {number(first['above_truth'])}{beside} above the truth")
    if not any(row["trained"] for row in best):
        parts.append("; what was trained here has a worse one")
    kl, floor = first["kl_smoothed"], numbers["floor"]["kl_smoothed"]
    if kl is None:
        return "".join(parts) + "; its noise has values that are not numbers."
    whose = "its noise" if len(best) == 1 else f"the noise of {first['name']}"
    return "".join(parts) + f". The KL of {whose} is {number(kl)}; the floor is {number(floor)}."


def _above_white(numbers: Mapping[str, Any], results: Sequence[ModelResult]) -> list[str]:
    """Sentences about trained models that white noise is likelier than."""
    white = next(
        (row for row, r in zip(numbers["models"], results, strict=True) if r.is_white), None
    )
    if white is None or white["nll"] is None:
        return []
    found = []
    for row in numbers["models"]:
        if not row["trained"] or (row["nll"] or math.inf) <= white["nll"] + MARGIN_OVER_WHITE:
            continue
        found.append(
            f"{row['name']} explains the test noise worse than white noise of one variance does "
            f"({number(row['nll'])} against {number(white['nll'])} nats per dimension): it is of "
            "no use as a model of this noise."
        )
    return found


def _containing(test: TestSet, results: Sequence[ModelResult]) -> list[str]:
    """The models of which the simulated noise is one."""
    channels = test.noise.shape[-1]
    return [
        result.name
        for result in results
        if any(includes(result.family, other, channels=channels) for other in test.families)
    ]


def _machinery(numbers: Mapping[str, Any]) -> str:
    """What a small distance to the truth says where a model contains the simulator."""
    names = numbers["contain_the_simulator"]
    if not names:
        return ""
    *others, last = names
    which = f"{', '.join(others)} and {last} can each be" if others else f"{last} can be"
    return (
        f"{which} the very process that simulated this noise: a distance to the truth tests the "
        "machinery there, and is no result about cameras."
    )


def _lag_one(correlation) -> dict[str, float | None]:
    middle = len(correlation) // 2
    if middle == 0:
        return {}
    values = {"right": correlation[middle, middle + 1], "down": correlation[middle + 1, middle]}
    return {key: float(value) if math.isfinite(value) else None for key, value in values.items()}


def format_table(evaluation: dict[str, Any]) -> str:
    """The main table for a terminal, at most 100 columns wide.

    Args:
        evaluation: of `train.report.noise_numbers.evaluate`.

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
    return aligned(rows, last_apart=True)


def _table_note(test: TestSet, evaluation: dict[str, Any]) -> str:
    return (
        f"KL divergences are between histograms of noise in 66 bins, from the {test.origin} to the "
        "model, in nats; "
        "smoothed adds one to every count, dropped leaves empty bins out. Two finite draws of one "
        "and the same noise do not reach 0 but the floor, here from "
        f"{evaluation['floor_source']}. Standard errors take patches as independent. "
        "KS is the largest gap between cumulative histograms, whose bins of 0.0078 are coarse for "
        "raw noise."
    )


def _shade(kl: float | None, floor: float | None) -> str:
    """A colour that says how many times the floor a KL is; "" for none."""
    if kl is None or not floor or floor <= 0:
        return ""
    # Green up to twice the floor, red from a thousand times.
    place = min(max(math.log(kl / floor / 2) / math.log(500), 0), 1) if kl > 0 else 0
    stops = ((43, 163, 111), (224, 150, 30), (229, 83, 75))
    low = min(int(2 * place), 1)
    pairs = zip(stops[low], stops[low + 1], strict=True)
    mixed = [str(round(a + (2 * place - low) * (b - a))) for a, b in pairs]
    return f"rgb({' '.join(mixed)} / 0.25)"
