"""The section of denoisers: verdict, table and figures."""

from collections.abc import Mapping, Sequence
from typing import Any

from train.report.denoiser_figures import (
    denoising_curves,
    pictures_of_estimates,
    psnr_by_condition,
)
from train.report.denoiser_numbers import DenoiserResult, evaluate
from train.report.render import rendered
from train.report.section import Section
from train.report.table import aligned, decibels, number, percent
from train.report.test_set import TestSet


def denoiser_section(
    test: TestSet,
    results: Sequence[DenoiserResult],
    *,
    history: Mapping[str, list[dict[str, Any]]],
    show_images: bool,
) -> Section:
    """What is known of denoisers.

    Args:
        test: the test patches.
        results: one entry per denoiser, each for all test patches, and one for the noisy images.
        history: denoiser's name to the rows of its metrics.jsonl; may be empty.
        show_images: False leaves out pictures of patches.

    Returns:
        The section.
    """
    results = list(results)
    numbers = evaluate(test, results)
    pictures = [denoising_curves(dict(history))]
    pictures += [pictures_of_estimates(test, results)] if show_images else []
    pictures.append(psnr_by_condition(numbers, pooled=test.shots is not None))
    best = best_rows(numbers)
    return Section(
        verdict=_verdict(numbers, best),
        numbers=numbers,
        # What is not better than doing nothing is not set off.
        html=rendered(
            "denoisers.html",
            rows=numbers["denoisers"],
            best=[] if any(row["input"] for row in best) else best,
            note=_table_note(numbers),
        ),
        text=format_table(numbers),
        pictures=tuple(picture for picture in pictures if picture is not None),
    )


def best_rows(numbers: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows that the table shows with the highest PSNR, the noisy images among them."""
    rows = [row for row in numbers["denoisers"] if row["psnr"] is not None]
    highest = max((row["psnr"] for row in rows), default=None)
    return [row for row in rows if decibels(row["psnr"]) == decibels(highest)]


def _verdict(numbers: Mapping[str, Any], best: list[dict[str, Any]]) -> str:
    trained = [row for row in numbers["denoisers"] if not row["input"]]
    noisy = next((row for row in numbers["denoisers"] if row["input"]), None)
    if not trained:
        return ""
    if not best:
        return "No denoiser has a PSNR that is a number."
    if noisy is not None and any(row is noisy for row in best):
        return (
            f"No denoiser is better than the noisy images themselves, which have "
            f"{decibels(noisy['psnr'])} dB."
        )
    names = " and ".join(row["name"] for row in best)
    what = "is the best denoiser" if len(best) == 1 else "are the best denoisers"
    return (
        f"{names} {what}: {decibels(best[0]['psnr'])} dB, and {percent(best[0]['error_ratio'])} "
        "of the noise's energy is left as error."
    )


def format_table(evaluation: dict[str, Any]) -> str:
    """The table of denoisers for a terminal.

    Args:
        evaluation: of `train.report.denoiser_numbers.evaluate`.

    Returns:
        Aligned lines, without a newline at the end.
    """
    rows = [["denoiser", "params", "PSNR", "SSIM", "error left"]]
    for row in evaluation["denoisers"]:
        name = row["name"] if len(row["name"]) <= 20 else row["name"][:19] + "…"
        parameters = "–" if row["parameters"] is None else f"{row['parameters']:,}"
        left = percent(row["error_ratio"])
        rows.append([name, parameters, decibels(row["psnr"]), number(row["ssim"]), left])
    return aligned(rows)


def _table_note(evaluation: dict[str, Any]) -> str:
    if any(
        row["ssim"] is not None or row["psnr_standard_error"] for row in evaluation["denoisers"]
    ):
        return (
            "Means over patches of estimates clipped to [0, 1], with the full scale as range; SSIM "
            "with a Gaussian window of standard deviation 0.8. The error left is the squared error "
            "of all patches over that of the noisy images."
        )
    return (
        "Without clean images: the error against the other shot, less that shot's noise, of all "
        "patches together; PSNR with the full scale as range, error left as a part of the noise's "
        "energy."
    )
