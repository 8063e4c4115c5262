"""The finished cells of a table, in a file that is whole whenever the program ends."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from train.engine.files import replace_file

OFFSET = "psnr_without_offset"
"""A number that only some tables have, with a column of its own."""


class Cells:
    """Cells by name, each kept as soon as it is finished.

    Args:
        path: of the file; what it holds is not computed again.
        settings: that the cells depend on, as JSON can hold them.

    Raises:
        SystemExit: the file is of other settings.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]):
        self.path, self.settings = path, json.loads(json.dumps(settings))
        self.found: dict[str, Any] = {}
        if path.exists():
            held = json.loads(path.read_text())
            differing = [
                name
                for name in {**held["settings"], **self.settings}
                if held["settings"].get(name) != self.settings.get(name)
            ]
            if differing:
                raise SystemExit(
                    f"{path} has cells of other {differing[0]}: choose another --folder for these."
                )
            self.found = held["cells"]

    def keep(self, name: str, make: Callable[[], Any]) -> Any:
        """A cell, made and kept unless it is there.

        Args:
            name: of the cell.
            make: computes it, as JSON can hold it.
        """
        if name not in self.found:
            self.found[name] = json.loads(json.dumps(make()))
            self.path.parent.mkdir(parents=True, exist_ok=True)
            held = {"settings": self.settings, "cells": self.found}
            replace_file(self.path, json.dumps(held, indent=2) + "\n")
        return self.found[name]


def rows_of(cells: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The rows of a table.

    Args:
        cells: by name; those with "sets" count, each with its "row" and "seed".

    Returns:
        By row and set each number's mean, and its lowest and highest over the seeds. Where a seed
        has several cells, such as of several scenes, their mean is the number of that seed. A row
        may have cells of several sets each.
    """
    grouped: dict[str, dict[Any, list[dict]]] = {}
    for cell in cells.values():
        if "sets" in cell:
            grouped.setdefault(cell["row"], {}).setdefault(cell["seed"], []).append(cell["sets"])
    rows: dict[str, dict[str, Any]] = {}
    for row, by_seed in grouped.items():
        rows[row] = {"seeds": [seed for seed in by_seed if seed is not None]}
        every = [sets for found in by_seed.values() for sets in found]
        for name, numbers in {name: sets[name] for sets in every for name in sets}.items():
            keys = [key for key, value in numbers.items() if isinstance(value, int | float)]
            rows[row][name] = {key: _range(by_seed, name, key) for key in keys}
    return rows


def _range(by_seed: Mapping[Any, list[dict]], name: str, key: str) -> dict[str, float]:
    by_seed = {seed: [one for one in cells if name in one] for seed, cells in by_seed.items()}
    of_seeds = [np.mean([one[name][key] for one in cells]) for cells in by_seed.values() if cells]
    return {
        "mean": float(np.mean(of_seeds)),
        "lowest": float(min(of_seeds)),
        "highest": float(max(of_seeds)),
    }


def shown(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """A table of means, with the range of the PSNR over seeds.

    Args:
        rows: of `rows_of`.
    """
    lines = []
    sets = dict.fromkeys(name for row in rows.values() for name in row if name != "seeds")
    for name in sets:
        offset = any(OFFSET in row.get(name, ()) for row in rows.values())
        head = f"{name:34s}{'PSNR':>8s}{'(range)':>16s}{'SSIM':>8s}"
        lines.append(head + f"{'no offset':>11s}" * offset)
        for title, row in rows.items():
            if name not in row:
                continue
            numbers, span = row[name], row[name]["psnr"]
            line = f"  {title:32s}{span['mean']:8.2f}{span['lowest']:9.2f}{span['highest']:7.2f}"
            line += f"{numbers['ssim']['mean']:8.4f}"
            lines.append(line + (f"{numbers[OFFSET]['mean']:11.2f}" if OFFSET in numbers else ""))
    return "\n".join(lines)
