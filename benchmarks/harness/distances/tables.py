"""What `distances` found, as tables and as powers of the sizes."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.harness.distances.methods import OURS

MARK = "~"


def exponents(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Powers of d and of B that the times of our functions follow, by least squares of logarithms.

    Args:
        rows: of `measure`.

    Returns:
        One entry per distance and task; a power is None where its size did not vary.
    """
    found = []
    keys = {(row["distance"], row["task"]): None for row in rows if row["method"] == OURS}
    for distance, task in keys:
        own = [r for r in rows if (r["distance"], r["task"], r["method"]) == (distance, task, OURS)]
        logarithms = np.log([[r["samples"], r["sets"], r["milliseconds"]] for r in own])
        sizes = logarithms[:, :2] - logarithms[:, :2].mean(0)
        fitted, *_ = np.linalg.lstsq(sizes, logarithms[:, 2] - logarithms[:, 2].mean(), rcond=None)
        powers = [float(p) if np.ptp(s) > 0 else None for p, s in zip(fitted, sizes.T, strict=True)]
        found.append({"distance": distance, "task": task, "in_d": powers[0], "in_B": powers[1]})
    return found


def tables(results: dict[str, Any]) -> Iterator[str]:
    """The lines to print.

    Args:
        results: of `benchmarks.distances.measure`.
    """
    rows = results["rows"]
    sizes = list({(row["sets"], row["samples"]): None for row in rows})
    for distance in {row["distance"]: None for row in rows}:
        yield f"\n{distance}: milliseconds for all pairs: value | value and gradient of a loss"
        header = "".join(f"{f'{sets} x {samples}':>20}" for sets, samples in sizes)
        yield f"{'':<24}{header}"
        own = [row for row in rows if row["distance"] == distance]
        for method in {row["method"]: None for row in own}:
            cells = [_cell(own, method, size) for size in sizes]
            yield f"{method:<24}" + "".join(f"{cell:>20}" for cell in cells)
        for label, name, scale in (
            ("  million pairs/s", "pairs_per_second", 1e-6),
            ("  temporary MB", "temporary_bytes", 1e-6),
        ):
            cells = [_cell(own, OURS, size, name, scale) for size in sizes]
            yield f"{label:<24}" + "".join(f"{cell:>20}" for cell in cells)
        errors = ", ".join(
            f"{method} {max(found):.0e}"
            for method in {row["method"]: None for row in own}
            for found in [_errors(own, method)]
            if found
        )
        yield f"  largest relative error: {errors}"
    if any(row["extrapolated"] for row in rows):
        yield f"\n{MARK} extrapolated: measured with fewer tensors."
    yield "\nYardsticks, milliseconds over the same 2 B tensors"
    names = [name for name, value in results["yardsticks"][0].items() if isinstance(value, dict)]
    for name in names:
        cells = [_number(entry[name]["median"]) for entry in results["yardsticks"]]
        yield f"{name:<32}" + "".join(f"{cell:>12}" for cell in cells)
    nodes = "".join(f"{entry['nodes']:>12}" for entry in results["yardsticks"])
    yield f"{'(nodes)':<32}{nodes}"
    yield "\nOur times grow as a power of d and of B"
    for entry in results["exponents"]:
        powers = [entry["in_d"], entry["in_B"]]
        text = ", ".join(
            f"{name} {power:.2f}"
            for name, power in zip(("d", "B"), powers, strict=True)
            if power is not None
        )
        yield f"  {entry['distance']:<14} {entry['task']:<9} {text}"
    for entry in results.get("memory", []):
        megabytes = entry["growth_bytes"] / 1e6
        size = f"{entry['sets']} x {entry['samples']}"
        yield f"  memory of {entry['distance']}, {entry['task']}, {size}: {megabytes:.1f} MB"
    if results["not_installed"]:
        yield f"\nNot installed: {', '.join(results['not_installed'])}."
    for name, reason in results["failed"].items():
        yield f"Failed: {name}: {reason.splitlines()[0]}"


def _cell(
    rows: list[dict[str, Any]],
    method: str,
    size: tuple[int, int],
    name: str = "milliseconds",
    scale: float = 1.0,
) -> str:
    """Value and gradient of one method at one size; a dash for what was not measured."""
    cells = []
    for task in ("value", "gradient"):
        found = [
            row
            for row in rows
            if (row["method"], row["task"]) == (method, task)
            and (row["sets"], row["samples"]) == size
            and name in row
        ]
        mark = MARK if found and found[0]["extrapolated"] else ""
        cells.append(mark + _number(scale * found[0][name]) if found else "-")
    return " | ".join(cells)


def _errors(rows: list[dict[str, Any]], method: str) -> list[float]:
    return [
        row["relative_error"] for row in rows if row["method"] == method and "relative_error" in row
    ]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
