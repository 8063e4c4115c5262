"""The cells of RCL's tables: each start at its own best learning rates, on the same labels."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.harness.cells import Cells
from benchmarks.harness.rcl.starts import FINETUNE, FRESH, Start
from benchmarks.harness.rcl.trainings import (
    Labels,
    Plan,
    Trained,
    before_labels,
    best_of,
    on_labels,
)


@dataclass(frozen=True)
class Study:
    """A table that is being filled.

    Attributes:
        plan: of the trainings.
        cells: of the table.
        rates: learning rates that were chosen, which tables share.
    """

    plan: Plan
    cells: Cells
    rates: Cells

    def start_of(self, start: Start, seed: int) -> Path | None:
        """Folder of the model that training on labels begins from; None for fresh weights.

        Args:
            start: the way to begin.
            seed: of its training.
        """
        return None if start == FRESH else self.before(start, seed).model

    def before(self, start: Start, seed: int) -> Trained:
        """The training that comes before labels, at the best learning rate.

        Args:
            start: the way to begin, other than fresh weights.
            seed: of the training.
        """
        known = start.rates_of or start
        rate = self.rates.keep(f"before labels, {known.name}", partial(self._rate_before, known))
        return before_labels(self.plan, start, seed=seed, rate=rate["rate"])

    def trained(self, start: Start, labels: Labels, seed: int) -> Trained:
        """The training on labels after a start, at the best learning rate.

        Args:
            start: the way to begin.
            labels: to train on.
            seed: of both trainings.
        """
        first, known = self.plan.seeds[0], start.rates_of or start

        def at(rate: float, start: Start = known, seed: int = first) -> Trained:
            model = self.start_of(start, seed)
            return on_labels(self.plan, start, model, labels, seed=seed, rate=rate)

        chosen = self.rates.keep(
            f"{labels.name} after {known.name}",
            lambda: {"seed": first, **best_of(self.plan.rates, at)},
        )
        return at(chosen["rate"], start, seed)

    def keep(self, row: str, column: str, start: Start, labels: Labels) -> None:
        """The cells of a row and a column, one for each seed, with what needs no training.

        Args:
            row: of the table.
            column: of the table.
            start: the way to begin.
            labels: to train on.
        """
        for seed in self.plan.seeds:
            name = f"{row}, {column}, seed {seed}"
            self.cells.keep(name, partial(self._cell, row, column, start, labels, seed))

    def _cell(self, row: str, column: str, start: Start, labels: Labels, seed: int) -> Any:
        trained = self.trained(start, labels, seed)
        if (found := trained.row("input")) is not None:
            self.cells.keep(
                f"input, {column}", lambda: {"row": "input", "seed": None, "sets": {column: found}}
            )
        made = {"row": row, "seed": seed, "sets": {column: trained.row("network")}}
        return {**made, "commit": trained.evaluation["commit"]}

    def _rate_before(self, start: Start) -> dict[str, Any]:
        """A start serves at the rate after which a last layer has the highest validation PSNR."""
        plan, first = self.plan, self.plan.seeds[0]
        middle = plan.rates[len(plan.rates) // 2]
        labels = Labels("jdd" if start.raw else "denoise", frozen=True)

        def tried(rate: float) -> Trained:
            before = before_labels(plan, start, seed=first, rate=rate)
            if start.command == FINETUNE:
                return before
            return on_labels(plan, start, before.model, labels, seed=first, rate=middle)

        return {"seed": first, **best_of(plan.pretraining_rates, tried)}
