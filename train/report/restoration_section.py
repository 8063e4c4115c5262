"""The section of restored images: verdict, table and figures."""

from collections.abc import Mapping, Sequence
from typing import Any

from train.report.denoiser_figures import denoising_curves
from train.report.render import rendered
from train.report.restoration_figures import pictures_of_restorations, psnr_over_input
from train.report.restoration_numbers import OTHER_SHOT, Restoration, RestorationTest, evaluate
from train.report.section import Section
from train.report.table import aligned, decibels, number, short

NOTE = (
    "Means over crops of estimates clipped to [0, 1], with the full scale as range; SSIM with a "
    "uniform window of 7 x 7 pixels. The gain is the mean difference to the PSNR of the input of "
    "each crop. Standard errors are those of independent crops, and are too small where there are "
    "few images."
)
OF_SHOTS = (
    " No clean images are known: all numbers are against another noisy shot, whose noise no "
    "estimate can hit, so that PSNR and SSIM lie below those against clean images."
)


def restoration_section(
    test: RestorationTest,
    results: Sequence[Restoration],
    *,
    history: Mapping[str, list[dict[str, Any]]],
    show_images: bool,
) -> Section:
    """What is known of restored images.

    Args:
        test: the test crops.
        results: one entry for each row, of which one is the input.
        history: name of a row to the rows of its metrics.jsonl; may be empty.
        show_images: False leaves out pictures of crops.

    Returns:
        The section.
    """
    numbers = evaluate(test, results)
    best = best_rows(numbers)
    pictures = [denoising_curves(dict(history), of="the network")]
    pictures += [pictures_of_restorations(test, results)] if show_images else []
    pictures.append(psnr_over_input(test, results))
    return Section(
        verdict=_verdict(numbers, best),
        numbers=numbers,
        html=rendered(
            "restored.html",
            task=test.task,
            rows=numbers["restored"],
            best=[] if any(row["input"] for row in best) else best,
            note=NOTE + (OF_SHOTS if test.target == OTHER_SHOT else ""),
        ),
        text=format_table(numbers),
        pictures=tuple(picture for picture in pictures if picture is not None),
    )


def best_rows(numbers: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows that the table shows with the highest PSNR, the input among them."""
    rows = [row for row in numbers["restored"] if row["psnr"] is not None]
    highest = max((row["psnr"] for row in rows), default=None)
    return [row for row in rows if decibels(row["psnr"]) == decibels(highest)]


def _verdict(numbers: Mapping[str, Any], best: list[dict[str, Any]]) -> str:
    own = [row for row in numbers["restored"] if not row["input"]]
    start = next((row for row in numbers["restored"] if row["input"]), None)
    if not own:
        return ""
    if not best:
        return "No row has a PSNR that is a number."
    if start is not None and any(row is start for row in best):
        return (
            f"Nothing is better than the input itself ({start['name']}), which has "
            f"{decibels(start['psnr'])} dB."
        )
    names = " and ".join(row["name"] for row in best)
    verb = "has" if len(best) == 1 else "have"
    said = f"{names} {verb} the highest PSNR, {decibels(best[0]['psnr'])} dB"
    if start is None:
        return f"{said}."
    return f"{said}; the input itself ({start['name']}) has {decibels(start['psnr'])} dB."


def format_table(evaluation: Mapping[str, Any]) -> str:
    """The table for a terminal.

    Args:
        evaluation: of `train.report.restoration_numbers.evaluate`.

    Returns:
        Aligned lines, without a newline at the end.
    """
    rows = [[f"{evaluation['task']}", "params", "PSNR", "SSIM", "gain"]]
    for row in evaluation["restored"]:
        parameters = "–" if row["parameters"] is None else f"{row['parameters']:,}"
        values = [decibels(row["psnr"]), number(row["ssim"]), decibels(row["gain"])]
        rows.append([short(row["name"]), parameters, *values])
    return aligned(rows)
