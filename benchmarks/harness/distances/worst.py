"""The largest of many errors, by kind, with the case that each belongs to."""

from typing import Any

import numpy as np

from benchmarks.harness.distances.oracles import Truth

NOT_A_NUMBER = 1e9
"""Stands for an error that is NaN or infinite: JSON has neither."""

COLUMNS = (
    ("biased_above", "unbiased_above"),
    ("biased_below", "unbiased_below"),
    ("gradient_above", "gradient_below"),
)
"""Kinds of error that the table has side by side."""


class Worst:
    """The largest errors over the cases, each with the name of its case."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[float, str]] = {}
        self._lowest = np.inf

    def add(self, case: str, values: dict[str, Any], truth: Truth, edge: float) -> None:
        """Take in one case.

        Args:
            case: its name.
            values: biased, unbiased (or None) and gradients, as a form computed them.
            truth: what they should be.
            edge: squared MMD that divides the large from the small ones.
        """
        where = "above" if truth.biased > edge else "below"
        self._lowest = min(self._lowest, values["biased"])
        self._keep(f"biased_{where}", case, abs(values["biased"] / truth.biased - 1))
        if values["unbiased"] is not None:
            # It passes through zero; the error is seen next to the biased statistic.
            error = abs(values["unbiased"] - truth.unbiased) / truth.biased
            self._keep(f"unbiased_{where}", case, error)
        for computed, true in zip(values["gradients"], truth.gradients, strict=True):
            # On a lattice the gradient may vanish where that of the kernels does not.
            size = max(np.max(np.abs(true)), truth.steepest / 100 / true.size)
            error = np.max(np.abs(computed - true)) / size
            self._keep(f"gradient_{where}", case, error)

    def _keep(self, kind: str, case: str, error: float) -> None:
        error = float(error) if np.isfinite(error) else NOT_A_NUMBER
        if error >= self._found.get(kind, (-1.0, ""))[0]:
            self._found[kind] = error, case

    def numbers(self) -> dict[str, Any]:
        """Kind of error to the largest and its case; and the smallest biased value."""
        kinds = {kind: {"worst": e, "case": case} for kind, (e, case) in self._found.items()}
        return {**kinds, "smallest_value": float(self._lowest)}


def worst(errors: dict[str, Any], kinds: tuple[str, ...]) -> str:
    """The largest of some kinds of error, as text; a dash where there was no such case."""
    found = [errors[kind]["worst"] for kind in kinds if kind in errors]
    return f"{max(found):.1e}" if found else "-"
